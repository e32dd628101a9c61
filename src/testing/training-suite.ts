/**
 * The tests of a backend's steps of training: activations and gates with their derivatives, column-wise steps, sums,
 * Adam. One body for the CPU and the GPU, beside kernel-suite.ts.
 *
 * Oracles: PyTorch's values in float64 (activation-values.ts, and the three steps of Adam below), finite differences,
 * naive loops. Sizes are above one slice of the GPU's second suite.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ACTIVATION_NAMES } from '../kernels/algebra.ts';
import type { Backend, Matrix } from '../kernels/backend.ts';
import { ACTIVATION_POINTS, ACTIVATION_VALUES } from './activation-values.ts';
import { expectClose } from './compare.ts';
import type { SuiteOptions } from './kernel-suite.ts';
import { expectScaled, relativeError } from './naive.ts';
import { createRandom } from './random.ts';

const [ROWS, COLS] = [130, 17];

export function trainingSuite(name: string, options: SuiteOptions): void {
  describe(name, () => {
    let backend: Backend;
    beforeAll(async () => {
      backend = await options.create();
    });
    afterAll(() => backend?.dispose());
    const random = createRandom(777);
    const normals = () => random.normals(ROWS * COLS);
    const upload = (data: Float32Array, rows = ROWS, cols = COLS) => backend.upload(data, rows, cols);

    async function taken(matrix: Matrix): Promise<Float32Array> {
      const values = await backend.read(matrix);
      backend.release(matrix);
      return values;
    }

    describe('activations', () => {
      it('are named each by its own values', () => {
        expect(Object.keys(ACTIVATION_VALUES).sort()).toEqual([...ACTIVATION_NAMES].sort());
      });

      for (const name of ACTIVATION_NAMES) {
        it(`${name}: values and derivatives of PyTorch`, async () => {
          const { value, slope } = ACTIVATION_VALUES[name];
          const n = ACTIVATION_POINTS.length;
          const z = backend.upload(Float32Array.from(ACTIVATION_POINTS), 1, n);
          const dh = backend.upload(new Float32Array(n).fill(-2), 1, n);
          expectClose(await taken(await backend.activate(name, z)), value, {
            absolute: 1e-6,
            relative: 1e-6,
          });
          const dz = await taken(await backend.activateBackward(name, z, dh));
          expectClose(
            dz,
            slope.map((v) => -2 * v),
            { absolute: 4e-6, relative: 1e-6 },
          );
          backend.release(z, dh);
        });

        it(`${name}: derivatives are those of the values, plain and gated`, async () => {
          // Away from the kink at 0 by more than the step.
          const step = 1 / 64;
          const apart = normals().map((v) => v + 2 * step * Math.sign(v));
          const [u, dh] = [normals(), normals()];
          const moved = (by: number) => upload(apart.map((v) => v + by));
          const [z, up, down, gate, grad] = [moved(0), moved(step), moved(-step), upload(u), upload(dh)];
          const [above, below] = [
            await taken(await backend.activate(name, up)),
            await taken(await backend.activate(name, down)),
          ];
          const slopes = above.map((v, k) => (v - below[k]) / (2 * step));
          // The third derivatives are below 4, and differences of f32 lose digits.
          const into = upload(normals());
          expect(await backend.activateBackward(name, z, grad, into)).toBe(into);
          expectScaled(
            await backend.read(into),
            slopes.map((v, k) => v * dh[k]),
            dh.map(Math.abs),
            5e-4,
            COLS,
          );
          const { dg, du } = await backend.gatedBackward(name, z, gate, grad, {
            dg: into,
            du: backend.zeros(ROWS, COLS),
          });
          expect(dg).toBe(into);
          const weights = u.map((v, k) => v * dh[k]);
          expectScaled(
            await taken(dg),
            slopes.map((v, k) => v * weights[k]),
            weights.map(Math.abs),
            5e-4,
            COLS,
          );
          // The gate is linear in u: its derivative is exact.
          const values = await taken(await backend.activate(name, z));
          expectClose(
            await taken(du),
            values.map((v, k) => v * dh[k]),
            { relative: 1e-6, absolute: 1e-30 },
          );
          const h = await taken(await backend.gated(name, z, gate));
          expectClose(
            h,
            values.map((v, k) => v * u[k]),
            { relative: 1e-6, absolute: 1e-30 },
          );
          backend.release(z, up, down, gate, grad);
        });
      }

      it('stay finite far out', async () => {
        const z = backend.upload(Float32Array.of(-1e4, -100, -40, 40, 100, 1e4), 1, 6);
        const one = backend.upload(new Float32Array(6).fill(1), 1, 6);
        for (const name of ACTIVATION_NAMES) {
          const values = await taken(await backend.activate(name, z));
          const slopes = await taken(await backend.activateBackward(name, z, one));
          expect([...values, ...slopes].every(Number.isFinite), name).toBe(true);
          if (/elu|silu/.test(name) && name !== 'relu-squared') {
            expectClose(values, [0, 0, 0, 40, 100, 1e4], { absolute: 1e-12, relative: 1e-6 });
            expectClose(slopes, [0, 0, 0, 1, 1, 1], { absolute: 1e-6 });
          }
        }
        backend.release(z, one);
      });

      it('refuse other shapes, and results that are inputs', async () => {
        const [z, other] = [backend.zeros(2, 3), backend.zeros(3, 2)];
        await expect(backend.gated('silu', z, other)).rejects.toThrow(/2×3 and 3×2/);
        await expect(backend.activate('silu', z, z)).rejects.toThrow(/overwrite/);
        await expect(backend.activate('silu', z, other)).rejects.toThrow(/2×3 values/);
        backend.release(z, other);
      });
    });

    describe('column-wise steps', () => {
      it('scale and shift, in place too', async () => {
        const [x, scale, shift] = [normals(), random.normals(COLS), random.normals(COLS)];
        const [matrix, factors, terms] = [upload(x), upload(scale, 1, COLS), upload(shift, 1, COLS)];
        for (const [a, b] of [
          [factors, terms],
          [factors, null],
          [null, terms],
          [null, null],
        ]) {
          const expected = x.map((v, k) => v * (a ? scale[k % COLS] : 1) + (b ? shift[k % COLS] : 0));
          const near = { absolute: 1e-6, relative: 1e-6, cols: COLS };
          expectClose(await taken(await backend.columnAffine(matrix, a, b)), expected, near);
          const copy = upload(x);
          expect(await backend.columnAffine(copy, a, b, copy)).toBe(copy);
          expectClose(await taken(copy), expected, near);
        }
        await expect(backend.columnAffine(matrix, matrix, null)).rejects.toThrow(
          /must be 1×17; it is 130×17/,
        );
        expect(await taken(matrix)).toEqual(x);
        backend.release(factors, terms);
      });

      it('add multiples of a matrix, and read nothing where it counts 0 times', async () => {
        const [x, y] = [normals(), normals()];
        const [from, to] = [upload(x), upload(y)];
        await backend.axpy(from, to);
        await backend.axpy(from, to, -3, 0.5);
        expectClose(
          await taken(to),
          y.map((v, k) => 0.5 * (v + x[k]) - 3 * x[k]),
          { absolute: 2e-6, cols: COLS },
        );
        const nothing = upload(new Float32Array(ROWS * COLS).fill(Number.NaN));
        await backend.axpy(from, nothing, 1, 0);
        expect(await taken(nothing)).toEqual(x);
        await expect(backend.axpy(from, from)).rejects.toThrow(/overwrite/);
        backend.release(from);
      });

      for (const along of ['columns', 'rows'] as const) {
        it(`sum values, products and squared errors along ${along}`, async () => {
          const [x, y, row] = [normals(), normals(), random.normals(COLS)];
          const [mx, my, mr] = [upload(x), upload(y), upload(row, 1, COLS)];
          const length = along === 'columns' ? COLS : ROWS;
          const naive = (term: (k: number) => number) => {
            const sums = new Float64Array(length);
            const scale = new Float64Array(length);
            for (let k = 0; k < x.length; k++) {
              const to = along === 'columns' ? k % COLS : Math.floor(k / COLS);
              sums[to] += term(k);
              scale[to] += Math.abs(term(k));
            }
            return { sums, scale };
          };
          const check = async (out: Matrix, term: (k: number) => number, factor = 1) => {
            expect([out.rows, out.cols]).toEqual(along === 'columns' ? [1, length] : [length, 1]);
            const { sums, scale } = naive(term);
            expectScaled(
              await taken(out),
              sums.map((v) => v * factor),
              scale,
              2 * options.product,
              1,
            );
          };
          await check(await backend.sums(mx, null, { along }), (k) => x[k]);
          await check(await backend.sums(mx, my, { along }), (k) => x[k] * y[k]);
          await check(await backend.squaredErrors(mx, my, { along }), (k) => (x[k] - y[k]) ** 2);
          await check(await backend.squaredErrors(mx, mr, { along }), (k) => (x[k] - row[k % COLS]) ** 2);
          const into = await backend.squaredErrors(mx, null, { along });
          expect(await backend.squaredErrors(mx, null, { along, into, accumulate: true })).toBe(into);
          await check(into, (k) => x[k] ** 2, 2);
          await expect(backend.sums(mx, mr, { along })).rejects.toThrow(/130×17 and 1×17/);
          await expect(backend.sums(mx, null, { along, into: mx })).rejects.toThrow(RangeError);
          backend.release(mx, my, mr);
        });
      }

      it('gather rows, any number of times, and the diagonal', async () => {
        const x = normals();
        const matrix = upload(x);
        const indices = Uint32Array.of(129, 0, 0, 64, 3);
        const expected = Float32Array.from({ length: 5 * COLS }, (_, k) => {
          return x[indices[Math.floor(k / COLS)] * COLS + (k % COLS)];
        });
        expect(await taken(await backend.gatherRows(matrix, indices))).toEqual(expected);
        const into = backend.zeros(5, COLS);
        expect(await backend.gatherRows(matrix, indices, into)).toBe(into);
        expect(await taken(into)).toEqual(expected);
        await expect(backend.gatherRows(matrix, Uint32Array.of(130))).rejects.toThrow(/no row 130 among 130/);
        const square = upload(x.slice(0, 81), 9, 9);
        expect(await backend.diagonal(square)).toEqual(Float32Array.from({ length: 9 }, (_, k) => x[k * 10]));
        await expect(backend.diagonal(matrix)).rejects.toThrow(/square/);
        backend.release(matrix, square);
      });
    });

    describe('Adam', () => {
      it('takes the steps of PyTorch', async () => {
        const state = [Float32Array.of(1, -2, 3, 0.5), new Float32Array(4), new Float32Array(4)];
        const [p, m, v] = state.map((data) => backend.upload(data, 2, 2));
        const gradients = [
          [0.5, -1, 2, 0],
          [1, 1, -3, 1e-4],
          [-0.25, 0.75, 1.5, -2e-4],
        ];
        // torch.optim.Adam in float64, learning rate 0.1.
        const expected = [
          [0.900000002, -1.900000001, 2.9000000005, 0.5],
          [0.8034818006385094, -1.9052631588421052, 2.924770182016269, 0.42559683720861413],
          [0.7446211282555567, -1.9388041415425479, 2.9178958474735204, 0.457023020869978],
        ];
        for (let k = 0; k < 3; k++) {
          const gradient = backend.upload(Float32Array.from(gradients[k]), 2, 2);
          await backend.adam(p, gradient, m, v, { step: k + 1, learningRate: 0.1 });
          backend.release(gradient);
          expectClose(await backend.read(p), expected[k], { absolute: 1e-6 });
        }
        backend.release(p, m, v);
      });

      it('gives the same bits again, over more than one slice', async () => {
        const [start, gradient] = [normals(), normals()];
        const results: Float32Array[] = [];
        for (let run = 0; run < 2; run++) {
          const [p, g] = [upload(start), upload(gradient)];
          const [m, v] = [backend.zeros(ROWS, COLS), backend.zeros(ROWS, COLS)];
          for (let step = 1; step <= 3; step++) await backend.adam(p, g, m, v, { step, learningRate: 1e-2 });
          results.push(await taken(p));
          backend.release(g, m, v);
        }
        expect(results[0]).toEqual(results[1]);
        // With one gradient throughout, each step is the learning rate against its sign.
        const expected = start.map((v, k) => v - 0.03 * Math.sign(gradient[k]));
        expect(relativeError(results[0], expected)).toBeLessThan(1e-5);
      });

      it('refuses step 0, other shapes, and one matrix in two parts', async () => {
        const [a, b, c, d] = [1, 2, 3, 4].map(() => backend.zeros(2, 2));
        const other = backend.zeros(1, 4);
        const step = { step: 1, learningRate: 0.1 };
        await expect(backend.adam(a, b, c, d, { ...step, step: 0 })).rejects.toThrow(/from 1; 0/);
        await expect(backend.adam(a, b, c, other, step)).rejects.toThrow(/2×2 and 1×4/);
        await expect(backend.adam(a, b, c, c, step)).rejects.toThrow(/different/);
        backend.release(a, b, c, d, other);
      });
    });

    it('a training step lowers the loss of a small gated network by what its gradient says', async () => {
      // h = φ(XWg) ⊙ (XWu), y = hV; loss Σ(y − t)²/2, gradient in Wg.
      const [T, d, n] = [40, 5, 7];
      const make = (rows: number, cols: number) => upload(random.normals(rows * cols), rows, cols);
      const [x, wg, wu, v, target] = [make(T, d), make(d, n), make(d, n), make(n, d), make(T, d)];
      const loss = async () => {
        const [g, u] = [await backend.matmul(x, wg), await backend.matmul(x, wu)];
        const h = await backend.gated('silu', g, u);
        const y = await backend.matmul(h, v);
        const errors = await backend.squaredErrors(y, target, { along: 'rows' });
        const values = await backend.read(errors);
        return { g, u, h, y, errors, value: values.reduce((sum, e) => sum + e, 0) / 2 };
      };
      const { g, u, h, y, errors, value } = await loss();
      await backend.axpy(target, y, -1);
      const dh = await backend.matmul(y, v, { transposeB: true });
      const { dg, du } = await backend.gatedBackward('silu', g, u, dh);
      const gradient = await backend.matmul(x, dg, { transposeA: true });
      const slope = (await backend.read(gradient)).reduce((sum, e) => sum + e * e, 0);
      const rate = 1e-4 * (value / slope);
      await backend.axpy(gradient, wg, -rate);
      const after = await loss();
      // To first order the loss falls by rate·‖gradient‖², here a ten-thousandth of it.
      expect((value - after.value) / value / 1e-4).toBeCloseTo(1, 1);
      for (const part of [g, u, h, y, errors, dh, dg, du, gradient, x, wg, wu, v, target])
        backend.release(part);
      backend.release(after.g, after.u, after.h, after.y, after.errors);
    });
  });
}
