/**
 * Checks a provider against wasm on one batch of the open model.
 *
 * Why: WebGPU can be silently wrong for some operators (field reports), and a wrong number is worse than a slow one.
 *
 * Known limits: both sessions exist at once for a moment; the whole model is compared, not block by block.
 */
import type { HostTensor, SessionFactory } from '../runtime/session.ts';
import { LiveModel } from './live-model.ts';
import type { OpenedModel } from './opened.ts';
import type { Job } from './progress.ts';
import type { EngineSummary } from './types.ts';

/** Largest difference that is taken for rounding, relative to the largest magnitude of the output. */
const TOLERANCE = 2e-2;

export interface SelfTest {
  readonly passed: boolean;
  /** Largest absolute difference over the largest magnitude. */
  readonly difference: number;
}

export type Feeds = Readonly<Record<string, HostTensor>>;

/**
 * Opens the model on a provider and, where there is something to check it against and data to do so, falls back to
 * wasm when the two disagree.
 */
export async function openChecked(
  opened: OpenedModel,
  sessions: SessionFactory,
  engine: EngineSummary,
  sample: Feeds | undefined,
  checkAgainst: (() => Promise<SessionFactory>) | undefined,
  job: Job,
): Promise<{ live: LiveModel; sessions: SessionFactory; engine: EngineSummary }> {
  const live = await LiveModel.create(opened, sessions, job);
  const output = opened.scoreOutput?.name;
  if (!checkAgainst || !sample || !output || sessions.provider === 'wasm') return { live, sessions, engine };
  let wasm: SessionFactory;
  let result: SelfTest;
  try {
    wasm = await checkAgainst();
    result = await selfTest(opened, live, wasm, sample, output, job);
  } catch (error) {
    await live.release();
    throw error;
  }
  const { passed, difference } = result;
  if (passed) return { live, sessions, engine };
  await live.release();
  const percent = Number.isFinite(difference)
    ? `off by ${(100 * difference).toPrecision(2)} %`
    : 'not a number';
  const reason = `The model runs on the CPU: on your GPU (${engine.adapter}) its output was ${percent} on one batch. The kernels still run on the GPU.`;
  return {
    live: await LiveModel.create(opened, wasm, job),
    sessions: wasm,
    engine: { ...engine, inference: 'wasm', reason },
  };
}

export async function selfTest(
  opened: OpenedModel,
  live: LiveModel,
  wasm: SessionFactory,
  feeds: Feeds,
  output: string,
  job: Job,
): Promise<SelfTest> {
  job.announce('Checking the GPU against the CPU on one batch');
  const reference = await LiveModel.create(opened, wasm, job);
  try {
    await live.prepare([output], job);
    await reference.prepare([output], job);
    const [ours, theirs] = [await valuesOf(live, feeds, output), await valuesOf(reference, feeds, output)];
    let largest = 0;
    let worst = 0;
    for (let i = 0; i < theirs.length; i++) {
      largest = Math.max(largest, Math.abs(theirs[i]));
      const d = Math.abs(theirs[i] - ours[i]);
      // A NaN on one side only is a failure.
      worst = Number.isNaN(d) ? Number.POSITIVE_INFINITY : Math.max(worst, d);
    }
    const difference = largest > 0 ? worst / largest : worst;
    return { passed: ours.length === theirs.length && difference <= TOLERANCE, difference };
  } finally {
    await reference.release();
  }
}

async function valuesOf(
  live: LiveModel,
  feeds: Readonly<Record<string, HostTensor>>,
  output: string,
): Promise<Float32Array> {
  const outputs = await live.run(feeds, [output]);
  const values = ((await outputs[output].read()) as Float32Array).slice();
  outputs[output].release();
  return values;
}
