/**
 * The tests of a backend: one body, run on the CPU (kernels/kernels.test.ts) and on the GPU (kernels/kernels.gpu.test.ts).
 *
 * Oracles: naive f64 loops (naive.ts) written from the formulas of method.md, independent of both backends, and
 * identities. Sizes are edges of the tiles: 1, 3, 17, 64, 65, 130. Tolerances are stated by the caller.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Backend, Matrix } from '../kernels/backend.ts';
import { expectClose } from './compare.ts';
import { expectScaled, naiveGram, naiveHsic, naiveMoments, naivePermuteAverage } from './naive.ts';
import { createRandom } from './random.ts';

export interface SuiteOptions {
  /** Called once, before the tests. */
  readonly create: () => Promise<Backend> | Backend;
  /** Error allowed of sums of products, relative to the root of the product of the factors' squared norms. */
  readonly product: number;
  /** Absolute error allowed of correlations. */
  readonly correlation: number;
}

export function kernelSuite(name: string, options: SuiteOptions): void {
  describe(name, () => {
    let backend: Backend;
    beforeAll(async () => {
      backend = await options.create();
    });
    afterAll(() => backend?.dispose());

    const random = createRandom(20240607);

    /** Rows of correlated columns with means far from 0, as activations have. */
    function features(rows: number, cols: number, offset = 0): Float32Array {
      const common = random.normals(rows);
      return Float32Array.from({ length: rows * cols }, (_, k) => {
        const c = k % cols;
        return (
          offset + c * 0.1 + random.normal() * (1 + (c % 3)) + common[Math.floor(k / cols)] * (c % 2 ? 1 : -1)
        );
      });
    }

    async function taken(matrix: Matrix): Promise<Float32Array> {
      const values = await backend.read(matrix);
      backend.release(matrix);
      return values;
    }

    describe('matrices', () => {
      it('come back as they were sent', async () => {
        for (const [rows, cols] of [
          [1, 1],
          [3, 17],
          [65, 130],
        ]) {
          const data = random.normals(rows * cols);
          const matrix = backend.upload(data, rows, cols);
          expect([matrix.rows, matrix.cols]).toEqual([rows, cols]);
          expect(await taken(matrix)).toEqual(data);
        }
      });

      it('are zero where asked', async () => {
        expect(await taken(backend.zeros(3, 5))).toEqual(new Float32Array(15));
      });

      it('do not follow the array that they were made of', async () => {
        const data = Float32Array.of(1, 2);
        const matrix = backend.upload(data, 1, 2);
        data[0] = 9;
        expect(await taken(matrix)).toEqual(Float32Array.of(1, 2));
      });

      it('are refused with a wrong size, and after release', async () => {
        expect(() => backend.upload(new Float32Array(5), 2, 3)).toThrow(/2×3 needs 6 values; 5/);
        expect(() => backend.zeros(0, 3)).toThrow(RangeError);
        const matrix = backend.zeros(1, 1);
        backend.release(matrix);
        backend.release(matrix);
        await expect(backend.read(matrix)).rejects.toThrow(/released/);
        await expect(backend.read({ rows: 1, cols: 1 })).rejects.toThrow(TypeError);
      });
    });

    describe('pair moments', () => {
      const sizes: [number, number, number][] = [
        [1, 1, 1],
        [3, 17, 65],
        [64, 64, 64],
        [65, 3, 130],
        [130, 65, 17],
      ];
      for (const [rows, p, q] of sizes) {
        it(`centred cross moments and correlation, ${rows} rows, ${p}×${q}`, async () => {
          const x = features(rows, p);
          const y = features(rows, q, 100);
          const moments = backend.createPairMoments([p, q], [[0, 1]]);
          const batch = [backend.upload(x, rows, p), backend.upload(y, rows, q)];
          await backend.addPairMoments(moments, batch);
          expect(moments.samples).toBe(rows);
          const expected = naiveMoments(x, p, y, q);
          const cross = await taken(await backend.centredCross(moments, 0));
          expectScaled(cross, expected.cross, expected.scale, options.product, q);
          const correlation = await taken(await backend.correlation(moments, 0));
          expectClose(correlation, expected.correlation, { absolute: options.correlation, cols: q });
          backend.release(moments, ...batch);
        });
      }

      it('stream: batches of any size add up to the whole', async () => {
        const [rows, p, q] = [130, 33, 20];
        const x = features(rows, p, -50);
        const y = features(rows, q, 3);
        const moments = backend.createPairMoments(
          [q, p],
          [
            [1, 0],
            [1, 1],
            [0, 0],
          ],
        );
        let first = 0;
        for (const count of [7, 64, 1, 58]) {
          const rowsOf = (m: Float32Array, cols: number) =>
            backend.upload(m.slice(first * cols, (first + count) * cols), count, cols);
          const batch = [rowsOf(y, q), rowsOf(x, p)];
          await backend.addPairMoments(moments, batch);
          backend.release(...batch);
          first += count;
        }
        const expected = naiveMoments(x, p, y, q);
        const own = naiveMoments(x, p, x, p);
        const correlation = await taken(await backend.correlation(moments, 0));
        expectClose(correlation, expected.correlation, { absolute: options.correlation, cols: q });
        const self = await taken(await backend.correlation(moments, 1));
        expectClose(self, own.correlation, { absolute: options.correlation, cols: p });

        const norms = await backend.centredCrossNorms(moments);
        const squares = (values: Float64Array) => values.reduce((sum, v) => sum + v * v, 0);
        expectClose(norms.subarray(0, 2), [squares(expected.cross), squares(own.cross)], {
          relative: 10 * options.product,
        });

        const { mean, std } = await backend.columnStatistics(moments, 1);
        expectClose(mean, own.mean, { absolute: options.correlation, relative: 1e-6 });
        expectClose(std, own.std, { relative: options.correlation });
        backend.release(moments);
      });

      it('lie in [−1, 1] with 1 on the diagonal, and ignore scale and offset of a column', async () => {
        const [rows, p] = [97, 18];
        const x = features(rows, p);
        const affine = x.map((v, k) => v * (k % p === 4 ? -3 : 0.5) + (k % p));
        const moments = backend.createPairMoments(
          [p, p],
          [
            [0, 0],
            [0, 1],
          ],
        );
        const batch = [backend.upload(x, rows, p), backend.upload(affine, rows, p)];
        await backend.addPairMoments(moments, batch);
        const own = await taken(await backend.correlation(moments, 0));
        const other = await taken(await backend.correlation(moments, 1));
        for (const value of own) expect(Math.abs(value)).toBeLessThanOrEqual(1);
        for (let a = 0; a < p; a++) {
          expect(own[a * p + a]).toBeCloseTo(1, 5);
          own[a * p + 4] *= -1;
        }
        expectClose(other, own, { absolute: 2 * options.correlation, cols: p });
        backend.release(moments, ...batch);
      });

      it('give 0 for dead columns, never NaN', async () => {
        const [rows, p] = [70, 5];
        const x = features(rows, p);
        for (let t = 0; t < rows; t++) {
          x[t * p + 1] = 0;
          x[t * p + 3] = 123456.7;
        }
        const moments = backend.createPairMoments([p], [[0, 0]]);
        const matrix = backend.upload(x, rows, p);
        await backend.addPairMoments(moments, [matrix]);
        await backend.addPairMoments(moments, [matrix]);
        const values = await taken(await backend.correlation(moments, 0));
        for (let a = 0; a < p; a++) {
          for (let b = 0; b < p; b++) {
            if (a === 1 || a === 3 || b === 1 || b === 3) expect(values[a * p + b]).toBe(0);
          }
        }
        expect(values[0]).toBeCloseTo(1, 5);
        backend.release(moments, matrix);
      });

      it('do not touch a matrix that no pair names', async () => {
        const moments = backend.createPairMoments([0, 4], [[1, 1]]);
        const matrix = backend.upload(features(9, 4), 9, 4);
        await backend.addPairMoments(moments, [null, matrix]);
        expect(moments.samples).toBe(9);
        await expect(backend.columnStatistics(moments, 0)).rejects.toThrow(RangeError);
        backend.release(moments, matrix);
      });

      it('refuse wrong calls', async () => {
        expect(() => backend.createPairMoments([4], [[0, 1]])).toThrow(RangeError);
        const moments = backend.createPairMoments([4, 4], [[0, 1]]);
        await expect(backend.correlation(moments, 0)).rejects.toThrow(/No batch/);
        const [a, b, c] = [backend.zeros(3, 4), backend.zeros(2, 4), backend.zeros(3, 5)];
        await expect(backend.addPairMoments(moments, [a])).rejects.toThrow(RangeError);
        await expect(backend.addPairMoments(moments, [a, null])).rejects.toThrow(/missing/);
        await expect(backend.addPairMoments(moments, [a, b])).rejects.toThrow(/3 and 2 rows/);
        await expect(backend.addPairMoments(moments, [a, c])).rejects.toThrow(/5 columns instead of 4/);
        await backend.addPairMoments(moments, [a, a]);
        await expect(backend.correlation(moments, 1)).rejects.toThrow(/no pair 1/);
        backend.release(moments, a, b, c);
        await expect(backend.correlation(moments, 0)).rejects.toThrow(/released/);
      });

      it('are unusable after an abort, rather than wrong', async () => {
        const moments = backend.createPairMoments([4, 4], [[0, 1]]);
        const x = backend.upload(features(9, 4), 9, 4);
        await expect(backend.addPairMoments(moments, [x, x], AbortSignal.abort())).rejects.toThrow();
        await expect(backend.addPairMoments(moments, [x, x])).rejects.toThrow(/incomplete/);
        backend.release(moments, x);
      });
    });

    it('pair moments take one batch at a time, and may be released meanwhile', async () => {
      const moments = backend.createPairMoments([4, 4], [[0, 1]]);
      const x = backend.upload(features(9, 4), 9, 4);
      const adding = backend.addPairMoments(moments, [x, x]);
      await expect(backend.addPairMoments(moments, [x, x])).rejects.toThrow(/one after the other/);
      await adding;
      expect(moments.samples).toBe(9);
      const more = backend.addPairMoments(moments, [x, x]).catch(() => {});
      backend.release(moments);
      await more;
      await expect(backend.correlation(moments, 0)).rejects.toThrow(/released/);
      // Nothing that followed from it stands in the way of others.
      expect((await backend.read(x)).length).toBe(36);
      backend.release(x);
    });

    describe('gram', () => {
      for (const [rows, cols] of [
        [1, 1],
        [3, 17],
        [17, 65],
        [65, 130],
        [130, 3],
      ]) {
        it(`${rows}×${cols}`, async () => {
          const x = features(rows, cols);
          const matrix = backend.upload(x, rows, cols);
          const all = naiveGram(x, cols, 0, rows);
          expectScaled(await taken(await backend.gram(matrix)), all.gram, all.scale, options.product, rows);
          if (rows > 3) {
            const part = naiveGram(x, cols, 2, rows - 3);
            const values = await taken(await backend.gram(matrix, 2, rows - 3));
            expectScaled(values, part.gram, part.scale, options.product, rows - 3);
          }
          await expect(backend.gram(matrix, 1, rows)).rejects.toThrow(RangeError);
          backend.release(matrix);
        });
      }
    });

    describe('HSIC', () => {
      it('equals the formula of method.md, all pairs, minibatches summed', async () => {
        const widths = [5, 17, 66];
        const rows = 70;
        const data = widths.map((d, k) => features(rows, d, k * 4));
        const matrices = data.map((x, k) => backend.upload(x, rows, widths[k]));
        const sums = backend.createHsicSums(3);
        const expected = new Float64Array(9);
        for (const [first, count] of [
          [0, 4],
          [3, 65],
          [65, 5],
        ]) {
          await backend.addHsic(sums, matrices, first, count);
          const grams = data.map((x, k) => naiveGram(x, widths[k], first, count).gram);
          for (let i = 0; i < 3; i++) {
            for (let j = 0; j < 3; j++) expected[i * 3 + j] += naiveHsic(grams[i], grams[j], count);
          }
        }
        expect(sums.minibatches).toBe(3);
        const values = await backend.readHsic(sums);
        const scale = Float64Array.from(expected, (_, k) =>
          Math.sqrt(Math.abs(expected[Math.floor(k / 3) * 4] * expected[(k % 3) * 4])),
        );
        expectScaled(values, expected, scale, 100 * options.product, 3);
        expect(values[1]).toBe(values[3]);
        backend.release(sums, ...matrices);
      });

      it('is the same wherever the features are centred', async () => {
        const [rows, d] = [40, 9];
        const x = features(rows, d);
        const shifted = x.map((v, k) => v + 64 * (k % d));
        const matrices = [backend.upload(x, rows, d), backend.upload(shifted, rows, d)];
        const sums = backend.createHsicSums(2);
        await backend.addHsic(sums, matrices, 0, rows);
        const values = await backend.readHsic(sums);
        expectClose(values, new Float64Array(4).fill(values[0]), { relative: 1e-4 });
        backend.release(sums, ...matrices);
      });

      it('refuses minibatches too small or too large, and rows that are not there', async () => {
        const sums = backend.createHsicSums(1);
        const matrix = backend.zeros(1100, 2);
        await expect(backend.addHsic(sums, [matrix], 0, 3)).rejects.toThrow(/4 to 1024 rows; 3/);
        await expect(backend.addHsic(sums, [matrix], 0, 1025)).rejects.toThrow(/1025/);
        await expect(backend.addHsic(sums, [matrix], 1099, 4)).rejects.toThrow(RangeError);
        await expect(backend.addHsic(sums, [], 0, 4)).rejects.toThrow(RangeError);
        backend.release(sums, matrix);
      });
    });

    describe('permuted average', () => {
      for (const [rows, cols] of [
        [1, 1],
        [3, 17],
        [65, 130],
      ]) {
        for (const axis of [0, 1] as const) {
          it(`${rows}×${cols} along axis ${axis}`, async () => {
            const length = axis === 0 ? rows : cols;
            const data = [0, 1, 2].map(() => random.normals(rows * cols));
            const permutations = [null, random.permutation(length), random.permutation(length)];
            const inputs = data.map((x) => backend.upload(x, rows, cols));
            const out = await backend.permuteAverage(inputs, permutations, axis);
            const expected = naivePermuteAverage(data, permutations, rows, cols, axis);
            expectClose(await taken(out), expected, { absolute: 1e-6, cols });
            backend.release(...inputs);
          });
        }
      }

      it('undoes a permutation exactly, and averages equal matrices without changing a bit', async () => {
        const [rows, cols] = [9, 21];
        const x = random.normals(rows * cols);
        const matrix = backend.upload(x, rows, cols);
        const permutation = random.permutation(cols);
        const inverse = new Uint32Array(cols);
        permutation.forEach((from, to) => {
          inverse[from] = to;
        });
        const there = await backend.permuteAverage([matrix], [permutation], 1);
        expect(await taken(await backend.permuteAverage([there], [inverse], 1))).toEqual(x);
        const copies = [matrix, backend.upload(x, rows, cols)];
        expect(await taken(await backend.permuteAverage(copies, [null, null], 0))).toEqual(x);
        backend.release(there, ...copies);
      });

      it('writes into a given matrix, but not into an input', async () => {
        const [a, out] = [backend.upload(Float32Array.of(1, 2, 3), 1, 3), backend.zeros(1, 3)];
        expect(await backend.permuteAverage([a], [Uint32Array.of(2, 0, 1)], 1, out)).toBe(out);
        expect(await backend.read(out)).toEqual(Float32Array.of(3, 1, 2));
        await expect(backend.permuteAverage([a], [null], 1, a)).rejects.toThrow(/overwrite/);
        backend.release(a, out);
      });

      it('refuses wrong shapes and indices', async () => {
        const [a, b] = [backend.zeros(2, 3), backend.zeros(3, 2)];
        await expect(backend.permuteAverage([a, b], [null, null], 0)).rejects.toThrow(/2×3 and 3×2/);
        await expect(backend.permuteAverage([a], [Uint32Array.of(0, 2)], 0)).rejects.toThrow(/Index 2/);
        await expect(backend.permuteAverage([a], [Uint32Array.of(0, 1)], 1)).rejects.toThrow(RangeError);
        await expect(backend.permuteAverage([], [], 1)).rejects.toThrow(RangeError);
        backend.release(a, b);
      });
    });

    it('syncs', async () => {
      await expect(backend.sync()).resolves.toBeUndefined();
    });
  });
}
