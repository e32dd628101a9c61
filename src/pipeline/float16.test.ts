/**
 * Downloads in float16 of every f32 model of the manifest that can be merged, in onnxruntime-node: what they give is
 * near to what the originals give, with inputs and outputs still in float32.
 */
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { describe, expect, test } from 'vitest';
import { openOnnx } from '../onnx/reader.ts';
import type { OnnxModel } from '../onnx/types.ts';
import { DataType, rawByteLength } from '../tensor/dtype.ts';
import { elementCount } from '../tensor/shape.ts';
import { difference, randomInputs, runFiles } from '../testing/model-runs.ts';
import { toFloat16 } from './float16.ts';
import { type OpenedModel, openModels } from './opened.ts';
import { savedFiles } from './saved.ts';

interface Entry {
  readonly files?: readonly string[];
  readonly dtype?: string;
  readonly groups: readonly unknown[];
}

const root = new URL('../testing/', import.meta.url);
const manifest: Record<string, Entry> = JSON.parse(readFileSync(new URL('models.json', root), 'utf8'));
const names = Object.keys(manifest).filter((n) => manifest[n].groups.length > 0 && !manifest[n].dtype);

/** Twice the largest difference that is reached, relative to the largest value of an output. */
const TOLERANCE = 1e-2;

const filesOf = (name: string) =>
  (manifest[name].files ?? [`${name}.onnx`]).map(
    (path) => new File([readFileSync(new URL(`models/${path}`, root))], basename(path)),
  );
const open = (files: readonly File[]) =>
  openModels(
    files.filter((f) => f.name.endsWith('.onnx')),
    files,
  );

async function narrowed(opened: OpenedModel) {
  const { files, blocked } = await toFloat16(savedFiles(opened));
  return {
    files: files.map((f) => new File([f.toBlob()], f.name)),
    sizes: files.map((f) => f.size),
    blocked,
  };
}

const onDisk = (files: readonly File[]) => files.map((f) => ({ name: f.name, blob: f as Blob }));
const bytes = (files: readonly Blob[]) => files.reduce((n, f) => n + f.size, 0);

/** Bytes of the large f32 tensors in the main graph. */
function floatBytes({ graph }: OnnxModel): number {
  const constants = graph.nodes.flatMap((n) => n.attributes.get('value')?.t ?? []);
  return [...graph.initializers, ...constants]
    .filter((t) => t.dataType === DataType.float)
    .map((t) => rawByteLength(t.dataType, elementCount(t.dims)))
    .filter((n) => n >= 1024)
    .reduce((sum, n) => sum + n, 0);
}

const typesOf = ({ graph }: OnnxModel) =>
  [...graph.inputs, ...graph.outputs].map((v) => [v.name, v.elemType, v.dims]);

describe('in float16', () => {
  test.each(names)('%s gives nearly the same, from half of the weights', async (name) => {
    const files = filesOf(name);
    const opened = await open(files);
    const half = await narrowed(opened);
    const again = await open(half.files);
    const feeds = randomInputs(opened.inputs, 1);
    const mains = ({ mainFiles }: OpenedModel) => mainFiles.map((f) => f.fileName);
    const before = await runFiles(onDisk(files), mains(opened), feeds);
    const after = await runFiles(onDisk(half.files), mains(again), feeds);
    expect(Object.keys(after)).toEqual(Object.keys(before));
    const worst = difference(before, after);
    expect(worst).toBeLessThan(TOLERANCE);
    expect(worst).toBeGreaterThan(0);

    expect(half.sizes).toEqual(half.files.map((f) => f.size));
    let saved = 0;
    for (const [k, file] of opened.files.entries()) {
      const other = again.files[k];
      expect(typesOf(other.model)).toEqual(typesOf(file.model));
      expect(floatBytes(other.model)).toBe(0);
      saved += floatBytes(file.model) / 2;
    }
    // What is added in their place: Cast nodes, and names.
    const nodes = ({ files }: OpenedModel) => files.reduce((n, f) => n + f.model.graph.nodes.length, 0);
    const added = nodes(again) - nodes(opened);
    expect(bytes(files) - bytes(half.files)).toBeGreaterThan(saved - 256 * added - 512);
    const shapes = ({ search }: OpenedModel) =>
      search.groups.map(({ ffns, dModel, dFf, gated }) => [ffns.length, dModel, dFf, gated]);
    expect(shapes(again)).toEqual(shapes(opened));
    expect(again.summary.notes.join()).toContain('Weights are kept in float16.');
    expect(again.summary.formats).not.toContain('onnx-float16');
  });

  test('external data stays outside, beside the original’s', async () => {
    const opened = await open(filesOf('gpt2-external'));
    const { files } = await narrowed(opened);
    expect(files.map((f) => f.name)).toEqual(['model_fp16.onnx', 'model_fp16.onnx_data']);
    const before = opened.files[0].externals.get('model.onnx_data')!;
    expect(files[1].size / before.size).toBeGreaterThan(0.49);
    expect(files[1].size / before.size).toBeLessThan(0.55);
  });

  test('a pair keeps its names, and says of which file it speaks', async () => {
    const { files, blocked } = await narrowed(await open(filesOf('t5-merged')));
    expect(files.map((f) => f.name)).toEqual(['encoder_model.onnx', 'decoder_model_merged.onnx']);
    expect(blocked).toContain(
      '“decoder_model_merged.onnx”: If stays in float32: its branches stay as they are, with what they read.',
    );
  });

  test.each(['shakespeare-gpt2', 'digits-vit'])('the sample %s is half as large', async (name) => {
    const url = new URL(`../../public/samples/${name}/model.onnx`, import.meta.url);
    const file = new File([readFileSync(url)], 'model.onnx');
    const opened = await open([file]);
    const { files } = await narrowed(opened);
    expect(files[0].size / file.size).toBeGreaterThan(0.5);
    expect(files[0].size / file.size).toBeLessThan(0.54);
    const feeds = randomInputs(opened.inputs, 3);
    const before = await runFiles([{ name: 'model.onnx', blob: file }], ['model.onnx'], feeds);
    const after = await runFiles(onDisk(files), ['model_fp16.onnx'], feeds);
    expect(difference(before, after)).toBeLessThan(TOLERANCE);
    // Tensors that nodes share are shared still.
    const count = async (f: Blob) => (await openOnnx(f)).graph.initializers.length;
    expect(await count(files[0])).toBeLessThanOrEqual((await count(file)) + 4);
  });
});
