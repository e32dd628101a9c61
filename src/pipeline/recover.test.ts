/**
 * Recovery through the studio on the trained sample, with a small part of its data to be quick: the promises that hold
 * whatever is asked for. The select split never gets worse, the report split is never read to decide, a plan brings its
 * variant back, cancelling keeps what was gained. The figures on all data are in reference.test.ts and in the bench.
 */
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { NamedBlob } from '../data/files.ts';
import { openShort as openWithShortTexts } from '../testing/short-texts.ts';
import { namedFile } from '../testing/studio-in-node.ts';
import { DEFAULT_RECOVERY } from './recover-types.ts';
import type { Studio } from './studio.ts';
import type { MergePlan, RecoverRequest, RecoverResult, RungId } from './types.ts';

const window4 = { groupId: '', layers: [4, 5, 6, 7] };
let groupId = '';
const planOf = (
  sets: readonly (readonly number[])[],
  method: MergePlan['method'] = 'permute',
): MergePlan => ({
  sets: sets.map((layers) => ({ groupId, layers })),
  method,
  reference: 'first',
  score: 'default',
});
const ask = (rungs: readonly RungId[], more: Partial<RecoverRequest> = {}): RecoverRequest => ({
  ...DEFAULT_RECOVERY,
  rungs,
  ...more,
});

const GPT2 = 'public/samples/shakespeare-gpt2';
/** Gated, without biases, and with fewer layers. */
const LLAMA = 'src/testing/fixtures/shakespeare-llama';

/** A model with the beginnings of its texts. */
async function openShort(folder: string, report?: string): Promise<Studio> {
  const opened = await openWithShortTexts(folder, report === undefined ? {} : { report });
  groupId = opened.groupId;
  return opened.studio;
}

/** Comparing megabytes element by element takes the matcher minutes. */
function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}

async function bytesOf(studio: Studio): Promise<Uint8Array> {
  const { blob } = await studio.download();
  return new Uint8Array(await blob.arrayBuffer());
}

test('a plan brings its recovery back, and without it the merge', async () => {
  const studio = await openShort(GPT2);
  const merged = await studio.merge(planOf([window4.layers]));
  const before = await bytesOf(studio);
  const seen: string[] = [];
  const result = await studio.recover(ask(['R3']), {
    onProgress: ({ partial }) => {
      if (partial?.rung) seen.push(partial.rung.rung);
    },
  });
  expect(seen).toEqual(['R3']);
  expect(result.end.select).toBeLessThan(result.start.select);
  const [outcome] = result.outcomes;
  expect(outcome).toMatchObject({ rung: 'R3', kept: true, before: result.start.select });
  expect(outcome.report).toBe(result.end.report);
  // Own output biases: three more of 128 floats than the one that was tied.
  expect(outcome.addedBytes).toBeGreaterThanOrEqual(3 * 128 * 4);
  expect(outcome.addedBytes).toBeLessThan(3 * 128 * 4 + 600);
  expect(result.saving.bytesAfter).toBe(merged.saving.bytesAfter + outcome.addedBytes);
  expect((await studio.evaluate('report')).merged).toBe(result.end.report);
  const recovered = await bytesOf(studio);
  expect(recovered.byteLength).toBe(result.saving.bytesAfter);

  await studio.merge(planOf([window4.layers]));
  expect(isSame(await bytesOf(studio), before)).toBe(true);
  expect(studio.recovery()).toBeNull();
  await studio.merge(result.plan);
  expect(isSame(await bytesOf(studio), recovered)).toBe(true);

  // Without the shelf, from the plan alone.
  const other = await openShort(GPT2);
  await other.merge(result.plan);
  expect(isSame(await bytesOf(other), recovered)).toBe(true);
  await other.dispose();
  await studio.dispose();
}, 300_000);

describe('a gated model without biases', () => {
  let studio: Studio;
  beforeAll(async () => {
    studio = await openShort(LLAMA);
  }, 60_000);
  afterAll(() => studio.dispose());

  test('a refreshed and distilled variant comes back from its plan too', async () => {
    await studio.merge(
      planOf([
        [1, 2],
        [5, 6],
      ]),
    );
    const result = await studio.recover(ask(['R3', 'R6', 'refresh'], { steps: 12 }));
    expect(result.plan.recovery!.some((s) => s.refreshed)).toBe(true);
    const other = await openShort(LLAMA);
    await other.merge(result.plan);
    const again = await other.evaluate('report');
    expect(again.merged / result.end.report).toBeCloseTo(1, 4);
    await other.dispose();
  }, 300_000);

  test('rungs add up, and a second run goes on where the first ended', async () => {
    await studio.merge(planOf([window4.layers]));
    const first = await studio.recover(ask(['R2', 'R3']));
    expect(first.end.select).toBeLessThan(first.start.select);
    const second = await studio.recover(ask(['R4', 'R6'], { steps: 8 }));
    expect(second.start).toEqual(first.end);
    expect(second.end.select).toBeLessThanOrEqual(second.start.select);
    expect(second.plan.recovery!.slice(0, first.plan.recovery!.length)).toEqual(first.plan.recovery);
    for (const { score, before } of [...first.outcomes, ...second.outcomes]) {
      expect(score).toBeLessThanOrEqual(before);
    }
  }, 300_000);

  test('a cancelled distillation keeps the best that it has seen', async () => {
    await studio.merge(planOf([[1, 2]]));
    const before = await studio.recover(ask(['R3']));
    const controller = new AbortController();
    let looks = 0;
    const run = studio.recover(ask(['R6'], { steps: 4000 }), {
      signal: controller.signal,
      onProgress: ({ partial }) => {
        if (partial?.loss && ++looks === 2) controller.abort(new DOMException('Cancelled.', 'AbortError'));
      },
    });
    await expect(run).rejects.toThrow('Cancelled');
    const result = studio.recovery() as RecoverResult;
    expect(result.stopped).toBe('cancelled');
    expect(result.outcomes).toHaveLength(1);
    expect(result.end.select).toBeLessThanOrEqual(before.end.select);
    const { merged } = await studio.evaluate('report');
    expect(merged).toBe(result.end.report);
  }, 300_000);

  test('what cannot be recovered is said in a sentence, and nothing changes', async () => {
    await studio.merge(planOf([]));
    await expect(studio.recover(ask(['R3']))).rejects.toThrow('Nothing is merged');
    await studio.merge(planOf([[1, 2]], 'ffn-drop'));
    await expect(studio.recover(ask(['R3']))).rejects.toThrow('left out cannot be recovered');
    await studio.merge(planOf([[1, 2]], 'vanilla'));
    await expect(studio.recover(ask([]))).rejects.toThrow('at least one rung');
    await expect(studio.recover({ ...ask(['R3']), rungs: 'best' })).rejects.toThrow('number of minutes');
    await expect(studio.recover(ask(['R6'], { steps: 0 }))).rejects.toThrow('steps from 1 up; it was 0');
    const result = await studio.recover(ask(['R0c']));
    expect(result.outcomes[0].sets[0]).toMatchObject({
      kept: false,
      notes: ['Aligning to the running mean needs a merge by permutation.'],
    });
    expect(result.end).toEqual(result.start);
  }, 60_000);
});

