/**
 * Tuning as a rung of the ladder: asked for, followed, scored on the select split, kept where it helps, and put aside
 * where it was cancelled so that it can go on.
 *
 * Selecting is by the damage of the metric that was chosen, as with every rung; the training loss is the distance from
 * the original's outputs on the calibration split.
 *
 * Known limits: where one set has no formula (recover/weights.ts), nothing is tuned, since its weights could not be read
 * back; the sentence says which.
 */
import { damage, type Scored } from '../evaluate/metric.ts';
import { formatSet } from '../merge/sets.ts';
import type { TuneState } from '../recover/tune/tune.ts';
import { RuntimeFailure } from '../runtime/session.ts';
import { identify } from './identity.ts';
import { Job } from './progress.ts';
import type { RecoverTools } from './recover.ts';
import { type RecoveredSet, recoveredVariant } from './recover-set.ts';
import { planKey, variantKey } from './sweep.ts';
import { beforeTuning, pausedOf } from './tune-checkpoint.ts';
import { type OpenSet, runTuning, tuneOptions } from './tune-run.ts';
import type {
  LayerSet,
  MergePlan,
  PausedTuning,
  RecoverRequest,
  RecoveryStep,
  SetOutcome,
  TunePoint,
} from './types.ts';
import { releaseVariant, type Variant } from './variant.ts';

/** Milliseconds between two checkpoints that are put away while it runs. */
const PUT_AWAY_EVERY = 10_000;

/** Where the ladder is when tuning begins. */
export interface TuneStart {
  readonly merged: Variant;
  readonly sets: readonly RecoveredSet[];
  readonly variant: Variant;
  /** Scores on the select split. */
  readonly original: Scored;
  readonly select: Scored;
  readonly request: RecoverRequest;
}

/** What the ladder goes on from. */
export interface Better {
  readonly variant: Variant;
  readonly sets: readonly RecoveredSet[];
  readonly steps: readonly RecoveryStep[];
  readonly scored: Scored;
}

export interface TuneOutcome {
  readonly better?: Better;
  readonly outcomes: readonly SetOutcome[];
  readonly paused?: PausedTuning;
}

/**
 * Tunes the sets together. What cannot be tuned is told in the outcomes.
 * @throws RuntimeFailure where the runtime has to be started anew
 */
export async function climbTuning(
  tools: RecoverTools,
  start: TuneStart,
  ladder: { isOver(): boolean; share(): number },
): Promise<TuneOutcome> {
  const { merged, sets } = start;
  const named = merged.tied.map(({ group, layers }): LayerSet => ({ groupId: group.id, layers }));
  const refused = (why: string): TuneOutcome => ({
    outcomes: named.map((set, k) => ({ set, kept: false, notes: k === 0 ? [why] : [] })),
  });
  const unread = merged.tied.filter((_, k) => sets[k] === null);
  if (unread.length > 0) {
    const layers = unread.map((s) => formatSet(s.layers)).join('; ');
    return refused(`Layers ${layers} cannot be recovered, so the model cannot be tuned with them.`);
  }
  try {
    return await tuned(tools, start, named, ladder);
  } catch (error) {
    // Short memory or an operator that cannot be differentiated ends the tuning, not what other rungs have gained.
    const isSaid = error instanceof RuntimeFailure && error.code !== 'stopped';
    if (!isSaid && !(error instanceof RangeError)) throw error;
    return refused(error.message);
  }
}

