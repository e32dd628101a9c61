/** Every metric that the page shows for a variant, computed again in onnxruntime-node from the downloaded file. */
import { join } from 'node:path';
import { expect } from '@playwright/test';
import type { Studio } from './studio.ts';
import { relativeDifference } from './support/compare.ts';
import { contextLength, dynamoModel, reference, type SampleName, sampleNames } from './support/fixtures.ts';
import { divergence, stridedPerplexity, tokenAccuracy } from './support/oracle.ts';
import { scratchFolder } from './support/scratch.ts';
import { test, tidy } from './support/shared-studio.ts';

const chunks = 64;

interface Case {
  readonly name: SampleName;
  readonly metric: string;
  readonly stride?: number;
  readonly samples: number;
  /** Of a file; beside the original where the metric compares with that. */
  score(path: string): Promise<number>;
}

function kl(name: SampleName, samples: number): Case {
  const score = async (path: string) => (await divergence(dynamoModel(name), path, name)).kl;
  return { name, metric: 'KL from the original', samples, score };
}

const text = 'shakespeare-gpt2';
const cases: readonly Case[] = [
  {
    name: text,
    metric: 'Perplexity, strided',
    stride: 64,
    samples: chunks * contextLength - 1,
    score: (path) => stridedPerplexity(path, text, 64),
  },
  {
    name: text,
    metric: 'Token accuracy',
    samples: chunks * (contextLength - 1),
    score: (path) => tokenAccuracy(path, text),
  },
  kl(text, chunks * contextLength),
  {
    name: text,
    metric: 'Top-1 agreement with the original',
    samples: chunks * contextLength,
    score: async (path) => (await divergence(dynamoModel(text), path, text)).agreement,
  },
  kl('digits-vit', 1000),
];

for (const name of sampleNames) {
  test.describe(`the metrics of ${name}`, () => {
    const merged = join(scratchFolder(), `${name}.onnx`);
    let studio: Studio;

    test.beforeAll(async ({ studioOf }) => {
      const [first, last] = reference(name).window;
      studio = await studioOf(name);
      await tidy(studio, name);
      await studio.pickWindow(first, last);
      await studio.merge();
      await studio.download(merged);
    });

    for (const { metric, stride, samples, score } of cases.filter((metric) => metric.name === name)) {
      test(metric, async () => {
        await studio.chooseMetric(metric, stride === undefined ? {} : { stride });
        const shown = await studio.evaluate();
        expect(shown.metric).toContain(metric.toLowerCase());
        expect(shown.samples).toBe(samples);
        const original = await score(dynamoModel(name));
        if (original === 0) expect(Math.abs(shown.original)).toBeLessThan(1e-6);
        else expect(relativeDifference(shown.original, original), 'original').toBeLessThan(0.005);
        expect(relativeDifference(shown.merged, await score(merged)), 'merged').toBeLessThan(0.005);
        expect(studio.consoleErrors).toEqual([]);
      });
    }
  });
}