test('a plan is fitted anew where the data is another', async () => {
  const studio = await openShort(LLAMA);
  await studio.merge(planOf([[1, 2]]));
  const { plan } = await studio.recover(ask(['R3']));
  const first = await bytesOf(studio);
  const other = Object.assign(
    new Blob([(await (await namedFile(`${GPT2}/report.txt`)).text()).slice(512, 1536)]),
    {
      name: 'calibrate.txt',
    },
  );
  await studio.addData([other as NamedBlob]);
  await studio.merge(plan);
  expect(isSame(await bytesOf(studio), first)).toBe(false);
  const { merged } = await studio.evaluate('select');
  // Scored as itself, not as the fit on the data before.
  const fresh = await openShort(LLAMA);
  await fresh.addData([other as NamedBlob]);
  await fresh.merge(plan);
  expect((await fresh.evaluate('select')).merged).toBeCloseTo(merged, 5);
  await fresh.dispose();
  await studio.dispose();
}, 300_000);

test('proposals are refitted and ranked by what they then score', async () => {
  const studio = await openShort(LLAMA);
  const request = {
    groupId,
    target: { removed: 1 },
    method: 'permute',
    reference: 'first',
    score: 'default',
  } as const;
  const { candidates } = await studio.plan({ ...request, recover: true });
  const values = candidates.map((c) => c.recovered!.value);
  expect(values).toEqual([...values].sort((a, b) => a - b));
  for (const { value, recovered } of candidates) expect(recovered!.value).toBeLessThanOrEqual(value);
  const [best] = candidates;
  await studio.merge(best.recovered!.plan);
  const { merged } = await studio.evaluate('select');
  expect(merged).toBeCloseTo(best.recovered!.value, 6);
}, 300_000);

test('the report split decides nothing: with another text in its place, the same variant comes out', async () => {
  const made: { plan: MergePlan; bytes: Uint8Array; report: number }[] = [];
  for (const text of [undefined, 'to be or not to be '.repeat(30)]) {
    const studio = await openShort(LLAMA, text);
    await studio.merge(planOf([[2, 3]]));
    const { plan, end } = await studio.recover(ask(['R0b', 'R2', 'R3', 'R6'], { steps: 5 }));
    made.push({ plan, bytes: await bytesOf(studio), report: end.report });
    await studio.dispose();
  }
  expect(made[0].report).not.toBeCloseTo(made[1].report, 1);
  expect(made[0].plan).toEqual(made[1].plan);
  expect(isSame(made[0].bytes, made[1].bytes)).toBe(true);
}, 300_000);

test('no rung makes the selection metric worse, whatever is asked for', async () => {
  const studio = await openShort(LLAMA);
  const requests = fc.record({
    rungs: fc.shuffledSubarray<RungId>(['R0c', 'R0b', 'R1', 'R2', 'R3', 'R4', 'R5', 'R6', 'refresh'], {
      minLength: 1,
      maxLength: 4,
    }),
    steps: fc.integer({ min: 1, max: 3 }),
    rank: fc.integer({ min: 1, max: 5 }),
    seed: fc.nat(100),
    first: fc.integer({ min: 0, max: 5 }),
    width: fc.integer({ min: 2, max: 3 }),
    method: fc.constantFrom<MergePlan['method']>('permute', 'vanilla', 'copy'),
  });
  await fc.assert(
    fc.asyncProperty(requests, async ({ first, width, method, ...request }) => {
      await studio.merge(planOf([Array.from({ length: width }, (_, k) => first + k)], method));
      const merged = await studio.evaluate('select');
      const { outcomes, end } = await studio.recover({ ...DEFAULT_RECOVERY, ...request });
      let last = merged.merged;
      for (const { before, score } of outcomes) {
        expect(before).toBe(last);
        expect(score).toBeLessThanOrEqual(before);
        last = score;
      }
      const after = await studio.evaluate('select');
      expect(after.merged).toBe(end.select);
      expect(after.merged).toBe(last);
    }),
    { numRuns: 4 },
  );
  await studio.dispose();
}, 300_000);
