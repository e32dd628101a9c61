/** What the worker tells the page of plans: several small groups, proposed and scored. */
import type { LayerSet, MergePlan, Metric, ReferenceChoice, ScoreChoice, TyingMethodId } from './types.ts';

/** A proposal of the interval programme. */
export interface PlanCandidate {
  readonly sets: readonly LayerSet[];
  /** Sum over the sets of measured or estimated damage, in the metric's loss (nats for perplexity, error for accuracy). */
  readonly estimate: number;
  /** Raw metric on the select split, merged as a whole. */
  readonly value: number;
  readonly bytesAfter: number;
  /** Where recovery was asked for: its plan, the value with it, and its bytes. */
  readonly recovered?: { readonly plan: MergePlan; readonly value: number; readonly bytesAfter: number };
}

export interface PlanResult {
  readonly removed: number;
  readonly metric: Metric;
  readonly original: number;
  /** Best first, by value. */
  readonly candidates: readonly PlanCandidate[];
  /** A sentence: what the estimate is made of. */
  readonly rule: string;
  readonly seconds: number;
}

export interface PlanRequest {
  readonly groupId: string;
  /** FFNs to remove; or the share of the file's bytes that the result may have at most (0 … 1). */
  readonly target: { readonly removed: number } | { readonly size: number };
  readonly method: TyingMethodId;
  readonly reference: ReferenceChoice;
  readonly score: ScoreChoice;
  /** Refits the down-projections (R3) of each proposal, and ranks them by the score with it. */
  readonly recover?: boolean;
}
