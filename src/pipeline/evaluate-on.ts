/** The original and a variant on one split, with the paired error of their difference. */
import { pairedStandardError } from '../evaluate/metric.ts';
import type { Job } from './progress.ts';
import type { Scorer } from './scoring.ts';
import { variantKey } from './sweep.ts';
import type { EngineSummary, EvaluationResult, MetricChoice, SplitName } from './types.ts';
import type { Variant } from './variant.ts';

/** @param variant null: the original twice */
export async function evaluateOn(
  split: SplitName,
  scorer: Scorer,
  choice: MetricChoice,
  variant: Variant | null,
  engine: EngineSummary,
  job: Job,
): Promise<EvaluationResult> {
  const original = await scorer.original(split, choice, job.part(variant ? 0.5 : 1));
  const merged = variant
    ? await scorer.variant(split, choice, variantKey(variant), variant.changes, job.part(0.5))
    : original;
  return {
    ...choice,
    split,
    original: original.value,
    merged: merged.value,
    samples: merged.samples,
    standardError: pairedStandardError(original, merged),
    seconds: job.seconds,
    engine,
  };
}
