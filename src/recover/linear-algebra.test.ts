/** Products, sums of products and systems of the recovery's CPU algebra, against plain f64 loops. */
import { describe, expect, test } from 'vitest';
import { compare } from '../testing/compare.ts';
import { createCpuAlgebra } from '../testing/cpu-algebra.ts';
import { createRandom } from '../testing/random.ts';
import { type Dense, dense } from './linear-algebra.ts';

const random = createRandom(7);
const matrix = (rows: number, cols: number) => dense(random.normals(rows * cols), rows, cols);

/** A product of its own, for the injected path. */
const gemm = async (
  a: Float32Array,
  aRows: number,
  aCols: number,
  b: Float32Array,
  bCols: number,
  transA: boolean,
  transB: boolean,
) => naive(dense(a, aRows, aCols), dense(b, b.length / bCols, bCols), transA, transB).data;

function naive(a: Dense, b: Dense, transA = false, transB = false): Dense {
  const [rows, inner] = transA ? [a.cols, a.rows] : [a.rows, a.cols];
  const cols = transB ? b.rows : b.cols;
  const data = new Float32Array(rows * cols);
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < cols; j++) {
      let sum = 0;
      for (let k = 0; k < inner; k++) {
        const left = transA ? a.data[k * a.cols + i] : a.data[i * a.cols + k];
        sum += left * (transB ? b.data[j * b.cols + k] : b.data[k * b.cols + j]);
      }
      data[i * cols + j] = sum;
    }
  }
  return { rows, cols, data };
}

describe.each([
  ['JavaScript', createCpuAlgebra()],
  ['an injected product', createCpuAlgebra({ gemm })],
])('%s', (_name, algebra) => {
  test.each([
    [false, false],
    [true, false],
    [false, true],
    [true, true],
  ])('matmul, transposed %s and %s, sizes that are no multiple of a block', async (transA, transB) => {
    const [m, k, n] = [7, 301, 10];
    const a = transA ? matrix(k, m) : matrix(m, k);
    const b = transB ? matrix(n, k) : matrix(k, n);
    const got = await algebra.matmul(a, b, { transA, transB });
    expect([got.rows, got.cols]).toEqual([m, n]);
    const report = compare(got.data, naive(a, b, transA, transB).data, { absolute: 1e-5 });
    expect(report.ok, report.message).toBe(true);
  });

  test('sums of products, the symmetric one too', async () => {
    const [a, b] = [matrix(33, 9), matrix(33, 6)];
    const sums = algebra.crossSums(9, 6);
    await sums.add(a, b, 2);
    await sums.add(a, b, -3);
    const plain = naive(a, b, true).data.map((v) => -v);
    expect(compare(await sums.read(), plain, { absolute: 1e-5 }).ok).toBe(true);
    const gram = algebra.crossSums(9, 9);
    await gram.add(a, a, 1);
    const report = compare(await gram.read(), naive(a, a, true).data, { absolute: 1e-5 });
    expect(report.ok, report.message).toBe(true);
    gram.release();
    sums.release();
    await expect(sums.read()).rejects.toThrow('released');
  });

  test('refuses what does not fit', async () => {
    await expect(algebra.matmul(matrix(2, 3), matrix(2, 3))).rejects.toThrow('2 × 3 and 2 × 3');
    const sums = algebra.crossSums(2, 3);
    await expect(sums.add(matrix(2, 2), matrix(2, 2), 1)).rejects.toThrow('2×3 products');
    await expect(sums.add(matrix(2, 2), matrix(3, 3), 1)).rejects.toThrow('2×2 and 3×3');
    sums.release();
  });
});

describe('positive definite systems', () => {
  const algebra = createCpuAlgebra();

  /** VᵀDV with eigenvalues from 1 down to 1/condition, V by reflections. */
  function spd(n: number, condition: number): Float64Array {
    let a = new Float64Array(n * n);
    for (let i = 0; i < n; i++) a[i * n + i] = condition ** (-i / (n - 1));
    for (let r = 0; r < 4; r++) {
      const v = Float64Array.from(random.normals(n));
      const norm = v.reduce((s, x) => s + x * x, 0);
      const av = new Float64Array(n);
      for (let i = 0; i < n; i++) for (let j = 0; j < n; j++) av[i] += a[i * n + j] * v[j];
      const vav = v.reduce((s, x, i) => s + x * av[i], 0);
      a = a.map((value, at) => {
        const [i, j] = [Math.floor(at / n), at % n];
        const once = (2 / norm) * (v[i] * av[j] + av[i] * v[j]);
        return value - once + ((4 * vav) / norm ** 2) * v[i] * v[j];
      });
    }
    return a;
  }

  const times = (a: Float64Array, n: number, x: Float64Array, m: number, ridge: number) => {
    const out = new Float64Array(n * m);
    for (let i = 0; i < n; i++) {
      for (let c = 0; c < m; c++) {
        out[i * m + c] = ridge * x[i * m + c];
        for (let j = 0; j < n; j++) out[i * m + c] += a[i * n + j] * x[j * m + c];
      }
    }
    return out;
  };

  test.each([
    [1, 1, 1e-9],
    [5, 10, 1e-9],
    [97, 1e4, 1e-9],
    [130, 1e10, 1e-4],
  ])('of %d unknowns and condition %d', async (n, condition, allowed) => {
    const a = n === 1 ? Float64Array.of(3) : spd(n, condition);
    const x = Float64Array.from(random.normals(n * 3));
    const got = await algebra.solveSpd(a, n, times(a, n, x, 3, 0), 3, 0);
    expect(got.raised).toBe(0);
    expect(got.ridge).toBe(0);
    const report = compare(got.x, x, { absolute: allowed });
    expect(report.ok, report.message).toBe(true);
  });

  test('a singular one is solved with a raised ridge, which it tells', async () => {
    const n = 60;
    const v = Float64Array.from(random.normals(n));
    const a = Float64Array.from({ length: n * n }, (_, at) => v[Math.floor(at / n)] * v[at % n]);
    const got = await algebra.solveSpd(a, n, v.slice(), 1, 0);
    expect(got.raised).toBeGreaterThan(0);
    expect(got.ridge).toBeGreaterThan(0);
    const back = times(a, n, got.x, 1, got.ridge);
    const report = compare(back, v, { absolute: 1e-6 });
    expect(report.ok, report.message).toBe(true);
  });

  test('refuses values that are not finite', async () => {
    await expect(
      algebra.solveSpd(Float64Array.of(1, 0, 0, Number.NaN), 2, new Float64Array(2), 1, 0),
    ).rejects.toThrow('not finite');
  });
});
