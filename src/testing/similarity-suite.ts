/**
 * The tests of the streaming similarities: one body for every backend, against naive f64 and identities.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Backend, Matrix, Pair } from '../kernels/backend.ts';
import { ckaFromNorms, createExactCka, overlay } from '../similarity/cka.ts';
import { createCorrelation } from '../similarity/correlation.ts';
import { createDebiasedCka } from '../similarity/debiased-cka.ts';
import { allPairs, planPasses } from '../similarity/memory.ts';
import { innerProducts, unitVectors } from '../similarity/weight-cosine.ts';
import { expectClose } from './compare.ts';
import { naiveGram, naiveHsic, naiveMoments } from './naive.ts';
import { createRandom } from './random.ts';

export interface SimilaritySuiteOptions {
  readonly create: () => Promise<Backend> | Backend;
  /** Absolute error allowed of a CKA. */
  readonly cka: number;
  /** Absolute error allowed of a correlation. */
  readonly correlation: number;
}

export function similaritySuite(name: string, options: SimilaritySuiteOptions): void {
  describe(name, () => {
    let backend: Backend;
    beforeAll(async () => {
      backend = await options.create();
    });
    afterAll(() => backend?.dispose());

    const random = createRandom(31);
    const [rows, width, layers] = [150, 12, 4];
    /** Layers drift away from the first one, so that CKA falls with distance; means are far from 0. */
    const outputs: Float32Array[] = [];
    for (let k = 0; k < layers; k++) {
      const before = outputs[k - 1];
      outputs.push(
        random.normals(rows * width).map((v, at) => (before ? before[at] + v * 0.7 : v + (at % width))),
      );
    }

    /** Feeds the same rows of every layer in batches of the given sizes, releasing each. */
    async function feed(
      data: readonly Float32Array[],
      cols: number,
      sizes: readonly number[],
      add: (batch: Matrix[]) => Promise<void>,
    ): Promise<void> {
      let first = 0;
      for (const count of sizes) {
        const batch = data.map((x) =>
          backend.upload(x.slice(first * cols, (first + count) * cols), count, cols),
        );
        await add(batch);
        backend.release(...batch);
        first += count;
      }
    }

    async function exactCka(data: readonly Float32Array[], cols: number, sizes: readonly number[]) {
      const cka = createExactCka(backend, data.length);
      await feed(data, cols, sizes, (batch) => cka.add(batch));
      const values = await cka.finish();
      cka.dispose();
      return values;
    }

    async function debiasedCka(
      data: readonly Float32Array[],
      cols: number,
      sizes: readonly number[],
      most?: number,
    ) {
      const cka = createDebiasedCka(backend, data.length, { rows: most });
      await feed(data, cols, sizes, (batch) => cka.add(batch));
      const values = await cka.finish();
      const { samples } = cka;
      cka.dispose();
      return { values, samples };
    }

    function naiveCka(a: Float32Array, b: Float32Array): number {
      const norm = (x: Float32Array, y: Float32Array) =>
        naiveMoments(x, width, y, width).cross.reduce((sum, v) => sum + v * v, 0);
      return norm(a, b) / Math.sqrt(norm(a, a) * norm(b, b));
    }

    describe('exact CKA', () => {
      it('equals the formula, is symmetric, 1 on the diagonal', async () => {
        const values = await exactCka(outputs, width, [rows]);
        const expected = outputs.flatMap((a) => outputs.map((b) => naiveCka(a, b)));
        expectClose(values, expected, { absolute: options.cka, cols: layers });
        for (let i = 0; i < layers; i++) {
          expect(values[i * layers + i]).toBe(1);
          for (let j = 0; j < layers; j++) expect(values[i * layers + j]).toBe(values[j * layers + i]);
        }
        expect(values[1]).toBeGreaterThan(values[layers - 1]);
      });

      it('does not depend on how the rows are cut into batches', async () => {
        const whole = await exactCka(outputs, width, [rows]);
        const cut = await exactCka(outputs, width, [1, 64, 20, 65]);
        expectClose(cut, whole, { absolute: options.cka, cols: layers });
      });

      it('is 1 under rotations, isotropic scaling and offsets, and less under other maps', async () => {
        const x = outputs[0];
        const rotated = rotate(x, width).map((v, k) => v * 17 - (k % width));
        const stretched = x.map((v, k) => v * (k % width === 0 ? 30 : 1));
        const values = await exactCka([x, rotated, stretched], width, [100, 50]);
        expect(values[1]).toBeCloseTo(1, 4);
        expect(values[2]).toBeLessThan(0.6);
      });

      it('gives 0 for a layer whose output is constant', async () => {
        const values = await exactCka([outputs[0], new Float32Array(rows * width).fill(2.5)], width, [rows]);
        expect([...values]).toEqual([1, 0, 0, 1]);
      });

      it('comes out the same in passes over some of the pairs', async () => {
        const whole = await exactCka(outputs, width, [rows]);
        const norms = new Float64Array(layers * layers).fill(Number.NaN);
        const passes = planPasses(allPairs(layers), 100, 350);
        expect(passes.length).toBe(4);
        for (const pairs of passes) {
          const cka = createExactCka(backend, layers, pairs);
          await feed(outputs, width, [90, 60], (batch) => cka.add(batch));
          expect(cka.samples).toBe(rows);
          overlay(norms, await cka.norms());
          cka.dispose();
        }
        expectClose(ckaFromNorms(norms, layers), whole, { absolute: options.cka, cols: layers });
      });

      it('leaves pairs that were not measured as NaN', async () => {
        const pairs: Pair[] = [
          [0, 0],
          [1, 1],
          [0, 1],
        ];
        const cka = createExactCka(backend, 3, pairs);
        const batch = [0, 1].map((k) => backend.upload(outputs[k], rows, width));
        await cka.add([...batch, null]);
        const values = await cka.finish();
        expect(values[1]).toBeCloseTo(naiveCka(outputs[0], outputs[1]), 3);
        expect(Number.isNaN(values[2]) && Number.isNaN(values[8])).toBe(true);
        cka.dispose();
        backend.release(...batch);
      });

      it('refuses a batch of the wrong number of layers, and an empty result', async () => {
        const cka = createExactCka(backend, 2);
        await expect(cka.add([])).rejects.toThrow(RangeError);
        await expect(cka.finish()).rejects.toThrow(/at least one batch/);
      });
    });

    describe('debiased CKA', () => {
      it('equals the formula over minibatches, a short remainder left out', async () => {
        const { values, samples } = await debiasedCka(outputs, width, [83, 67], 40);
        // 40 + 40 (3 left out), then 40 + 27.
        expect(samples).toBe(147);
        const hsic = (a: Float32Array, b: Float32Array) =>
          [
            [0, 40],
            [40, 40],
            [83, 40],
            [123, 27],
          ].reduce((sum, [first, count]) => {
            const grams = [a, b].map((x) => naiveGram(x, width, first, count).gram);
            return sum + naiveHsic(grams[0], grams[1], count);
          }, 0);
        const expected = outputs.flatMap((a) =>
          outputs.map((b) => hsic(a, b) / Math.sqrt(hsic(a, a) * hsic(b, b))),
        );
        expectClose(values, expected, { absolute: options.cka, cols: layers });
      });

      it('is near 0 for independent features, where the biased one is high', async () => {
        const [tokens, cols] = [96, 64];
        const data = [random.normals(tokens * cols), random.normals(tokens * cols)];
        const biased = await exactCka(data, cols, [tokens]);
        const { values } = await debiasedCka(data, cols, [tokens], 32);
        expect(biased[1]).toBeGreaterThan(0.3);
        expect(Math.abs(values[1])).toBeLessThan(0.08);
        expect(values[0]).toBe(1);
      });

      it('is 1 under rotations and isotropic scaling', async () => {
        const { values } = await debiasedCka(
          [outputs[0], rotate(outputs[0], width).map((v) => v * 3)],
          width,
          [rows],
        );
        expect(values[1]).toBeCloseTo(1, 4);
      });

      it('refuses impossible minibatches and too few rows', async () => {
        expect(() => createDebiasedCka(backend, 2, { rows: 3 })).toThrow(RangeError);
        expect(() => createDebiasedCka(backend, 2, { rows: 2000 })).toThrow(RangeError);
        await expect(debiasedCka(outputs, width, [3])).rejects.toThrow(/at least one minibatch/);
      });
    });

    describe('correlation', () => {
      it('equals the formula for the pairs asked for, over any batches', async () => {
        const pairs: Pair[] = [
          [7, 3],
          [3, 5],
        ];
        const numbers = [3, 5, 7];
        const correlation = createCorrelation(backend, pairs);
        await feed(outputs.slice(0, 3), width, [50, 1, 99], (batch) =>
          correlation.add(new Map(numbers.map((layer, k) => [layer, batch[k]]))),
        );
        expect(correlation.samples).toBe(rows);
        for (const [k, [a, b]] of pairs.entries()) {
          const matrix = await correlation.finish(k);
          const [x, y] = [outputs[numbers.indexOf(a)], outputs[numbers.indexOf(b)]];
          const expected = naiveMoments(x, width, y, width).correlation;
          const values = await backend.read(matrix);
          expectClose(values, expected, { absolute: options.correlation, cols: width });
          for (const value of values) expect(Math.abs(value)).toBeLessThanOrEqual(1);
          backend.release(matrix);
        }
        correlation.dispose();
      });

      it('names a layer that is missing from a batch', async () => {
        const correlation = createCorrelation(backend, [[0, 1]]);
        const matrix = backend.zeros(2, 2);
        await expect(correlation.add(new Map([[0, matrix]]))).rejects.toThrow(/no features of layer 1/);
        await expect(correlation.finish(0)).rejects.toThrow(/at least one batch/);
        backend.release(matrix);
      });
    });

    describe('cosines of weights', () => {
      const [d, n, m] = [700, 9, 5];
      // Columns with means far from 0, and one that is all zero.
      const a = random.normals(d * n).map((v, k) => (k % n === 3 ? 0 : v + (k % n)));
      const b = random.normals(d * m).map((v) => v * 1e-4);
      const columns = (data: Float32Array, cols: number) => ({ data, rows: d, cols, unitAxis: 1 as const });
      const dot = (x: Float32Array, p: number, u: number, y: Float32Array, q: number, v: number) => {
        let sum = 0;
        for (let k = 0; k < d; k++) sum += x[k * p + u] * y[k * q + v];
        return sum;
      };
      const cosine = (x: Float32Array, p: number, u: number, y: Float32Array, q: number, v: number) => {
        const norms = Math.sqrt(dot(x, p, u, x, p, u) * dot(y, q, v, y, q, v));
        return norms === 0 ? 0 : dot(x, p, u, y, q, v) / norms;
      };

      it('equal the formula, uncentred; 0 for a unit without weights', async () => {
        const values = await innerProducts(
          backend,
          unitVectors([columns(a, n)]),
          unitVectors([columns(b, m)]),
        );
        const expected = Array.from({ length: n * m }, (_, k) =>
          cosine(a, n, Math.floor(k / m), b, m, k % m),
        );
        expectClose(values, expected, { absolute: options.correlation });
        expect(values[3 * m]).toBeCloseTo(0, 6);
        const own = await innerProducts(backend, unitVectors([columns(a, n)]), unitVectors([columns(a, n)]));
        for (let u = 0; u < n; u++) expect(own[u * n + u]).toBeCloseTo(u === 3 ? 0 : 1, 4);
      });

      it('of several parts are the mean of the parts’ cosines, whichever way they are stored', async () => {
        const other = random.normals(d * n);
        const turned = Float32Array.from({ length: d * n }, (_, k) => other[(k % d) * n + Math.floor(k / d)]);
        const parts = unitVectors([columns(a, n), { data: turned, rows: n, cols: d, unitAxis: 0 }]);
        const values = await innerProducts(backend, parts, parts);
        const expected = Array.from({ length: n * n }, (_, k) => {
          const [u, v] = [Math.floor(k / n), k % n];
          return (cosine(a, n, u, a, n, v) + cosine(other, n, u, other, n, v)) / 2;
        });
        expectClose(values, expected, { absolute: options.correlation });
        expect(() => unitVectors([])).toThrow(RangeError);
        expect(() => unitVectors([columns(a, n), columns(b, m)])).toThrow(RangeError);
      });
    });
  });
}

/** Multiplies every row by one random orthogonal matrix (a product of Householder reflections). */
function rotate(x: Float32Array, cols: number): Float32Array {
  const random = createRandom(8);
  const out = Float64Array.from(x);
  for (let k = 0; k < cols; k++) {
    const v = random.normals(cols);
    const norm = v.reduce((sum, e) => sum + e * e, 0);
    for (let base = 0; base < out.length; base += cols) {
      let dot = 0;
      for (let c = 0; c < cols; c++) dot += out[base + c] * v[c];
      for (let c = 0; c < cols; c++) out[base + c] -= (2 * dot * v[c]) / norm;
    }
  }
  return Float32Array.from(out);
}
