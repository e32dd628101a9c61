/** The two trained samples, both exporters' files of each, and what an independent reference computed for them. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectRoot } from '../server.ts';
import { readMatrix } from './npy.ts';

export const sampleNames = ['shakespeare-gpt2', 'digits-vit'] as const;
export type SampleName = (typeof sampleNames)[number];

export interface Reference {
  readonly layers: number;
  readonly d_model: number;
  readonly d_ff: number;
  readonly parameters: number;
  readonly metric: 'perplexity' | 'accuracy';
  readonly window: [number, number];
  readonly original: { readonly report: number };
  readonly assignment_objective: Readonly<Record<string, number>>;
  readonly merged: Readonly<Record<string, { readonly report: number }>>;
  /** Windows of 2, 3 and 4 layers, each merged by permutation and scored. */
  readonly sweep_on_select: readonly {
    readonly first: number;
    readonly last: number;
    readonly permute: number;
  }[];
}

/** Context of the text sample, as in its config.json. */
export const contextLength = 128;

const samplePath = (name: SampleName, file: string) => join(projectRoot, 'public', 'samples', name, file);
const fixturePath = (name: SampleName, file: string) =>
  join(projectRoot, 'src', 'testing', 'fixtures', name, file);

export const dynamoModel = (name: SampleName) => samplePath(name, 'model.onnx');
export const torchscriptModel = (name: SampleName) => fixturePath(name, 'model-torchscript.onnx');
export const sampleFile = samplePath;

/** All that a person would drop beside a model: configuration, tokenizer or preprocessor, and data. */
export function companionFiles(name: SampleName): string[] {
  return readdirSync(samplePath(name, ''))
    .filter((file) => !file.endsWith('.onnx'))
    .map((file) => samplePath(name, file));
}

export function reference(name: SampleName): Reference {
  return JSON.parse(readFileSync(fixturePath(name, 'reference.json'), 'utf8'));
}

export function referenceMatrix(name: SampleName, matrix: string): number[][] {
  return readMatrix(fixturePath(name, `${matrix}.npy`));
}

export function referenceArray(name: SampleName, array: string): string {
  return fixturePath(name, `${array}.npy`);
}
