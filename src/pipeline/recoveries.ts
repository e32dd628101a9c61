/**
 * Recovery as the studio holds it: where the current variant is on the ladder, and earlier variants, so that undoing
 * and comparing need no second fit.
 *
 * Why a shelf: a recovered variant is expensive to make, and to keep it takes one more FFN a tied set beside the
 * weights of the layers, which variants of one run share. What has left the shelf is made again from its plan's steps.
 */
import type { Dataset } from '../data/dataset.ts';
import { formatSet } from '../merge/sets.ts';
import type { StageContext } from './context.ts';
import type { OpenedModel } from './opened.ts';
import type { Job } from './progress.ts';
import { applySteps, type RecoverTools, type Replayed, recoverVariant } from './recover.ts';
import { CalibrationTaps } from './recover-data.ts';
import { fittedOn, type RecoveredSet, recoveredVariant } from './recover-set.ts';
import { tuningKey } from './recover-tune.ts';
import { variantKey } from './sweep.ts';
import { pausedOf, type Tunings } from './tune-checkpoint.ts';
import type { MergePlan, PausedTuning, RecoverRequest, RecoverResult } from './types.ts';
import { buildVariant, type Evaluate, releaseVariant, type Variant } from './variant.ts';

/** Variants kept. */
const KEPT = 12;

export class Recoveries {
  private sets: readonly RecoveredSet[] = [];
  private last: RecoverResult | null = null;
  private readonly tunings: Tunings;
  private readonly shelf = new Map<string, readonly RecoveredSet[]>();

  constructor(tunings: Tunings) {
    this.tunings = tunings;
  }

  /** A tuning of a plan that can go on. */
  async paused(
    opened: OpenedModel,
    dataset: Dataset | null,
    plan: MergePlan,
    job: Job,
  ): Promise<PausedTuning | null> {
    if (!dataset) return null;
    const checkpoint = await this.tunings.find(await tuningKey({ opened, dataset, job }, plan));
    return checkpoint && pausedOf(checkpoint);
  }

  /** The last run on the current merge. */
  get result(): RecoverResult | null {
    return this.last;
  }

  /** Another variant is the current one. @param sets where it is on the ladder; none for one that was only merged */
  begin(sets: readonly RecoveredSet[] = []): void {
    this.sets = sets;
    this.last = null;
  }

  /** Forgets everything: another model. */
  clear(): void {
    this.begin();
    this.shelf.clear();
  }

  /**
   * Carries a plan out, its recovery too.
   * @throws as `buildVariant`, and as the rungs do
   */
  async carryOut(context: StageContext, plan: MergePlan, evaluate?: Evaluate): Promise<Replayed> {
    return this.finish(context, await buildVariant(context, plan, evaluate));
  }

  /** The recovery of a plan on its merge, which is given up where it fails or is replaced. */
  async finish(context: StageContext, merged: Variant): Promise<Replayed> {
    let made: Replayed = { variant: merged, sets: [] };
    try {
      made = await this.restore(context, merged);
      await context.job.check();
    } catch (error) {
      releaseVariant(merged);
      if (made.variant !== merged) releaseVariant(made.variant);
      throw error;
    }
    if (made.variant !== merged) releaseVariant(merged);
    return made;
  }

  /**
   * A merge with the recovery of its plan: from the shelf, or carried out again.
   * @throws RangeError where a step does not apply; DataError where data is missing; AbortError
   */
  private async restore(context: StageContext, merged: Variant): Promise<Replayed> {
    const { recovery = [] } = merged.plan;
    if (recovery.length === 0) return { variant: merged, sets: [] };
    const known = this.shelf.get(variantKey({ ...merged, ...fittedOn(merged, context.dataset) }));
    if (known) return { variant: await recoveredVariant(context, merged, known, recovery), sets: known };
    if (!context.dataset) {
      const sets = merged.plan.sets.map((s) => formatSet(s.layers)).join('; ');
      throw new RangeError(
        `The recovery of layers ${sets} is fitted on calibration data, which is not there. Drop it under “Calibrate”.`,
      );
    }
    const made = await applySteps(context, merged, recovery, tapsOf(context));
    this.keep(made);
    return made;
  }

  /** Recovers the current variant further; each variant that is kept on the way is given to `keep`. */
  run(
    tools: Omit<RecoverTools, 'keep' | 'ended' | 'taps' | 'tunings'>,
    variant: Variant,
    request: RecoverRequest,
    keep: (variant: Variant) => void,
  ): Promise<RecoverResult> {
    const sets = variant.tied.map((_, k) => this.sets[k] ?? null);
    this.last = null;
    return recoverVariant(
      {
        ...tools,
        taps: tapsOf(tools.context),
        tunings: this.tunings,
        keep: (better, states) => {
          this.keep({ variant: better, sets: states });
          this.sets = states;
          keep(better);
        },
        ended: (result) => {
          this.last = result;
        },
      },
      variant,
      sets,
      request,
    );
  }

  /** Puts what was made on the shelf. */
  keep({ variant, sets }: Replayed): void {
    if (!variant.plan.recovery?.length) return;
    const key = variantKey(variant);
    this.shelf.delete(key);
    this.shelf.set(key, sets);
    const oldest = this.shelf.keys().next().value;
    if (this.shelf.size > KEPT && oldest !== undefined) this.shelf.delete(oldest);
  }
}

/** Taps of the calibration split, which there is. */
export function tapsOf({ live, dataset, job }: StageContext): CalibrationTaps {
  return new CalibrationTaps({ live, dataset: dataset!, job });
}
