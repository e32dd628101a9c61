/**
 * The studio in Node, on the CPU backend and onnxruntime-web's wasm provider, with the fixtures opened.
 */
import { openAsBlob } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { solveAssignment } from '../align/assignment.ts';
import type { NamedBlob } from '../data/files.ts';
import { createCpuBackend } from '../kernels/cpu/index.ts';
import { Studio } from '../pipeline/studio.ts';
import type { TuneTools } from '../pipeline/tune-run.ts';
import type { EngineSummary, OpenResult } from '../pipeline/types.ts';
import { loadNodeJaxFactory } from '../runtime/jax/node.ts';
import { createRuntimeGemm } from '../runtime/ort/gemm.ts';
import { loadNodeFactory } from '../runtime/ort/node.ts';

export type SampleName = 'shakespeare-gpt2' | 'digits-vit';

const engine: EngineSummary = { backend: 'cpu', inference: 'wasm', threads: 1, reason: 'Node' };

const FILES: Record<SampleName, readonly string[]> = {
  'shakespeare-gpt2': ['config.json', 'tokenizer.json', 'calibrate.txt', 'select.txt', 'report.txt'],
  'digits-vit': [
    'config.json',
    'preprocessor_config.json',
    ...['calibrate', 'select', 'report'].flatMap((s) => [`${s}-images.npy`, `${s}-labels.npy`]),
  ],
};

export async function namedFile(path: string): Promise<NamedBlob> {
  return Object.assign(await openAsBlob(path), { name: basename(path) }) as NamedBlob;
}

/** @param tuning other than jax-js on wasm, with paused tunings kept in the studio only */
export async function createStudio(tuning: Partial<TuneTools> = {}): Promise<Studio> {
  const sessions = await loadNodeFactory();
  return new Studio({
    engine,
    backend: createCpuBackend({ gemm: createRuntimeGemm(sessions) }),
    sessions,
    solve: async (score, size) => solveAssignment(score, size),
    tuning: { differentiables: loadNodeJaxFactory, ...tuning },
  });
}

/** Opens a sample with its data; `exporter` chooses between the two exporters' files. */
export async function openSample(
  name: SampleName,
  exporter: 'model.onnx' | 'model-torchscript.onnx' = 'model.onnx',
): Promise<{ studio: Studio; opened: OpenResult }> {
  const studio = await createStudio();
  const sample = `public/samples/${name}`;
  const model =
    exporter === 'model.onnx' ? `${sample}/model.onnx` : `src/testing/fixtures/${name}/${exporter}`;
  const files = await Promise.all([model, ...FILES[name].map((f) => `${sample}/${f}`)].map(namedFile));
  return { studio, opened: await studio.open(files) };
}

// biome-ignore lint/suspicious/noExplicitAny: reference.json has no schema of its own
export async function readReference(name: SampleName): Promise<any> {
  return JSON.parse(await readFile(`src/testing/fixtures/${name}/reference.json`, 'utf8'));
}
