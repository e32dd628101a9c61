import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createRandom } from '../testing/random.ts';
import { AssignmentError, AssignmentStopped, solveAssignment, solveAssignmentAsync } from './assignment.ts';

/** The best objective over all n! permutations. */
function bruteForce(score: ArrayLike<number>, n: number): number {
  const used = new Array<boolean>(n).fill(false);
  const best = (row: number): number => {
    if (row === n) return 0;
    let top = Number.NEGATIVE_INFINITY;
    for (let j = 0; j < n; j++) {
      if (used[j]) continue;
      used[j] = true;
      top = Math.max(top, score[row * n + j] + best(row + 1));
      used[j] = false;
    }
    return top;
  };
  return best(0);
}

function objectiveOf(score: ArrayLike<number>, n: number, indices: Uint32Array): number {
  return indices.reduce((sum, j, u) => sum + score[u * n + j], 0);
}

const squares = (entry: fc.Arbitrary<number>) =>
  fc
    .integer({ min: 0, max: 7 })
    .chain((n) => fc.array(entry, { minLength: n * n, maxLength: n * n }).map((values) => ({ n, values })));

const entries: Record<string, fc.Arbitrary<number>> = {
  'many ties': fc.integer({ min: -1, max: 1 }),
  'small integers': fc.integer({ min: -9, max: 9 }),
  correlations: fc.double({ min: -1, max: 1, noNaN: true }),
  'wide magnitudes': fc.double({ min: -1e12, max: 1e12, noNaN: true }),
  'nearly equal': fc.integer({ min: 0, max: 3 }).map((k) => 1 + k * 2 ** -52),
};

describe('solveAssignment', () => {
  for (const [name, entry] of Object.entries(entries)) {
    it(`equals brute force: ${name}`, () => {
      fc.assert(
        fc.property(squares(entry), ({ n, values }) => {
          const score = Float64Array.from(values);
          const { permutation, objective } = solveAssignment(score, n);
          const scale = values.reduce((most, v) => Math.max(most, Math.abs(v)), 1);
          expect(Math.abs(objective - bruteForce(score, n))).toBeLessThanOrEqual(1e-12 * scale);
          expect(permutation.size).toBe(n);
          expect(objectiveOf(score, n, permutation.indices)).toBeCloseTo(objective, 9);
        }),
        { numRuns: 300 },
      );
    });
  }

  it('ends on constant matrices and duplicate rows and columns', () => {
    const n = 200;
    for (const value of [0, -3.5, 0.1]) {
      expect(solveAssignment(new Float32Array(n * n).fill(value), n).objective).toBeCloseTo(
        Math.fround(value) * n,
        6,
      );
    }
    const row = createRandom(2).normals(n);
    const duplicates = Float32Array.from({ length: n * n }, (_, k) => row[k % n]);
    expect(solveAssignment(duplicates, n).objective).toBeCloseTo(
      row.reduce((a, b) => a + b, 0),
      4,
    );
  });

  it('finds a hidden permutation', () => {
    const n = 300;
    const random = createRandom(11);
    const hidden = random.permutation(n);
    const score = random.normals(n * n).map((x) => x * 0.1);
    hidden.forEach((j, u) => {
      score[u * n + j] += 2;
    });
    expect([...solveAssignment(score, n).permutation.indices]).toEqual([...hidden]);
  });

  it('does not depend on the order of rows or on offsets of rows and columns', () => {
    const n = 60;
    const random = createRandom(4);
    const score = Float64Array.from(random.normals(n * n));
    const best = solveAssignment(score, n).objective;
    const order = random.permutation(n);
    const offset = random.normals(n);
    const moved = Float64Array.from(
      score,
      (_, k) => score[order[Math.floor(k / n)] * n + (k % n)] + offset[k % n],
    );
    expect(solveAssignment(moved, n).objective).toBeCloseTo(best + offset.reduce((a, b) => a + b, 0), 9);
  });

  it('refuses what is no square of finite numbers, and says where', () => {
    expect(() => solveAssignment(new Float32Array(5), 2)).toThrow(AssignmentError);
    expect(() => solveAssignment(Float32Array.of(1, 2, Number.NaN, 4), 2)).toThrow(
      /row 1 and column 0 is NaN/,
    );
    expect(() => solveAssignment(Float32Array.of(1, Number.POSITIVE_INFINITY, 0, 4), 2)).toThrow(
      AssignmentError,
    );
  });

  it('can be stopped', async () => {
    const score = createRandom(1).normals(100 * 100);
    expect(() => solveAssignment(score, 100, { shouldStop: () => true })).toThrow(AssignmentStopped);
    await expect(solveAssignmentAsync(score, 100, AbortSignal.abort())).rejects.toThrow();
  });

  it('answers the same with pauses', async () => {
    const score = createRandom(1).normals(100 * 100);
    expect(await solveAssignmentAsync(score, 100)).toEqual(solveAssignment(score, 100));
  });

  it('takes well under a second for n = 512', () => {
    const n = 512;
    const started = performance.now();
    solveAssignment(createRandom(9).normals(n * n), n);
    expect(performance.now() - started).toBeLessThan(1000);
  });
});

describe('solveAssignment on the fixtures', () => {
  for (const model of ['shakespeare-gpt2', 'digits-vit']) {
    const folder = new URL(`../testing/fixtures/${model}/`, import.meta.url);
    const reference = JSON.parse(readFileSync(new URL('reference.json', folder), 'utf8'));
    for (const pair of ['4-5', '4-6', '4-7']) {
      it(`${model}, layers ${pair}: SciPy's objective`, () => {
        const { values, shape } = readNpy(new URL(`correlation-${pair}.npy`, folder));
        expect(shape).toEqual([reference.d_ff, reference.d_ff]);
        const { objective } = solveAssignment(values, shape[0]);
        const expected = reference.assignment_objective[pair];
        expect(Math.abs(objective / expected - 1)).toBeLessThan(1e-5);
      });
    }
  }
});

/** Little-endian f4 or f8 arrays in C order; enough for the fixtures. */
function readNpy(url: URL): { values: Float32Array | Float64Array; shape: number[] } {
  const bytes = readFileSync(url);
  const headerLength = bytes.readUInt16LE(8);
  const header = bytes.toString('latin1', 10, 10 + headerLength);
  const shape = /'shape': \(([^)]*)\)/.exec(header)![1].split(',').filter(Boolean).map(Number);
  const data = bytes.buffer.slice(bytes.byteOffset + 10 + headerLength, bytes.byteOffset + bytes.length);
  const double = header.includes("'<f8'");
  expect(double || header.includes("'<f4'")).toBe(true);
  return { values: double ? new Float64Array(data) : new Float32Array(data), shape };
}
