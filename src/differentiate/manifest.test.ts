/**
 * The plain graph of every model of the manifest that can be merged: run in onnxruntime, it gives what the open model
 * gives for the same merge; what cannot be written is refused in a sentence that names the operator.
 */
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import type { TiedFfn } from '../merge/write-back.ts';
import { LiveModel } from '../pipeline/live-model.ts';
import { openModels } from '../pipeline/opened.ts';
import { Job } from '../pipeline/progress.ts';
import type { PlainModel } from '../runtime/differentiable.ts';
import { loadNodeFactory } from '../runtime/ort/node.ts';
import type { HostTensor, PinnedTensor, SessionFactory } from '../runtime/session.ts';
import { difference, randomInputs, widened } from '../testing/model-runs.ts';
import { TrainingModel } from './training-model.ts';

interface Expected {
  readonly files?: readonly string[];
  readonly groups: readonly unknown[];
}

const root = new URL('../testing/', import.meta.url);
const manifest: Record<string, Expected> = JSON.parse(readFileSync(new URL('models.json', root), 'utf8'));
const mergeable = Object.entries(manifest).filter(([, e]) => e.groups.length > 0);

/** Operators that stand between merged layers and have no rule. */
const REFUSED: Readonly<Record<string, string>> = {
  'clip-dynamo': 'GatherND',
  'clip-text': 'GatherND',
  'gpt2-qdq-int8-per-tensor': 'QuantizeLinear',
  'gpt2-qdq-uint8': 'QuantizeLinear',
  'bert-qdq-int8-static': 'QuantizeLinear',
  'gpt2-matmulnbits-4': 'MatMulNBits',
  'gpt2-matmulnbits-4-asymmetric': 'MatMulNBits',
  'gpt2-matmulnbits-8': 'MatMulNBits',
  'llama-matmulnbits-4': 'MatMulNBits',
};

let sessions: SessionFactory;
beforeAll(async () => {
  sessions = await loadNodeFactory();
});

test.each(mergeable)('%s', async (name, { files }) => {
  const blobs = (files ?? [`${name}.onnx`]).map(
    (path) => new File([readFileSync(new URL(`models/${path}`, root))], basename(path)),
  );
  const opened = await openModels(
    blobs.filter((f) => f.name.endsWith('.onnx')),
    blobs,
  );
  const output = opened.scoreOutput!.name;
  const live = await LiveModel.create(opened, sessions, new Job());
  const sets: TiedFfn[] = [];
  for (const group of opened.search.groups) {
    const each = [await live.weightsOf(group, 0), await live.weightsOf(group, 1)];
    const values = new Map(
      [...each[0]].map(([role, a]) => [role, a.data.map((v, i) => (v + each[1].get(role)!.data[i]) / 2)]),
    );
    sets.push({ group, layers: [0, 1], values });
  }
  const feeds = widened(randomInputs(opened.inputs, 7)) as unknown as Record<string, HostTensor>;
  let plain: PlainModel | undefined;
  const opening = TrainingModel.open({ ...opened, sets, output, example: feeds }, sessions, {
    provider: 'wasm',
    create: async (model) => {
      plain = model;
      return { release: () => {} } as never;
    },
  });
  if (REFUSED[name]) {
    await expect(opening).rejects.toThrow(`it computes with ${REFUSED[name]} (`);
    return;
  }
  const training = await opening;
  const { fed } = await training.originalOn(feeds);
  const session = await sessions.create(plain!.onnx);
  const given = await session.run(
    {
      ...fed,
      ...Object.fromEntries(
        [...training.start, ...plain!.probes].map((p) => {
          const data = 'start' in p ? (p.start as Float32Array) : new Float32Array(p.dims[0]);
          return [p.name, { type: 'float32', dims: p.dims, data } satisfies HostTensor];
        }),
      ),
    },
    [output],
  );
  const weights = new Map<string, PinnedTensor>();
  for (const { group, layers, values } of sets) {
    for (const [key, pin] of live.override(group, layers, values!)) weights.set(key, pin);
  }
  const wanted = await live.run(feeds, [output], { changes: { weights } });
  const read = async (values: typeof given) => ({ y: (await values[output].read()) as Float32Array });
  expect(difference(await read(wanted), await read(given))).toBeLessThan(2e-4);
  await session.release();
  await training.release();
  await live.release();
});
