/**
 * The checkpoint that is dropped beside an ONNX file gets the same merge: against the reference's merged weights and,
 * where LAYERFOLD_PYTHON names a Python with torch and transformers, loaded by the note and run beside the merged ONNX.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { unzipSync } from 'fflate';
import * as node from 'onnxruntime-node';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readNpy } from '../../e2e/support/npy.ts';
import { openSafetensors, readAsFloats } from '../checkpoint/reader.ts';
import type { Checkpoint } from '../checkpoint/types.ts';
import { createStudio, namedFile } from '../testing/studio-in-node.ts';
import type { Studio } from './studio.ts';

const fixture = 'src/testing/fixtures/shakespeare-gpt2';
const sample = 'public/samples/shakespeare-gpt2';
const python = process.env.LAYERFOLD_PYTHON || undefined;
const hasTorch =
  python !== undefined &&
  spawnSync(python, ['-c', 'import torch, transformers, safetensors'], { stdio: 'ignore' }).status === 0;

let studio: Studio;
let folder: string;
let files: Readonly<Record<string, Uint8Array<ArrayBuffer>>>;
let merged: Checkpoint;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'layerfold-'));
  studio = await createStudio();
  const beside = ['config.json', 'tokenizer.json', 'calibrate.txt', 'select.txt', 'report.txt'];
  const paths = [
    `${sample}/model.onnx`,
    `${fixture}/model.safetensors`,
    ...beside.map((f) => `${sample}/${f}`),
  ];
  const { model } = await studio.open(await Promise.all(paths.map(namedFile)));
  expect(model.formats).toContain('safetensors');
  const sets = [{ groupId: model.groups[0].id, layers: [4, 5, 6, 7] }];
  await studio.merge({ sets, method: 'permute', reference: 'first', score: 'default' });
  const { blob, fileName } = await studio.download('safetensors');
  expect(fileName).toBe('model-merged-checkpoint.zip');
  files = unzipSync(new Uint8Array(await blob.arrayBuffer())) as typeof files;
  for (const [name, bytes] of Object.entries(files)) writeFileSync(join(folder, name), bytes);
  merged = await openSafetensors([new File([files['model.safetensors']], 'model.safetensors')]);
}, 60_000);

afterAll(async () => {
  rmSync(folder, { recursive: true });
  await studio.dispose();
});

describe('shakespeare-gpt2 with its checkpoint, layers 4–7 merged', () => {
  test('the archive has what loads it', () => {
    expect(Object.keys(files).sort()).toEqual([
      'LOADING.md',
      'config.json',
      'model.safetensors',
      'tokenizer.json',
    ]);
  });

  test('stores the merged FFN once, as the reference merged it, and names what is tied to it', async () => {
    const before = readFileSync(`${fixture}/model.safetensors`).length;
    const ffn = 128 * 512 * 2 + 512 + 128;
    expect(before - files['model.safetensors'].length).toBeGreaterThan(3 * 4 * ffn - 2000);
    for (const layer of [5, 6, 7]) {
      for (const part of ['c_fc.weight', 'c_fc.bias', 'c_proj.weight', 'c_proj.bias']) {
        const name = `transformer.h.${layer}.mlp.${part}`;
        expect(merged.tied.get(name)).toBe(`transformer.h.4.mlp.${part}`);
        expect(merged.tensors.has(name)).toBe(false);
      }
    }
    // GPT-2 keeps its matrices as [in, out]; the reference is [out, in].
    for (const [part, reference, rows, cols] of [
      ['c_fc.weight', 'merged-w_in', 128, 512],
      ['c_proj.weight', 'merged-w_out', 512, 128],
      ['c_fc.bias', 'merged-b_in', 1, 512],
      ['c_proj.bias', 'merged-b_out', 1, 128],
    ] as const) {
      const values = await readAsFloats(merged.tensors.get(`transformer.h.4.mlp.${part}`)!);
      const wanted = readNpy(`${fixture}/${reference}.npy`).values;
      let worst = 0;
      for (let i = 0; i < values.length; i++) {
        const at = rows === 1 ? i : (i % cols) * rows + Math.floor(i / cols);
        worst = Math.max(worst, Math.abs(values[i] - Number(wanted[at])));
      }
      expect(values).toHaveLength(wanted.length);
      expect(worst).toBeLessThan(1e-4);
    }
  });

  test('nothing merged: the checkpoint as it was, byte for byte', async () => {
    const plan = { sets: [], method: 'permute', reference: 'first', score: 'default' } as const;
    const other = await createStudio();
    await other.open([
      await namedFile(`${sample}/model.onnx`),
      await namedFile(`${fixture}/model.safetensors`),
    ]);
    await other.merge(plan);
    const { blob } = await other.download('safetensors');
    const unpacked = unzipSync(new Uint8Array(await blob.arrayBuffer()));
    const before = readFileSync(`${fixture}/model.safetensors`);
    expect(before.equals(unpacked['model.safetensors'])).toBe(true);
  });

  test('a checkpoint of another model is told at once, and not offered', async () => {
    const sentence =
      '“model.safetensors” does not hold the weights of this model, so the merge cannot be written there. Drop the checkpoint that the ONNX file was exported from.';
    const other = await createStudio();
    const foreign = await namedFile(`${fixture}/model.safetensors`);
    const { model } = await other.open([await namedFile('src/testing/models/gpt2-dynamo.onnx'), foreign]);
    expect(model.notes).toContain(sentence);
    expect(model.formats).not.toContain('safetensors');
    await expect(other.addData([foreign])).rejects.toThrow(sentence);
    const cut = new File([foreign.slice(0, 1000)], 'model.safetensors');
    await expect(other.addData([cut])).rejects.toThrow(/“model.safetensors”/);
  });

  test.runIf(hasTorch)(
    'loaded in Python and tied by the note, it computes what the merged ONNX file computes',
    async () => {
      const { blob } = await studio.download('onnx');
      const session = await node.InferenceSession.create(new Uint8Array(await blob.arrayBuffer()));
      const ids = Array.from({ length: 64 }, (_, i) => (i * 7 + 3) % 65);
      const input = new node.Tensor('int64', BigInt64Array.from(ids, BigInt), [1, ids.length]);
      const { logits } = await session.run({ input_ids: input });
      const code = [
        ...new TextDecoder().decode(files['LOADING.md']).matchAll(/```python\n([\s\S]*?)```/g),
      ][0][1];
      const script = `${code}\nimport json, torch\nmodel, tied = load_merged(".")\nids = torch.tensor([${JSON.stringify(ids)}])\nwith torch.no_grad():\n    print(json.dumps(model.eval()(ids).logits.flatten().tolist()))`;
      const ran = spawnSync(python!, ['-c', script], { encoding: 'utf8', cwd: folder, maxBuffer: 1 << 26 });
      if (ran.status !== 0) throw new Error(ran.stderr);
      const values: number[] = JSON.parse(ran.stdout.trim().split('\n').at(-1)!);
      const own = logits.data as Float32Array;
      expect(values).toHaveLength(own.length);
      expect(Math.max(...values.map((v, i) => Math.abs(v - own[i])))).toBeLessThan(1e-4);
    },
    120_000,
  );
});
