/**
 * The tests of what a backend does beyond the digits of f32: systems in f64 and streaming sums of products. A part of
 * algebra-suite.ts, on its device. Oracles: planted solutions and naive f64 loops.
 */
import { describe, expect, it } from 'vitest';
import type { Backend } from '../kernels/backend.ts';
import type { SuiteOptions } from './kernel-suite.ts';
import { expectScaled, naiveOrthogonal, naiveProduct, relativeError } from './naive.ts';
import { createRandom } from './random.ts';

export function wideTests(backend: () => Backend, options: SuiteOptions): void {
  const random = createRandom(4099);

  describe('solveWide', () => {
    /** Q·D·Qᵀ with eigenvalues from 1 down to 1/condition, symmetric to the bit. */
    function system(n: number, condition: number): Float64Array {
      const q = naiveOrthogonal(random.normals(n * n), n);
      const a = new Float64Array(n * n);
      for (let r = 0; r < n; r++) {
        for (let c = 0; c <= r; c++) {
          let sum = 0;
          for (let k = 0; k < n; k++) sum += q[r * n + k] * q[c * n + k] * condition ** (-k / (n - 1));
          a[r * n + c] = sum;
          a[c * n + r] = sum;
        }
      }
      return a;
    }

    function times(a: Float64Array, n: number, x: Float64Array, m: number, lambda: number): Float64Array {
      const out = x.map((v) => lambda * v);
      for (let r = 0; r < n; r++) {
        for (let k = 0; k < n; k++) {
          for (let c = 0; c < m; c++) out[r * m + c] += a[r * n + k] * x[k * m + c];
        }
      }
      return out;
    }

    for (const [condition, lambda, allowed] of [
      [10, 0.25, 1e-11],
      [1e5, 0, 1e-8],
      [1e12, 1e-4, 1e-8],
    ]) {
      it(`keeps f64's digits at a condition of ${condition} with λ = ${lambda}`, async () => {
        const [n, m] = [90, 3];
        const a = system(n, condition);
        const x = Float64Array.from(random.normals(n * m), (v) => v + 1e-9);
        const solved = await backend().solveWide(a, n, times(a, n, x, m, lambda), m, { lambda });
        if (!solved.ok) throw new Error('No solution.');
        expect(solved.residual).toBeLessThan(1e-5);
        expect(relativeError(solved.x, x)).toBeLessThan(allowed);
      });
    }

    it('says where a matrix is singular within rounding, and solves nothing for nothing', async () => {
      const n = 70;
      const v = random.normals(n);
      const rank1 = Float64Array.from({ length: n * n }, (_, k) => v[Math.floor(k / n)] * v[k % n]);
      expect((await backend().solveWide(rank1, n, Float64Array.from(v), 1)).ok).toBe(false);
      const near = system(n, 1e14);
      const told = await backend().solveWide(near, n, Float64Array.from(v), 1);
      // Out of reach of an f32 factor, within that of f64's.
      expect(told.ok).toBe(backend().kind === 'cpu');
      const none = await backend().solveWide(system(n, 10), n, new Float64Array(2 * n), 2);
      expect(none).toEqual({ ok: true, x: new Float64Array(2 * n), residual: 0 });
    });

    it('refuses what does not fit', async () => {
      const a = new Float64Array(9).fill(1);
      await expect(backend().solveWide(a, 3, new Float64Array(4), 1)).rejects.toThrow(/3 unknowns and 1 col/);
      await expect(backend().solveWide(a, 3, new Float64Array(3), 1, { lambda: -1 })).rejects.toThrow(/-1/);
    });
  });

  describe('sums of products', () => {
    it('stream over batches with weights, the symmetric one too', async () => {
      const [p, q] = [70, 9];
      const sums = backend().createCrossSums(p, q);
      const gram = backend().createCrossSums(p, p);
      const expected = [new Float64Array(p * q), new Float64Array(p * p)];
      const scales = [new Float64Array(p * q), new Float64Array(p * p)];
      for (const [rows, weight] of [
        [1030, 1],
        [3, -0.5],
      ]) {
        const [x, y] = [random.normals(rows * p), random.normals(rows * q)];
        const [left, right] = [backend().upload(x, rows, p), backend().upload(y, rows, q)];
        await backend().addCrossSums(sums, left, right, weight);
        await backend().addCrossSums(gram, left, left, weight);
        backend().release(left, right);
        [y, x].forEach((other, k) => {
          const { product, scale } = naiveProduct(x, rows, p, other, [q, p][k], true, false);
          product.forEach((v, at) => {
            expected[k][at] += weight * v;
            scales[k][at] += Math.abs(weight) * scale[at];
          });
        });
      }
      expectScaled(await backend().readCrossSums(sums), expected[0], scales[0], 2 * options.product, q);
      expectScaled(await backend().readCrossSums(gram), expected[1], scales[1], 2 * options.product, p);
      const wrong = backend().zeros(3, q);
      await expect(backend().addCrossSums(sums, wrong, wrong)).rejects.toThrow(/70×9 products/);
      backend().release(sums, gram, wrong);
      await expect(backend().readCrossSums(sums)).rejects.toThrow(/released/);
    });
  });
}
