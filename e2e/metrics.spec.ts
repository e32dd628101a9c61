/** Every metric that the page shows for a variant, computed again in onnxruntime-node from the downloaded file. */
import { join } from 'node:path';
import { expect, test } from '@playwright/test';
import { launchStudio, type Studio } from './studio.ts';
import { relativeDifference } from './support/compare.ts';
import { contextLength, dynamoModel, reference, type SampleName } from './support/fixtures.ts';
import { divergence, scoreFile, stridedPerplexity, tokenAccuracy } from './support/oracle.ts';
import { scratchFolder } from './support/scratch.ts';

const stride = 64;
const chunks = 64;

interface Case {
  readonly name: SampleName;
  readonly metric: string;
  readonly stride?: number;
  readonly samples: number;
  /** Of a file; of the original beside itself where a metric compares with it. */
  score(path: string): Promise<number>;
}

function casesOf(name: SampleName, shared: readonly Omit<Case, 'name'>[], outputs: number): Case[] {
  const original = dynamoModel(name);
  const compared = [
    {
      metric: 'KL from the original',
      samples: outputs,
      score: async (path: string) => (await divergence(original, path, name)).kl,
    },
    {
      metric: 'Top-1 agreement with the original',
      samples: outputs,
      score: async (path: string) => (await divergence(original, path, name)).agreement,
    },
  ];
  return [...shared, ...compared].map((part) => ({ ...part, name }));
}

const text = 'shakespeare-gpt2';
const images = 'digits-vit';

const cases = new Map<SampleName, Case[]>([
  [
    text,
    casesOf(
      text,
      [
        {
          metric: 'Perplexity, strided',
          stride,
          samples: chunks * contextLength - 1,
          score: (path) => stridedPerplexity(path, text, stride),
        },
        {
          metric: 'Token accuracy',
          samples: chunks * (contextLength - 1),
          score: (path) => tokenAccuracy(path, text),
        },
      ],
      chunks * contextLength,
    ),
  ],
  [
    images,
    casesOf(images, [{ metric: 'Accuracy', samples: 1000, score: (path) => scoreFile(path, images) }], 1000),
  ],
]);

for (const [name, metrics] of cases) {
  test.describe(`the metrics of ${name}`, () => {
    const merged = join(scratchFolder(), `${name}.onnx`);
    let studio: Studio;

    test.beforeAll(async () => {
      const [first, last] = reference(name).window;
      studio = await launchStudio({ gpu: 'off' });
      await studio.openSample(name);
      await studio.pickWindow(first, last);
      await studio.merge();
      await studio.download(merged);
    });
    test.afterAll(() => studio?.close());

    for (const { metric, stride: moved, samples, score } of metrics) {
      test(metric, async () => {
        await studio.chooseMetric(metric, moved === undefined ? {} : { stride: moved });
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