async function tuned(
  tools: RecoverTools,
  start: TuneStart,
  named: readonly LayerSet[],
  ladder: { isOver(): boolean; share(): number },
): Promise<TuneOutcome> {
  const { context, scorer, choice, tunings } = tools;
  const { job } = context;
  const { merged, variant, request, original } = start;
  job.tell('Making the model ready to be tuned', ladder.share());
  const of = await tuningKey(context, variant.plan);
  const resumed = request.tune.resume ? await tunings.find(of) : null;
  if (request.tune.resume && !resumed) {
    throw new RangeError(
      'There is no paused tuning of this merge on this data and in this browser. Start it anew.',
    );
  }
  const before = resumed?.before ?? variant.plan.recovery ?? [];
  const options = resumed?.options ?? tuneOptions(request, choice);
  const stepsAt = (until: number): RecoveryStep[] => [
    ...before,
    { rung: 'tune', set: 0, refreshed: false, options: { ...options, until } },
  ];
  let last = start.select;
  /** To the end, also where it is cancelled meanwhile: what was trained is worth its score. */
  const scoredAt = async (now: readonly OpenSet[], until: number) => {
    const trial = await recoveredVariant(context, merged, now, stepsAt(until));
    try {
      const key = variantKey(trial);
      return { trial, scored: await scorer.variant('select', choice, key, trial.changes, new Job()) };
    } catch (error) {
      releaseVariant(trial);
      throw error;
    }
  };
  const follow = follower(tools, ladder);
  const run = await runTuning(context, variant, start.sets as readonly OpenSet[], options, {
    isOver: () => ladder.isOver(),
    ...(resumed && { resume: resumed.state }),
    select: async (now, step) => {
      // Nothing has changed yet.
      if (step === 0) return damage(original, last);
      const { trial, scored } = await scoredAt(now, step);
      releaseVariant(trial);
      last = scored;
      return damage(original, scored);
    },
    onStep: async (point, state, items) => {
      const looked = point.selection === undefined ? {} : { select: last.value };
      const { step, steps, loss } = point;
      await follow({ step, steps, loss, ...looked }, items);
      if (looked.select !== undefined) await tunings.put({ of, before, options, state }, PUT_AWAY_EVERY);
      await job.breathe();
    },
  });
  const { result, notes } = run;
  let paused: PausedTuning | undefined;
  if (result.stopped === 'paused') {
    const checkpoint = { of, before, options, state: result.state };
    await tunings.put(checkpoint);
    paused = pausedOf(checkpoint);
  } else await tunings.drop();
  const outcome = (kept: boolean, score: number, more: readonly string[]) =>
    named.map((set, k): SetOutcome => ({ set, kept, score, notes: k === 0 ? [...notes, ...more] : [] }));
  const rest = { ...(paused && { paused }) };
  if (result.bestStep === 0) {
    return { outcomes: outcome(false, last.value, [notKept(result.state)]), ...rest };
  }
  const { trial, scored } = await scoredAt(run.sets, result.bestStep);
  if (!(damage(original, scored) < damage(original, start.select))) {
    releaseVariant(trial);
    return { outcomes: outcome(false, scored.value, [notKept(result.state)]), ...rest };
  }
  const better = { variant: trial, sets: run.sets, steps: stepsAt(result.bestStep), scored };
  return { better, outcomes: outcome(true, scored.value, [endOf(result.stopped, result.state)]), ...rest };
}

function notKept({ step }: TuneState): string {
  return `The select split did not improve in ${step} steps, so it was not kept.`;
}

function endOf(stopped: 'steps' | 'patience' | 'paused', { step, best, options }: TuneState): string {
  const end = {
    steps: `All ${step} steps were taken`,
    patience: `It stopped helping after step ${best.step}, and ended at step ${step} of ${options.steps}`,
    paused: `It paused at step ${step} of ${options.steps}`,
  }[stopped];
  return `${end}; the weights of step ${best.step} are kept.`;
}

/** Tells the page of each step: how fast it goes and how long it will take, looks at the select split counted apart. */
function follower({ context }: RecoverTools, { share }: { share(): number }) {
  const { job } = context;
  let [begun, steps] = [performance.now(), 0];
  let training = 0;
  return async (point: TunePoint, items: number) => {
    const now = performance.now();
    // The first step compiles what the others only run, and a step with a look is not a step's time alone.
    const elapsed = (now - begun) / 1000;
    begun = now;
    if (steps++ > 0 && point.select === undefined)
      training = training === 0 ? elapsed : 0.8 * training + 0.2 * elapsed;
    const timed = training > 0 && {
      perSecond: (items * tokensOf(context)) / training,
      secondsLeft: training * (point.steps - point.step),
    };
    const label = `Tuning, step ${point.step} of ${point.steps}`;
    job.tell(label, share(), { tune: { ...point, ...timed } });
  };
}

/** What an item is counted as: its tokens, for text. */
function tokensOf({ dataset }: RecoverTools['context']): number {
  return dataset?.contextLength ?? 1;
}

/** What a tuning that begins at a plan's steps is of. */
export async function tuningKey(
  { opened, dataset, job }: Pick<RecoverTools['context'], 'opened' | 'dataset' | 'job'>,
  plan: MergePlan,
): Promise<string> {
  const files = await identify(opened, job.quiet());
  const before = { ...plan, recovery: beforeTuning(plan) };
  return JSON.stringify([planKey(before), dataset?.key ?? null, files.map((f) => f.sha256)]);
}
