/** The injected product: onnxruntime's own, in every transposition, and cut into slices. */
import { describe, expect, it } from 'vitest';
import { createRuntimeGemm } from '../../runtime/ort/gemm.ts';
import { loadNodeFactory } from '../../runtime/ort/node.ts';
import { expectScaled, naiveProduct } from '../../testing/naive.ts';
import { createRandom } from '../../testing/random.ts';
import { matmul } from './matmul.ts';

describe('a product by the runtime', async () => {
  const gemm = createRuntimeGemm(await loadNodeFactory());
  const random = createRandom(31);
  const [m, k, n] = [200, 130, 40];
  for (const [transposeA, transposeB] of [
    [false, false],
    [false, true],
    [true, false],
    [true, true],
  ]) {
    for (const slices of [1, 2]) {
      it(`${slices} slices${transposeA ? ', a transposed' : ''}${transposeB ? ', b transposed' : ''}`, async () => {
        const a = { values: random.normals(m * k), rows: transposeA ? k : m, cols: transposeA ? m : k };
        const b = { values: random.normals(k * n), rows: transposeB ? n : k, cols: transposeB ? k : n };
        let calls = 0;
        const counted: typeof gemm = (...given) => {
          calls++;
          return gemm(...given);
        };
        const out = new Float32Array(m * n).fill(3);
        const limits = { fewest: 0, most: (2 * m * k * n) / (slices - 0.5) };
        const options = { transposeA, transposeB, alpha: 2, accumulate: true };
        await matmul(out, a, b, { m, n, k }, options, counted, async () => {}, limits);
        const naive = naiveProduct(a.values, a.rows, a.cols, b.values, b.cols, transposeA, transposeB);
        const expected = naive.product.map((v) => 3 + 2 * v);
        expectScaled(
          out,
          expected,
          naive.scale.map((v) => 2 * v + 3),
          1e-6,
          n,
        );
        // Terms of a transposed B are not cut.
        expect(calls).toBe(transposeA && transposeB ? 1 : slices);
      });
    }
  }
});
