/** The four ways to the same two models: each sample, from either exporter's file. */
import type { Studio } from '../studio.ts';
import {
  companionFiles,
  dynamoModel,
  reference,
  type SampleName,
  sampleNames,
  torchscriptModel,
} from './fixtures.ts';

export interface Case {
  readonly name: SampleName;
  readonly exporter: 'dynamo' | 'torchscript';
  readonly modelPath: string;
  /** Elements of the floating-point tensors of the file. */
  readonly parameters: number;
  open(studio: Studio): Promise<void>;
}

function dynamo(name: SampleName): Case {
  return {
    name,
    exporter: 'dynamo',
    modelPath: dynamoModel(name),
    parameters: reference(name).parameters,
    open: (studio) => studio.openSample(name),
  };
}

function torchscript(name: SampleName): Case {
  const modelPath = torchscriptModel(name);
  // The older exporter stores the tied embedding of 65 × 128 twice.
  const storedTwice = name === 'shakespeare-gpt2' ? 65 * 128 : 0;
  return {
    name,
    exporter: 'torchscript',
    modelPath,
    parameters: reference(name).parameters + storedTwice,
    open: (studio) => studio.openModel([modelPath, ...companionFiles(name)]),
  };
}

export const cases: readonly Case[] = sampleNames.flatMap((name) => [dynamo(name), torchscript(name)]);
