/**
 * The tests of a backend's products, statistics, factors and solves: one body for the CPU and the GPU, beside
 * kernel-suite.ts. Oracles: naive f64 loops, identities, and Gaussian elimination in f64.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Backend, Matrix } from '../kernels/backend.ts';
import { expectClose } from './compare.ts';
import type { SuiteOptions } from './kernel-suite.ts';
import {
  expectScaled,
  naiveMoments,
  naiveOrthogonal,
  naiveProduct,
  naiveSolve,
  relativeError,
} from './naive.ts';
import { createRandom } from './random.ts';
import { wideTests } from './wide-tests.ts';

export function algebraSuite(name: string, options: SuiteOptions): void {
  describe(name, () => {
    let backend: Backend;
    beforeAll(async () => {
      backend = await options.create();
    });
    afterAll(() => backend?.dispose());
    const random = createRandom(5150);

    async function taken(matrix: Matrix): Promise<Float32Array> {
      const values = await backend.read(matrix);
      backend.release(matrix);
      return values;
    }

    /** XᵀX/n + I, symmetric to the bit. */
    function positive(n: number): Float32Array {
      const x = random.normals(n * n);
      const { product } = naiveProduct(x, n, n, x, n, true, false);
      const out = new Float32Array(n * n);
      for (let r = 0; r < n; r++) {
        for (let c = 0; c <= r; c++) {
          out[r * n + c] = product[r * n + c] / n + Number(r === c);
          out[c * n + r] = out[r * n + c];
        }
      }
      return out;
    }

    describe('matmul', () => {
      for (const [m, k, n] of [
        [1, 1, 1],
        [3, 17, 65],
        [64, 64, 64],
        [65, 130, 3],
        [130, 33, 66],
      ]) {
        for (const [transposeA, transposeB] of [
          [false, false],
          [false, true],
          [true, false],
          [true, true],
        ]) {
          it(`${m}×${k}×${n}${transposeA ? ', a transposed' : ''}${transposeB ? ', b transposed' : ''}`, async () => {
            const [aRows, aCols] = transposeA ? [k, m] : [m, k];
            const [bRows, bCols] = transposeB ? [n, k] : [k, n];
            const a = random.normals(m * k);
            const b = random.normals(k * n);
            const before = random.normals(m * n);
            const { product, scale } = naiveProduct(a, aRows, aCols, b, bCols, transposeA, transposeB);
            const [left, right] = [backend.upload(a, aRows, aCols), backend.upload(b, bRows, bCols)];
            const out = await backend.matmul(left, right, { transposeA, transposeB });
            expect([out.rows, out.cols]).toEqual([m, n]);
            expectScaled(await taken(out), product, scale, options.product, n);
            const into = backend.upload(before, m, n);
            const given = { transposeA, transposeB, alpha: -0.5, into };
            expect(await backend.matmul(left, right, { ...given, accumulate: true })).toBe(into);
            expectScaled(
              await backend.read(into),
              product.map((v, index) => before[index] - 0.5 * v),
              scale.map((v, index) => v + Math.abs(before[index])),
              options.product,
              n,
            );
            await backend.matmul(left, right, given);
            expectScaled(
              await taken(into),
              product.map((v) => -0.5 * v),
              scale,
              options.product,
              n,
            );
            backend.release(left, right);
          });
        }
      }

      it('of a matrix with itself, and where the product is large enough to be injected', async () => {
        const [rows, cols] = [90, 80];
        const x = random.normals(rows * cols);
        const { product, scale } = naiveProduct(x, rows, cols, x, cols, true, false);
        const matrix = backend.upload(x, rows, cols);
        const out = await taken(await backend.matmul(matrix, matrix, { transposeA: true }));
        expectScaled(out, product, scale, options.product, cols);
        backend.release(matrix);
      });

      it('refuses shapes that do not fit, and results that are inputs', async () => {
        const [a, b] = [backend.zeros(2, 3), backend.zeros(2, 3)];
        await expect(backend.matmul(a, b)).rejects.toThrow(/2×3 and 2×3 is not possible/);
        await expect(backend.matmul(a, b, { transposeB: true, into: a })).rejects.toThrow(/2×2 values/);
        await expect(backend.matmul(a, b, { transposeB: true, accumulate: true })).rejects.toThrow(/given/);
        const square = backend.zeros(3, 3);
        await expect(backend.matmul(a, square, { into: a })).rejects.toThrow(/overwrite/);
        backend.release(a, b, square);
      });
    });

    describe('weighted centred products', () => {
      it('stream into sums that cancel nothing', async () => {
        const [rows, p, q] = [100, 33, 18];
        const x = random.normals(rows * p).map((v, k) => v + 100 + (k % p));
        const y = random.normals(rows * q).map((v, k) => v - 50 + x[Math.floor(k / q) * p]);
        const expected = naiveMoments(x, p, y, q);
        const own = naiveMoments(x, p, x, p);
        const [cross, gram] = [backend.zeros(p, q), backend.zeros(p, p)];
        const xMean = backend.upload(Float32Array.from(expected.mean), 1, p);
        const yMean = backend.upload(Float32Array.from(naiveMoments(y, q, y, q).mean), 1, q);
        let first = 0;
        for (const count of [64, 1, 35]) {
          const part = (m: Float32Array, cols: number) =>
            backend.upload(m.slice(first * cols, (first + count) * cols), count, cols);
          const [left, right] = [part(x, p), part(y, q)];
          await backend.addCentred(cross, left, xMean, right, yMean, 0.25);
          await backend.addCentred(gram, left, xMean, left, xMean, 0.25);
          backend.release(left, right);
          first += count;
        }
        const quarter = (values: Float64Array) => values.map((v) => v / 4);
        // The means are rounded to f32: their error counts rows × (100·6e-8)², next to nothing.
        expectScaled(
          await taken(cross),
          quarter(expected.cross),
          quarter(expected.scale),
          5 * options.correlation,
          q,
        );
        expectScaled(await taken(gram), quarter(own.cross), quarter(own.scale), 5 * options.correlation, p);
        backend.release(xMean, yMean);
      });

      it('take data that are centred already, on either side', async () => {
        const [x, y] = [Float32Array.of(1, 2, 3, 4), Float32Array.of(10, 20)];
        const [left, right] = [backend.upload(x, 2, 2), backend.upload(y, 2, 1)];
        const mean = backend.upload(Float32Array.of(15), 1, 1);
        const into = backend.upload(Float32Array.of(100, 200), 2, 1);
        await backend.addCentred(into, left, null, right, mean);
        expect(await taken(into)).toEqual(Float32Array.of(110, 210));
        await expect(backend.addCentred(left, left, mean, left, null)).rejects.toThrow(/1×2; it is 1×1/);
        backend.release(left, right, mean);
      });
    });

    describe('Cholesky', () => {
      for (const n of [1, 3, 63, 64, 65, 130, 200]) {
        it(`${n}×${n}: L·Lᵀ is the matrix, and triangular solves undo L`, async () => {
          const a = positive(n);
          const matrix = backend.upload(a, n, n);
          const factored = await backend.cholesky(matrix, 0.5);
          if (!factored.ok) throw new Error(`No factor: pivot ${factored.pivot}.`);
          expect(factored.factor.n).toBe(n);
          const lower = await backend.lower(factored.factor);
          const values = await backend.read(lower);
          for (let r = 0; r < n; r++) {
            expect(values[r * n + r]).toBeGreaterThan(0);
            for (let c = r + 1; c < n; c++) expect(values[r * n + c]).toBe(0);
          }
          const again = naiveProduct(values, n, n, values, n, false, true).product;
          const expected = a.map((v, k) => v + (k % (n + 1) === 0 ? 0.5 : 0));
          expect(relativeError(again, expected)).toBeLessThan(options.product);
          const x = random.normals(n * 5);
          for (const transposed of [false, true]) {
            const b = naiveProduct(values, n, n, x, 5, transposed, false).product;
            const right = backend.upload(Float32Array.from(b), n, 5);
            const solved = await taken(await backend.solveTriangular(factored.factor, right, transposed));
            expect(relativeError(solved, x)).toBeLessThan(10 * options.product);
            expect(await taken(right)).toEqual(Float32Array.from(b));
          }
          backend.release(matrix, factored.factor, lower);
          await expect(backend.lower(factored.factor)).rejects.toThrow(/released/);
        });
      }

      it('reads the lower triangle alone', async () => {
        const n = 70;
        const a = positive(n);
        const whole = backend.upload(a, n, n);
        const half = backend.upload(
          a.map((v, k) => (k % n > Math.floor(k / n) ? Number.NaN : v)),
          n,
          n,
        );
        const values: Float32Array[] = [];
        for (const matrix of [whole, half]) {
          const factored = await backend.cholesky(matrix);
          if (!factored.ok) throw new Error('No factor.');
          values.push(await taken(await backend.lower(factored.factor)));
          backend.release(factored.factor);
        }
        expect(values[0]).toEqual(values[1]);
        backend.release(whole, half);
      });

      it('names the first pivot that is not positive, instead of giving NaN', async () => {
        const n = 130;
        for (const [bad, value] of [
          [0, 0],
          [70, -1],
          [129, -1e-3],
          [64, Number.NaN],
        ]) {
          const a = new Float32Array(n * n);
          for (let k = 0; k < n; k++) a[k * (n + 1)] = k === bad ? value : 1 + k;
          const [matrix, b] = [backend.upload(a, n, n), backend.zeros(n, 2)];
          expect(await backend.cholesky(matrix)).toEqual({ ok: false, pivot: bad });
          expect(await backend.solveSpd(matrix, b)).toEqual({ ok: false, pivot: bad });
          backend.release(matrix, b);
        }
        const ones = backend.upload(new Float32Array(9).fill(1), 3, 3);
        expect(await backend.cholesky(ones)).toEqual({ ok: false, pivot: 1 });
        const raised = await backend.cholesky(ones, 0.5);
        expect(raised.ok).toBe(true);
        if (raised.ok) backend.release(raised.factor);
        backend.release(ones);
      });

      it('refuses wrong calls, and stops where asked', async () => {
        const [tall, square] = [backend.zeros(3, 2), backend.upload(positive(3), 3, 3)];
        await expect(backend.cholesky(tall)).rejects.toThrow(/square; it is 3×2/);
        await expect(backend.cholesky(square, -1)).rejects.toThrow(/0 or more; it is -1/);
        await expect(backend.solveSpd(square, backend.zeros(2, 1))).rejects.toThrow(/3 equations/);
        await expect(backend.cholesky(square, 0, AbortSignal.abort())).rejects.toThrow(/abort/i);
        backend.release(tall, square);
      });
    });

    describe('solveSpd', () => {
      it('solves for many right sides, with λ', async () => {
        const [n, m] = [130, 70];
        const a = positive(n);
        const x = random.normals(n * m);
        const shifted = a.map((v, k) => v + (k % (n + 1) === 0 ? 0.25 : 0));
        const b = Float32Array.from(naiveProduct(shifted, n, n, x, m, false, false).product);
        const [matrix, right] = [backend.upload(a, n, n), backend.upload(b, n, m)];
        const solved = await backend.solveSpd(matrix, right, { lambda: 0.25 });
        if (!solved.ok) throw new Error('No solution.');
        expect(solved.residual).toBeLessThan(1e-6);
        // b itself is rounded: its error is multiplied by the condition, about 5.
        expect(relativeError(await taken(solved.x), x)).toBeLessThan(1e-6);
        expect(await taken(right)).toEqual(b);
        expect(await taken(matrix)).toEqual(a);
      });

      it('agrees with f64 to the last digits at a condition of 10⁶', async () => {
        const [n, m] = [90, 6];
        const q = naiveOrthogonal(random.normals(n * n), n);
        const scaled = q.map((v, k) => v * 10 ** ((-6 * (k % n)) / (n - 1)));
        const { product } = naiveProduct(scaled, n, n, q, n, false, true);
        const a = new Float32Array(n * n);
        for (let r = 0; r < n; r++) {
          for (let c = 0; c <= r; c++) {
            a[r * n + c] = product[r * n + c];
            a[c * n + r] = a[r * n + c];
          }
        }
        const b = random.normals(n * m);
        const [matrix, right] = [backend.upload(a, n, n), backend.upload(b, n, m)];
        for (const lambda of [2 ** -20, 0]) {
          const expected = naiveSolve(a, b, n, m, lambda);
          const solved = await backend.solveSpd(matrix, right, { lambda, refinements: 8 });
          if (!solved.ok) throw new Error('No solution.');
          expect(relativeError(await taken(solved.x), expected)).toBeLessThan(3e-7);
          if (backend.kind === 'webgpu') {
            expect(solved.refinements).toBeGreaterThan(0);
            const raw = await backend.solveSpd(matrix, right, { lambda, refinements: 0 });
            if (!raw.ok) throw new Error('No solution.');
            // What refinement is for.
            expect(relativeError(await taken(raw.x), expected)).toBeGreaterThan(1e-5);
          }
        }
        backend.release(matrix, right);
      });

      it('A⁻¹·A is the identity, and no right side gives no solution', async () => {
        const n = 66;
        const a = positive(n);
        const matrix = backend.upload(a, n, n);
        const solved = await backend.solveSpd(matrix, matrix);
        if (!solved.ok) throw new Error('No solution.');
        const identity = Float32Array.from(a, (_, k) => Number(k % (n + 1) === 0));
        expectClose(await taken(solved.x), identity, { absolute: 1e-6, cols: n });
        const zero = backend.zeros(n, 3);
        const none = await backend.solveSpd(matrix, zero);
        if (!none.ok) throw new Error('No solution.');
        expect(none.residual).toBe(0);
        expect(await taken(none.x)).toEqual(new Float32Array(n * 3));
        backend.release(matrix, zero);
      });
    });

    wideTests(() => backend, options);
  });
}
