/**
 * End-to-end tuning of all tied sets of a variant together (method.md, Steps 6: the paper's own recovery).
 *
 * What is tuned are the weights that the files tie and what each layer has of its own; what comes out is in the form of
 * the other rungs, so that they can go on from there. A run can be done again without its looks at the select split, to
 * the step that was the best (`until`).
 *
 * Known limits: the model runs in a second session beside the open one, for what the plain graph reads. Several outputs
 * that are scored together are refused. Norms are not tuned.
 */
import { tunedFfn } from '../recover/tune/read-back.ts';
import { DEFAULT_TUNING, type TunePoint, type TuneResult, type TuneState } from '../recover/tune/tune.ts';
import { type TuneSetsInput, tuneSets } from '../recover/tune/tune-sets.ts';
import type { DifferentiableFactory } from '../runtime/differentiable.ts';
import type { SessionFactory } from '../runtime/session.ts';
import type { StageContext } from './context.ts';
import type { RecoverableSet, SetState } from './recover-set.ts';
import type { TunePlace } from './tune-checkpoint.ts';
import { itemsOf, tuningChunks } from './tune-chunks.ts';
import type { MetricChoice, RecoverRequest, RecoveryStep } from './types.ts';
import type { Variant } from './variant.ts';

/** Looks at the select split of a short run, at least. */
const LOOKS = 6;

/** What tuning runs on. */
export interface TuneTools {
  /** Loads the library that differentiates. @throws RuntimeFailure */
  differentiables(): Promise<DifferentiableFactory>;
  readonly place?: TunePlace;
}

/** The same, and what opens models where the live one runs. */
export interface TuneRuntime extends TuneTools {
  readonly sessions: SessionFactory;
}

/** A set and where it is. */
export type OpenSet = { readonly set: RecoverableSet; readonly state: SetState };

export interface TuneRunControl {
  /** Damage on the select split of the sets, as they were after a step: lower is better. */
  select(sets: readonly OpenSet[], step: number): Promise<number>;
  readonly isOver: () => boolean;
  /** @param items of calibration data that the step saw */
  onStep?(point: TunePoint, state: TuneState, items: number): void | Promise<void>;
  readonly resume?: TuneState;
}

export interface TuneRun {
  readonly sets: readonly OpenSet[];
  /** With the step that was the best, so that it can be done again. */
  readonly options: RecoveryStep['options'];
  readonly result: TuneResult;
  readonly notes: readonly string[];
}

/** The options of a step, as a request has them. */
export function tuneOptions(
  { tune, seed }: RecoverRequest,
  { metric }: MetricChoice,
): RecoveryStep['options'] {
  const { resume: _, ...asked } = tune;
  const { warmUp, clip, lookEvery, patience } = DEFAULT_TUNING;
  const looks = Math.min(lookEvery, Math.ceil(tune.steps / LOOKS));
  const output = metric === 'cosine' ? 'features' : 'distribution';
  return { ...asked, seed, warmUp, clip, lookEvery: looks, patience, output };
}

/**
 * @param variant the sets as they are, with the weights that its files tie
 * @throws RangeError in a sentence where the model cannot be tuned or options do not fit; RuntimeFailure
 */
export async function runTuning(
  { opened, dataset, tuning }: StageContext,
  variant: Pick<Variant, 'tied'>,
  sets: readonly OpenSet[],
  options: RecoveryStep['options'],
  control: TuneRunControl,
): Promise<TuneRun> {
  if (!tuning) throw new RangeError('Tuning cannot run here: there is nothing that differentiates a model.');
  if (!dataset) throw new RangeError('Tuning needs calibration data. Drop it under “Calibrate”.');
  if ((dataset.outputs?.length ?? 1) > 1 || !opened.scoreOutput) {
    throw new RangeError('Tuning needs a model with one output that is scored; this one has several.');
  }
  const { batch, of, distil, output, until, ...loop } = options;
  const items = itemsOf(dataset, Number(batch));
  const back = (tied: Variant['tied']): OpenSet[] =>
    sets.map(({ set, state }, k) => ({
      set,
      state: { ...state, ffn: tunedFfn(tied[k], state.ffn, set.templates, set.gateHalf) },
    }));
  const { select, isOver, onStep, resume } = control;
  let done = resume?.step ?? 0;
  const input: TuneSetsInput = {
    source: { ...opened, sets: variant.tied, output: opened.scoreOutput.name },
    chunks: tuningChunks(dataset, items),
    ownBiases: of === 'biases',
    targets: { distil: Number(distil), output: output === 'features' ? 'features' : 'distribution' },
    options: loop as TuneSetsInput['options'],
    control: {
      select: (tied, step) => select(back(tied), step),
      isOver: () => isOver() || done === until,
      onStep: async (point, state) => {
        done = point.step;
        await onStep?.(point, state, items * state.options.accumulate);
      },
      ...(resume && { resume }),
    },
  };
  const {
    sets: tuned,
    result,
    leftOut,
  } = await tuneSets(
    until === undefined ? input : withoutLooks(input, Number(until)),
    tuning.sessions,
    await tuning.differentiables(),
  );
  const notes: string[] = [];
  if (leftOut > 0) {
    const batches = leftOut === 1 ? '1 batch' : `${leftOut} batches`;
    notes.push(`Left out: ${batches} of another shape than the most frequent one.`);
  }
  return { sets: back(tuned), options: { ...options, until: result.bestStep }, result, notes };
}

/** The same steps up to one of them, which is taken without asking whether it helps. */
function withoutLooks(input: TuneSetsInput, until: number): TuneSetsInput {
  let losses = 0;
  return {
    ...input,
    options: { ...input.options, lookEvery: until },
    control: { ...input.control, select: async () => losses-- },
  };
}
