/**
 * Decoders that take a key/value cache: calibrated with an empty one, merged, and giving the same greedy text from the
 * download with a cache and without.
 */
import { openAsBlob } from 'node:fs';
import * as node from 'onnxruntime-node';
import { describe, expect, test } from 'vitest';
import { createStudio } from '../testing/studio-in-node.ts';

const root = 'src/testing/models';

async function named(path: string): Promise<File> {
  return new File([await openAsBlob(path)], path.split('/').at(-1)!);
}

/** A long text over the words of the tiny tokenizers. */
function words(count: number): string {
  return Array.from({ length: count }, (_, i) => `t${3 + ((i * i + 3 * i) % 20)}`).join(' ');
}

const ints = (values: readonly number[], dims: readonly number[]) =>
  new node.Tensor('int64', BigInt64Array.from(values, BigInt), dims);

function likeliest(logits: node.Tensor): number {
  const last = (logits.data as Float32Array).slice(-logits.dims.at(-1)!);
  return last.indexOf(Math.max(...last));
}

/** Greedy tokens after a prompt; `cached` feeds one token at a time with what was kept of those before. */
async function greedy(
  session: node.InferenceSession,
  prompt: readonly number[],
  steps: number,
  cached: boolean,
) {
  const made = [...prompt];
  const empty = () =>
    Object.fromEntries(
      session.inputMetadata
        .filter(({ name }) => name.startsWith('past_key_values'))
        .map((input) => {
          const shape = input.isTensor
            ? input.shape.map((d, i) => (typeof d === 'number' ? d : i === 0 ? 1 : 0))
            : [];
          return [input.name, new node.Tensor('float32', new Float32Array(0), shape)];
        }),
    );
  let past: Record<string, node.Tensor> = empty();
  let from = 0;
  for (let k = 0; k < steps; k++) {
    if (!cached) {
      past = empty();
      from = 0;
    }
    const fed = made.slice(from);
    const feeds: Record<string, node.Tensor> = {
      ...past,
      input_ids: ints(fed, [1, fed.length]),
      attention_mask: ints(
        made.map(() => 1),
        [1, made.length],
      ),
      position_ids: ints(
        fed.map((_, i) => from + i),
        [1, fed.length],
      ),
      use_cache_branch: new node.Tensor('bool', Uint8Array.of(from > 0 ? 1 : 0) as never, [1]),
    };
    const outputs = await session.run(
      Object.fromEntries(session.inputNames.map((name) => [name, feeds[name]])),
    );
    past = Object.fromEntries(
      Object.entries(outputs)
        .filter(([name]) => name.startsWith('present'))
        .map(([name, value]) => [name.replace('present', 'past_key_values'), value]),
    );
    from = made.length;
    made.push(likeliest(outputs.logits));
  }
  return made;
}

describe.each([
  ['gpt2-cache', 'model.onnx', true],
  ['gpt2-merged', 'decoder_model_merged.onnx', false],
] as const)('%s', (name, file, feedsCaches) => {
  test('is calibrated with empty caches, and its merged download writes the same with a cache and without', async () => {
    const studio = await createStudio();
    const beside = ['tokenizer.json', 'config.json', 'generation_config.json'];
    const dropped = await Promise.all([file, ...beside].map((f) => named(`${root}/${name}/${f}`)));
    const opened = await studio.open([...dropped, new File([words(800)], 'words.txt')]);
    expect(opened.needs).toEqual([]);
    expect(opened.model.task).toBe('causal-lm');
    expect(opened.model.inputs.some((i) => i.name.startsWith('past_key_values'))).toBe(feedsCaches);

    const sets = [{ groupId: opened.model.groups[0].id, layers: [0, 1] }];
    await studio.merge({ sets, method: 'permute', reference: 'first', score: 'default' });
    const score = await studio.evaluate('report');
    expect(score.metric).toBe('perplexity');
    expect(score.original).toBeGreaterThan(1);
    expect(score.merged).not.toBe(score.original);

    const prompt = [3, 9, 4, 17];
    const before = await node.InferenceSession.create(`${root}/${name}/${file}`, { logSeverityLevel: 3 });
    const plain = await greedy(before, prompt, 8, false);
    expect(await greedy(before, prompt, 8, true)).toEqual(plain);

    const { blob, fileName } = await studio.download('onnx');
    expect(fileName).toBe(`${file.replace('.onnx', '')}-merged.onnx`);
    expect(blob.size).toBeLessThan(dropped[0].size - 4 * 2 * 16 * 64);
    const bytes = new Uint8Array(await blob.arrayBuffer());
    const after = await node.InferenceSession.create(bytes, { logSeverityLevel: 3 });
    const merged = await greedy(after, prompt, 8, false);
    expect(await greedy(after, prompt, 8, true)).toEqual(merged);
    // The page writes what the file writes.
    const text = (ids: readonly number[]) => ids.map((id) => `t${id}`).join(' ');
    const request = { prompt: text(prompt), tokens: 8, temperature: 0, seed: 1 };
    const examples = await studio.examples(request);
    if (examples.kind !== 'text') throw new Error(`The page gives ${examples.kind}.`);
    const numbers = (s: string) => [...s.matchAll(/t(\d+)/g)].map((m) => Number(m[1]));
    expect(numbers(examples.original).slice(-8)).toEqual(plain.slice(4));
    expect(numbers(examples.merged).slice(-8)).toEqual(merged.slice(4));
    await studio.dispose();
  });
});
