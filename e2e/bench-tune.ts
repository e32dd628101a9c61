/**
 * `npm run bench:tune [-- --figures]`: how fast tuning is, printed and never asserted; with `--figures`, what it brings on
 * the samples (many minutes).
 *
 * Speed is that of the built page: on wasm with all threads of the machine, and on forced WebGPU for a small model, which
 * without a GPU is a software adapter; beside PyTorch's on the same machine, where LAYERFOLD_PYTHON names a Python with
 * torch and transformers. A step is told by the page, without its looks at the select split and without the first one,
 * which compiles. Memory is the peak of what the renderer holds, the open model among it.
 *
 * Figures come from the studio in Node, on one thread: its distillation sees the calibration split alone, the select
 * split keeps the best, the report split is shown.
 */
import { execFileSync } from 'node:child_process';
import { DEFAULT_RECOVERY } from '../src/pipeline/recover-types.ts';
import type { Studio as NodeStudio } from '../src/pipeline/studio.ts';
import type { MergePlan, RungId } from '../src/pipeline/types.ts';
import { openSample, type SampleName } from '../src/testing/studio-in-node.ts';
import { launchStudio } from './studio.ts';
import type { TuneOptions } from './studio-types.ts';
import { quickModel } from './support/quick-model.ts';
import { rendererBytes } from './support/renderer-memory.ts';

/** Of a text, in both models. */
const TOKENS = 128;

if (process.argv.includes('--figures')) await figures();
else await speed();

interface Speed {
  readonly seconds: number;
  readonly megabytes: number;
}

async function speed(): Promise<void> {
  const small = {
    window: [2, 4],
    config: 'src/testing/fixtures/shakespeare-llama',
    items: 1,
    steps: 8,
  } as const;
  const sample = { window: [4, 7], config: 'public/samples/shakespeare-gpt2', items: 8, steps: 8 } as const;
  for (const [title, of, files] of [
    ['llama of 8 layers, d_model 96, one text of 128 tokens a step', small, quickModel()],
    ['shakespeare-gpt2, 12 layers, d_model 128, eight texts of 128 tokens a step', sample, null],
  ] as const) {
    console.log(title);
    const tune = { steps: of.steps, batch: of.items, rate: 5e-4 };
    const wasm = await inPage('off', files, of.window, tune);
    const reference = inTorch(of);
    row('wasm, in the page', wasm, reference);
    // On a software adapter the sample would take minutes a step.
    if (files) row('WebGPU, forced', await inPage('force', files, of.window, tune), reference);
    if (reference) row('PyTorch, CPU', reference, reference);
    else console.log('  PyTorch is not installed here: name a Python with torch in LAYERFOLD_PYTHON.');
  }
}

async function inPage(
  gpu: 'off' | 'force',
  files: readonly string[] | null,
  [first, last]: readonly [number, number],
  tune: TuneOptions & { readonly batch: number },
): Promise<Speed> {
  const studio = await launchStudio({ gpu });
  let peak = 0;
  const watch = setInterval(() => {
    peak = Math.max(peak, rendererBytes());
  }, 200);
  try {
    await (files ? studio.openModel([...files]) : studio.openSample('shakespeare-gpt2'));
    await studio.pickWindow(first, last);
    await studio.merge();
    await studio.recover({ rungs: ['tune'], tune });
    return { seconds: (tune.batch * TOKENS) / (await studio.tuningSpeed()), megabytes: peak / 2 ** 20 };
  } finally {
    clearInterval(watch);
    await studio.close();
  }
}

function inTorch(of: {
  readonly window: readonly [number, number];
  readonly config: string;
  readonly items: number;
  readonly steps: number;
}): Speed | null {
  const python = process.env.LAYERFOLD_PYTHON;
  if (!python) return null;
  const words = [`${of.config}/config.json`, ...of.window, of.items, TOKENS, of.steps].map(String);
  return JSON.parse(execFileSync(python, ['e2e/support/tune_torch.py', ...words], { encoding: 'utf8' }));
}

function row(name: string, { seconds, megabytes }: Speed, reference: Speed | null): void {
  const ratio = reference ? `, ${(seconds / reference.seconds).toFixed(1)} × PyTorch` : '';
  console.log(
    `  ${name.padEnd(20)} ${(1 / seconds).toFixed(2).padStart(7)} steps a second${ratio}, peak ${megabytes.toFixed(0)} MB`,
  );
}

async function figures(): Promise<void> {
  const all: readonly RungId[] = ['R0c', 'R0b', 'R1', 'R2', 'R3', 'R4', 'R6', 'tune'];
  const gpt2 = await opened('shakespeare-gpt2');
  await gpt2.merge([4, 5, 6, 7]);
  await gpt2.recover('window 4–7, the ladder with tuning', all);
  const { candidates } = await gpt2.studio.plan({
    groupId: gpt2.groupId,
    target: { removed: 3 },
    method: 'permute',
    reference: 'first',
    score: 'default',
    recover: true,
  });
  await gpt2.studio.merge(candidates[0].recovered!.plan);
  await gpt2.recover('three FFNs removed, groups free', ['R4', 'R6', 'tune']);
  await gpt2.studio.dispose();
  const vit = await opened('digits-vit');
  vit.studio.setMetric({ metric: 'kl' });
  await vit.merge(Array.from({ length: 12 }, (_, layer) => layer));
  await vit.recover('digits-vit, window 0–11', ['tune']);
  await vit.studio.dispose();
}

async function opened(name: SampleName) {
  const { studio, opened: open } = await openSample(name);
  const groupId = open.model.groups[0].id;
  return {
    studio,
    groupId,
    merge: (layers: readonly number[]) => {
      const plan: MergePlan = {
        sets: [{ groupId, layers }],
        method: 'permute',
        reference: 'first',
        score: 'default',
      };
      return studio.merge(plan);
    },
    recover: (title: string, rungs: readonly RungId[]) => recovered(studio, title, rungs),
  };
}

async function recovered(studio: NodeStudio, title: string, rungs: readonly RungId[]): Promise<void> {
  const { original, start, end, outcomes, seconds } = await studio.recover({ ...DEFAULT_RECOVERY, rungs });
  console.log(
    `${title}: report ${start.report.toFixed(4)} → ${end.report.toFixed(4)} (original ${original.report.toFixed(4)}), ${seconds.toFixed(0)} s`,
  );
  for (const { rung, kept, report, seconds: took, sets } of outcomes) {
    console.log(
      `  ${rung}${kept ? '' : ', not kept'}: report ${report.toFixed(4)}, ${took.toFixed(0)} s; ${sets[0].notes.join(' ')}`,
    );
  }
}
