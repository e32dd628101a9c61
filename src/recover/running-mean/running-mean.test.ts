/** Alignment to the running mean: hidden permutations are found, and the objective never goes down. */
import { expect, test } from 'vitest';
import { solveAssignment } from '../../align/assignment.ts';
import { Permutation } from '../../align/permutation.ts';
import { createRandom } from '../../testing/random.ts';
import { runningMean } from './running-mean.ts';

const solve = async (score: Float32Array, size: number) => solveAssignment(score, size);

/** k layers of n units in m features: the same units in other orders, with noise; dot products as scores. */
function layersOf(seed: number, k: number, n: number, m: number, noise: number) {
  const random = createRandom(seed);
  const base = random.normals(n * m);
  const hidden = Array.from({ length: k }, () => random.permutation(n));
  const layers = hidden.map((order) => {
    const out = random.normals(n * m).map((v) => noise * v);
    order.forEach((to, u) => {
      for (let c = 0; c < m; c++) out[to * m + c] += base[u * m + c];
    });
    return out;
  });
  const pairScore = async (i: number, j: number) => {
    expect(i).toBeLessThan(j);
    return Float32Array.from({ length: n * n }, (_, at) => {
      const [u, v] = [Math.floor(at / n), at % n];
      let sum = 0;
      for (let c = 0; c < m; c++) sum += layers[i][u * m + c] * layers[j][v * m + c];
      return sum;
    });
  };
  /** π with layer j's unit π[u] standing where the reference's (layer r) unit u is. */
  const truth = (r: number, j: number) => {
    const back = Permutation.from(hidden[r]).inverse().indices;
    return Array.from(back, (u) => hidden[j][u]);
  };
  const toReference = async (r: number) =>
    Promise.all(
      layers.map(async (_, j) => {
        if (j === r) return null;
        const score = r < j ? await pairScore(r, j) : transposed(await pairScore(j, r), n);
        return solveAssignment(score, n).permutation;
      }),
    );
  return { pairScore, truth, toReference };
}

const transposed = (m: Float32Array, n: number) => m.map((_, at) => m[(at % n) * n + Math.floor(at / n)]);

test.each([0, 1, 3])(
  'finds the planted order through noise better than one reference: %d',
  async (reference) => {
    const [k, n] = [5, 24];
    let [once, mean] = [0, 0];
    for (let seed = 1; seed <= 3; seed++) {
      const { pairScore, truth, toReference } = layersOf(seed, k, n, 12, 0.9);
      const permutations = await toReference(reference);
      const result = await runningMean.align({ size: n, permutations, reference, pairScore, solve });
      expect(result.after).toBeGreaterThanOrEqual(result.before);
      expect(result.permutations[reference].isIdentity).toBe(true);
      for (let j = 0; j < k; j++) {
        const wanted = truth(reference, j);
        const hits = (p: Permutation | null) =>
          (p ?? Permutation.identity(n)).indices.filter((v, u) => v === wanted[u]).length;
        once += hits(permutations[j]);
        mean += hits(result.permutations[j]);
      }
    }
    expect(mean).toBeGreaterThan(once);
  },
);

test('leaves an alignment that is best as it is, in one pass', async () => {
  const { pairScore, truth, toReference } = layersOf(9, 4, 16, 20, 0.01);
  const permutations = await toReference(0);
  const result = await runningMean.align({ size: 16, permutations, reference: 0, pairScore, solve });
  expect(result.passes).toBe(1);
  expect(result.after).toBe(result.before);
  expect([...result.permutations[2].indices]).toEqual(truth(0, 2));
});

test('the objective goes up with every pass, from anywhere', async () => {
  const { pairScore } = layersOf(4, 4, 16, 20, 0.5);
  const start = { size: 16, permutations: [null, null, null, null], reference: 2, pairScore, solve };
  const totals: number[] = [];
  for (const passes of [1, 2, 3]) totals.push((await runningMean.align(start, { passes })).after);
  expect(totals[0]).toBeGreaterThan((await runningMean.align(start, { passes: 0 })).after);
  expect(totals[1]).toBeGreaterThanOrEqual(totals[0]);
  expect(totals[2]).toBeGreaterThanOrEqual(totals[1]);
});

test('ends where it is cancelled, and refuses a reference that is no layer', async () => {
  const { pairScore } = layersOf(4, 2, 8, 4, 0.5);
  const input = { size: 8, permutations: [null, null], reference: 0, pairScore, solve };
  await expect(runningMean.align({ ...input, signal: AbortSignal.abort() })).rejects.toThrow(/abort/i);
  await expect(runningMean.align({ ...input, reference: 2 })).rejects.toThrow('one of 2 layers');
});
