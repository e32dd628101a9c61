import { describe, expect, it } from 'vitest';
import { expectClose } from '../testing/compare.ts';
import { naiveOrthogonal, naiveProduct, relativeError } from '../testing/naive.ts';
import { createRandom } from '../testing/random.ts';
import { createCpuBackend } from './cpu/index.ts';
import { orthonormal, symmetricEigen } from './dense.ts';

const random = createRandom(4096);
const identity = (n: number) => Float64Array.from({ length: n * n }, (_, k) => Number(k % (n + 1) === 0));

describe('orthonormal', () => {
  for (const [rows, cols] of [
    [1, 1],
    [5, 5],
    [70, 12],
  ]) {
    it(`${rows}×${cols}: QᵀQ is the identity, and Q spans the columns`, () => {
      const x = random.normals(rows * cols);
      const q = orthonormal(x, rows, cols);
      expectClose(naiveProduct(q, rows, cols, q, cols, true, false).product, identity(cols), {
        absolute: 1e-13,
      });
      const inside = naiveProduct(q, rows, cols, x, cols, true, false).product;
      expect(relativeError(naiveProduct(q, rows, cols, inside, cols, false, false).product, x)).toBeLessThan(
        1e-13,
      );
    });
  }

  it('is orthonormal where columns are zero or the same, and spans them', () => {
    const x = Float64Array.of(1, 0, 1, 2, 0, 2, 3, 0, 3, -1, 0, -1);
    const q = orthonormal(x, 4, 3);
    expectClose(naiveProduct(q, 4, 3, q, 3, true, false).product, identity(3), { absolute: 1e-14 });
    const inside = naiveProduct(q, 4, 3, x, 3, true, false).product;
    expect(relativeError(naiveProduct(q, 4, 3, inside, 3, false, false).product, x)).toBeLessThan(1e-14);
    expect(() => orthonormal(x, 3, 4)).toThrow(/4 columns in 3 rows/);
  });
});

describe('symmetricEigen', () => {
  it('finds known eigenvalues over twelve orders, and their vectors', () => {
    const n = 25;
    const q = naiveOrthogonal(random.normals(n * n), n);
    const known = Float64Array.from({ length: n }, (_, k) => (k === 3 ? -2 : 10 ** (-k / 2)))
      .sort()
      .reverse();
    const scaled = q.map((v, k) => v * known[Math.floor(k / n)]);
    const a = naiveProduct(q, n, n, scaled, n, true, false).product;
    const { values, vectors } = symmetricEigen(a, n);
    expectClose(values, known, { absolute: 1e-14 });
    expectClose(naiveProduct(vectors, n, n, vectors, n, true, false).product, identity(n), {
      absolute: 1e-13,
    });
    const image = naiveProduct(a, n, n, vectors, n, false, false).product;
    expectClose(
      image,
      vectors.map((v, k) => v * values[k % n]),
      { absolute: 1e-13, cols: n },
    );
  });

  it('takes diagonal, equal and single values', () => {
    expect([...symmetricEigen([1, 0, 0, 3], 2).values]).toEqual([3, 1]);
    expectClose(symmetricEigen([2, 1, 1, 2], 2).values, [3, 1], { absolute: 1e-15 });
    expectClose(symmetricEigen([0, 1, 1, 0], 2).values, [1, -1], { absolute: 1e-15 });
    expect([...symmetricEigen([-5], 1).values]).toEqual([-5]);
    expect(() => symmetricEigen([1, Number.NaN, 0, 1], 2)).toThrow(/finite/);
  });
});

it('a randomised SVD by the recipe of the header reaches the best low-rank error', async () => {
  const [m, n, r, over] = [80, 60, 5, 8];
  const [u, v] = [naiveOrthogonal(random.normals(m * m), m), naiveOrthogonal(random.normals(n * n), n)];
  const sigma = Float64Array.from({ length: n }, (_, k) => (k < r ? 10 - k : 0.5 * 0.9 ** k));
  const a = Float32Array.from({ length: m * n }, (_, k) => {
    let sum = 0;
    for (let s = 0; s < n; s++) sum += u[s * m + Math.floor(k / n)] * sigma[s] * v[s * n + (k % n)];
    return sum;
  });
  const backend = createCpuBackend();
  const matrix = backend.upload(a, m, n);
  const basis = async (from: Awaited<ReturnType<typeof backend.matmul>>) =>
    backend.upload(
      Float32Array.from(orthonormal(await backend.read(from), from.rows, from.cols)),
      from.rows,
      from.cols,
    );
  let q = await basis(
    await backend.matmul(matrix, backend.upload(random.normals(n * (r + over)), n, r + over)),
  );
  for (let pass = 0; pass < 2; pass++) {
    q = await basis(
      await backend.matmul(matrix, await basis(await backend.matmul(matrix, q, { transposeA: true }))),
    );
  }
  const b = await backend.matmul(q, matrix, { transposeA: true });
  const gram = await backend.read(await backend.matmul(b, b, { transposeB: true }));
  const { values, vectors } = symmetricEigen(gram, r + over);
  expectClose(values.subarray(0, r).map(Math.sqrt), sigma.subarray(0, r), { relative: 1e-5 });
  const leading = Float32Array.from({ length: (r + over) * r }, (_, k) => {
    return vectors[Math.floor(k / r) * (r + over) + (k % r)];
  });
  const top = backend.upload(leading, r + over, r);
  const left = await backend.matmul(q, top);
  const right = await backend.matmul(top, b, { transposeA: true });
  const close = await backend.read(await backend.matmul(left, right));
  const error = Math.sqrt(close.reduce((sum, value, k) => sum + (value - a[k]) ** 2, 0));
  const best = Math.sqrt(sigma.subarray(r).reduce((sum, s) => sum + s * s, 0));
  expect(error / best).toBeLessThan(1.001);
  backend.dispose();
});
