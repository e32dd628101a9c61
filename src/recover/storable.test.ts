/**
 * Rungs keep to what a file can hold, and give the same again from the options that they chose; scales stay away from
 * zero.
 */
import { describe, expect, test } from 'vitest';
import { createCpuAlgebra } from '../testing/cpu-algebra.ts';
import { createRandom } from '../testing/random.ts';
import { plantedStack, withEverything } from '../testing/recover-models.ts';
import { inMemory } from './calibration.ts';
import { type Recovered, type RecoveryInput, recoveryMethods } from './method.ts';
import { outputError, outputPowers } from './statistics.ts';
import { MIN_SCALE, storableRoles, storableScales } from './storable.ts';
import { deltaRoles, type OwnRole, type TiedFfn, vectorRoles, withVectors } from './tied-ffn.ts';

const algebra = createCpuAlgebra();
const allRoles: readonly OwnRole[] = [...vectorRoles, ...deltaRoles];

function inputOf(planted: ReturnType<typeof plantedStack>, storable?: readonly OwnRole[]): RecoveryInput {
  return {
    ffn: planted.merged,
    originals: planted.originals,
    data: inMemory(planted.batches),
    algebra,
    ...(storable && { storable: new Set(storable) }),
  };
}

async function errorOf({ data }: RecoveryInput, ffn: TiedFfn): Promise<number> {
  return (await outputError(algebra, ffn, data, await outputPowers(data), { holdOut: 0 })).fit;
}

/** Roles of which layers have other arrays than each other. */
function ownRoles({ layers }: TiedFfn): OwnRole[] {
  return allRoles.filter((role) => layers.some((l) => l[role] !== layers[0][role]));
}

/** Rungs whose own vectors depend on the file; R6 is told by `own`. */
const ids = ['R0b', 'R1', 'R2', 'R3', 'R4', 'R5'] as const;
type Id = (typeof ids)[number] | 'R6';

const recover = (id: Id, input: RecoveryInput, options: object = {}): Promise<Recovered> =>
  (recoveryMethods[id].recover as (i: RecoveryInput, o: object) => Promise<Recovered>)(input, options);

describe('what a file can hold', () => {
  test.each([
    [false, true],
    [true, true],
    [true, false],
  ])(
    'random subsets, gated %s, biases %s: nothing else becomes own, nothing gets worse',
    async (gated, biases) => {
      const random = createRandom(7);
      const refusals = new Set<string>();
      for (let round = 0; round < 6; round++) {
        const planted = plantedStack({ gated, biases, seed: round + 1, activation: 'silu' });
        const storable = allRoles.filter(() => random.uniform() < 0.5);
        const input = inputOf(planted, storable);
        for (const id of ids) {
          try {
            const { ffn, before, after } = await recover(id, input);
            expect(after).toBeLessThanOrEqual(before * (1 + 1e-9) + 1e-12);
            for (const role of ownRoles(ffn)) expect(storable, `${id} ${role}`).toContain(role);
            // A bias that is no place for cannot come into being as a tied one either.
            for (const role of ['bIn', 'bGate', 'bOut'] as const) {
              if (!storable.includes(role) && !planted.merged.layers[0][role]) {
                expect(ffn.layers.every((l) => l[role] === undefined)).toBe(true);
              }
            }
          } catch (error) {
            if (!(error instanceof RangeError)) throw error;
            expect(error.message).toMatch(/^This file has no place for .* leave that step out/);
            refusals.add(id);
          }
        }
      }
      expect(refusals).not.toContain('R1');
      expect(refusals).not.toContain('R3');
      expect(refusals).toContain('R0b');
    },
  );

  test.each(['R0b', 'R2', 'R4', 'R5'] as const)('%s is refused where it has no place at all', async (id) => {
    const input = inputOf(plantedStack(), ['bIn']);
    await expect(recover(id, input)).rejects.toThrow(
      `which “${recoveryMethods[id].label}” needs; leave that step out`,
    );
  });

  test('R3 without own output biases is the best there is with one for all, or with none', async () => {
    for (const biases of [true, false]) {
      const planted = plantedStack({ biases });
      const input = inputOf(planted, []);
      const { ffn } = await recover('R3', input, { lambdas: [0] });
      expect(new Set(ffn.layers.map((l) => l.bOut)).size).toBe(1);
      expect(ffn.layers[0].bOut !== undefined).toBe(biases);
      const best = await errorOf(input, ffn);
      const random = createRandom(3);
      for (let k = 0; k < 10; k++) {
        const shaken = (v: Float32Array) => v.map((x) => x + 0.01 * random.normal());
        const { wOut } = ffn.shared;
        const other = withVectors(
          { ...ffn, shared: { ...ffn.shared, wOut: { ...wOut, data: shaken(wOut.data) } } },
          () => (biases ? { bOut: ffn.layers[0].bOut! } : {}),
        );
        expect(await errorOf(input, other)).toBeGreaterThan(best);
        if (!biases) continue;
        const bOut = shaken(ffn.layers[0].bOut!);
        expect(
          await errorOf(
            input,
            withVectors(ffn, () => ({ bOut })),
          ),
        ).toBeGreaterThan(best);
      }
    }
  });

  test('R2 without own biases finds the best scale beside the bias that stays', async () => {
    const planted = plantedStack();
    const free = await recover('R2', inputOf(planted));
    const { ffn, before, after } = await recover('R2', inputOf(planted, ['inScale']));
    expect(ffn.layers.every((l) => l.bIn === planted.merged.layers[0].bIn)).toBe(true);
    expect(after).toBeLessThan(before);
    expect(after).toBeGreaterThan(free.after);
  });

  test('roles for R6', () => {
    const input = { storable: new Set<OwnRole>(['bOut']) };
    expect(storableRoles(input, ['bIn', 'bOut'])).toEqual(['bOut']);
    expect(storableRoles({}, ['bIn', 'bOut'])).toEqual(['bIn', 'bOut']);
  });
});

