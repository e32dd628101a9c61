/**
 * Terms of the alignment score: which there are, what each needs, and the sums that are tried (method.md, last section).
 *
 * Each term is a matrix [n × n] with values in [−1, 1]; the score is their mean, so it stays there.
 * - `preactivation`, `gate`, `hidden`: Pearson correlation, over the calibration tokens, of the units' values before the
 *   activation (up projection), before the gate's activation, and where they enter the down projection.
 * - `input-weights`: cosine of the units' rows of W_in; for gated FFNs the mean of the cosines of W_in (up) and W_gate.
 * - `output-weights`: cosine of the units' columns of W_out. Biases are left out of both. Neither needs any data.
 */
import { DataError } from '../data/errors.ts';
import type { FfnGroup } from '../graph/ffn.ts';
import type { ScoreChoice, ScoreTerm } from './types.ts';

/** In the order in which they are summed. */
export const SCORE_TERMS = ['preactivation', 'gate', 'hidden', 'input-weights', 'output-weights'] as const;

/** Terms that are correlations of activations, so that they need calibration data. */
export type ActivationTerm = Exclude<ScoreTerm, 'input-weights' | 'output-weights'>;
/** Terms that are computed from the weights alone. */
export type WeightTerm = Exclude<ScoreTerm, ActivationTerm>;

/** Names a score within a group: `default`, or its terms. */
export type ScoreKey = string;

/** A score that is one sum of terms. */
export type SingleScore = Exclude<ScoreChoice, 'best'>;

type Gated = Pick<FfnGroup, 'gated'>;

const WEIGHTS: readonly ScoreTerm[] = ['input-weights', 'output-weights'];

export function isActivationTerm(term: ScoreTerm): term is ActivationTerm {
  return term !== 'input-weights' && term !== 'output-weights';
}

/** The paper's score for plain FFNs; for gated ones both projections, which loses less (method.md, trials). */
export function defaultTerms({ gated }: Gated): readonly ScoreTerm[] {
  return gated ? ['preactivation', 'gate'] : ['preactivation'];
}

/**
 * The terms of a choice, without repeats, in the order of `SCORE_TERMS`.
 * @throws RangeError with a sentence for an empty choice, an unknown term, or the gate of FFNs that have none
 */
export function termsOf(choice: SingleScore, group: Gated): readonly ScoreTerm[] {
  if (choice === 'default') return defaultTerms(group);
  for (const term of choice) {
    if (!SCORE_TERMS.includes(term)) throw new RangeError(`There is no alignment score “${term}”.`);
  }
  if (choice.length === 0) throw new RangeError('The alignment score has no term. Choose at least one.');
  if (choice.includes('gate') && !group.gated) {
    throw new RangeError('These FFNs have no gate, so it cannot be part of the alignment score.');
  }
  return SCORE_TERMS.filter((term) => choice.includes(term));
}

/** Equal for equal sums. */
export function scoreKey(terms: readonly ScoreTerm[], group: Gated): ScoreKey {
  const key = SCORE_TERMS.filter((term) => terms.includes(term)).join('+');
  return key === defaultTerms(group).join('+') ? 'default' : key;
}

/**
 * The sums that “best” tries, the default first: alone, with the weights, with the hidden units, with both, and the
 * weights alone; without calibration data only the last.
 * @param groups all groups of a plan; what only some of them have is left out
 */
export function candidateScores(groups: readonly Gated[], hasData: boolean): readonly SingleScore[] {
  if (!hasData) return [WEIGHTS];
  const base: readonly ScoreTerm[] = groups.every((g) => g.gated)
    ? ['preactivation', 'gate']
    : ['preactivation'];
  return ['default', [...base, ...WEIGHTS], [...base, 'hidden'], [...base, 'hidden', ...WEIGHTS], WEIGHTS];
}

/** @throws DataError where a term needs calibration data and there is none */
export function checkData(terms: readonly ScoreTerm[], hasData: boolean): void {
  if (hasData || !terms.some(isActivationTerm)) return;
  throw new DataError(
    'Correlations need calibration data. Drop some under “Calibrate” first, or align by weights alone.',
  );
}
