/** A small model tuned for real: distilled from its original, paused, resumed, never worse. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import type { TiedFfn } from '../../merge/write-back.ts';
import { LiveModel } from '../../pipeline/live-model.ts';
import { openModels } from '../../pipeline/opened.ts';
import { Job } from '../../pipeline/progress.ts';
import { loadNodeJaxFactory } from '../../runtime/jax/node.ts';
import { loadNodeFactory } from '../../runtime/ort/node.ts';
import type { HostTensor, PinnedTensor } from '../../runtime/session.ts';
import { expectClose } from '../../testing/compare.ts';
import { createRandom } from '../../testing/random.ts';
import { type TuneSetsInput, tuneSets } from './tune-sets.ts';

test('a tied gated model comes nearer to its original; paused and resumed, the same', async () => {
  const jax = await loadNodeJaxFactory();
  const sessions = await loadNodeFactory();
  const file = new File([readFileSync('src/testing/models/llama-dynamo.onnx')], 'model.onnx');
  const opened = await openModels([file], [file]);
  const output = opened.scoreOutput!.name;
  const live = await LiveModel.create(opened, sessions, new Job());
  const [group] = opened.search.groups;
  const each = await Promise.all([0, 1, 2].map((l) => live.weightsOf(group, l)));
  const values = new Map(
    [...each[0]].map(([role, a]) => [
      role,
      a.data.map((_, i) => each.reduce((sum, w) => sum + w.get(role)!.data[i] / each.length, 0)),
    ]),
  );
  const random = createRandom(31);
  const feedsOf = (items: number): Record<string, HostTensor> => {
    const data = BigInt64Array.from({ length: items * 8 }, () => BigInt(random.integer(20)));
    return { input_ids: { type: 'int64', dims: [items, 8], data } };
  };
  // The last chunk is of another shape.
  const chunks = [feedsOf(4), feedsOf(4), feedsOf(4), feedsOf(3)];
  const selected = feedsOf(6);
  const logits = async (weights?: ReadonlyMap<string, PinnedTensor>) => {
    const made = await live.run(selected, [output], weights ? { changes: { weights } } : {});
    const read = Array.from((await made[output].read()) as Float32Array);
    made[output].release();
    return read;
  };
  const wanted = await logits();
  const select = async (sets: readonly TiedFfn[]) => {
    const weights = new Map(sets.flatMap((s) => [...live.override(group, s.layers, s.values!)]));
    const given = await logits(weights);
    for (const pin of new Set(weights.values())) pin.release();
    return given.reduce((sum, v, i) => sum + (v - wanted[i]) ** 2, 0);
  };
  const input: TuneSetsInput = {
    source: { ...opened, sets: [{ group, layers: [0, 1, 2], values }], output },
    chunks: { count: chunks.length, read: async (i) => ({ feeds: chunks[i] }) },
    ownBiases: true,
    options: { steps: 24, rate: 3e-3, warmUp: 2, lookEvery: 6 },
    control: { select },
  };
  const whole = await tuneSets(input, sessions, jax);
  expect(whole.leftOut).toBe(1);
  expect(whole.result.after).toBeLessThan(0.8 * whole.result.before);
  expect(await select(whole.sets)).toBeCloseTo(whole.result.after, 5);

  const cancel = new AbortController();
  const onStep = ({ step }: { step: number }) => {
    if (step === 11) cancel.abort();
  };
  const paused = await tuneSets(
    { ...input, control: { select, signal: cancel.signal, onStep } },
    sessions,
    jax,
  );
  expect([paused.result.stopped, paused.result.state.step]).toEqual(['paused', 11]);
  expect(paused.result.after).toBeLessThanOrEqual(paused.result.before);
  const resume = structuredClone(paused.result.state);
  const rest = await tuneSets({ ...input, control: { select, resume } }, sessions, jax);
  expect(rest.result.after).toBeCloseTo(whole.result.after, 3);
  for (const [role, data] of whole.sets[0].values!) {
    expectClose(rest.sets[0].values!.get(role)!, data, { absolute: 1e-3 });
  }
  await live.release();
});