describe('chosen options give the same again', () => {
  const cases: [Id, object][] = [
    ['R0b', { inputBiases: true }],
    ['R1', { bias: 'tied' }],
    ['R1', {}],
    ['R2', {}],
    ['R3', {}],
    ['R3', { towards: 'current', lambdas: [0.5, 0.9] }],
    ['R4', {}],
    ['R5', { rank: 2 }],
    ['R6', { steps: 10, tokens: 40, lookEvery: 5 }],
  ];
  for (const gated of [false, true]) {
    for (const spread of [0.4, 0]) {
      test.each(cases)(`%s %o, gated ${gated}, spread ${spread}`, async (id, options) => {
        const planted = plantedStack({ gated, spread, rows: 80 });
        const first = inputOf(planted);
        // From a start with everything, and from the plain merge.
        const rich = { ...first, ffn: withEverything(planted.merged, planted.random) };
        for (const input of id === 'R6' ? [first] : [first, rich]) {
          const done = await recover(id, input, options);
          // R6 chooses nothing.
          const again = await recover(id, input, { ...(id === 'R6' ? options : {}), ...done.chosen });
          if (id !== 'R6') expect(done.chosen).toBeDefined();
          expect(again.ffn).toEqual(done.ffn);
          if (done.chosen) expect(again.chosen).toEqual(done.chosen);
          // As a recipe has it.
          expect(JSON.parse(JSON.stringify(done.chosen ?? {}))).toEqual(done.chosen ?? {});
        }
      });
    }
  }
});

describe('scales', () => {
  test('are kept away from zero with their sign, and tied ones stay tied', () => {
    const { merged } = plantedStack({ dFf: 4 });
    const scale = Float32Array.of(0, -1e-5, 2, -3);
    const ffn = withVectors(merged, (i) => ({
      hiddenScale: scale,
      inScale: Float32Array.of(1, 1, 1, i * 1e-6),
    }));
    const floored = storableScales(ffn);
    expect([...floored.layers[0].hiddenScale!]).toEqual([...Float32Array.of(MIN_SCALE, -MIN_SCALE, 2, -3)]);
    expect(new Set(floored.layers.map((l) => l.hiddenScale)).size).toBe(1);
    expect(floored.layers[2].inScale![3]).toBe(Math.fround(MIN_SCALE));
    expect(storableScales(floored)).toEqual(floored);
    expect(floored.layers[0].bIn).toBe(merged.layers[0].bIn);
  });

  test('of R2 and R4 are, for units that the original does not use', async () => {
    const planted = plantedStack({ rows: 200 });
    const cut = (m: { rows: number; cols: number; data: Float32Array }) => ({
      ...m,
      data: m.data.map((v, at) => (at % 20 === 3 ? 0 : v)),
    });
    const originals = planted.originals.map((l) => ({ ...l, wIn: cut(l.wIn) }));
    const scaled = await recover('R2', { ...inputOf(planted), originals });
    for (const l of scaled.ffn.layers) expect(l.inScale![3]).toBe(Math.fround(MIN_SCALE));
    const gained = await recover('R4', inputOf(planted), { lambdas: [0] });
    for (const l of gained.ffn.layers) {
      for (const s of l.hiddenScale ?? []) expect(Math.abs(s)).toBeGreaterThanOrEqual(MIN_SCALE);
    }
  });
});
