/**
 * The centre about which a regression is fitted, by the biases that it leaves free.
 *
 * Own biases take each layer's means away; one bias for all takes the weighted mean over the layers away, which is
 * where it is best (min over b of Σᵢ wᵢ‖B̄ᵢ − ĀᵢW − b‖²); without a bias the centre is zero.
 */
import { about, type CentredMoments } from './moments.ts';
import type { Collected } from './statistics.ts';
import type { BiasMode } from './storable.ts';

/** Moments about the centre of a bias mode; `meanA` and `meanB` become the centre. */
export function centredFor(collected: Collected, mode: BiasMode): Collected {
  if (mode === 'own') return collected;
  const fixed = (m: CentredMoments, centre: Centre) => ({
    ...about(m, () => centre),
    meanA: m.meanA.map(() => centre.a),
    meanB: m.meanB.map(() => centre.b),
  });
  const { fit, heldOut, all } = collected;
  // The fitted rows' centre serves the held-out rows too, as their biases would.
  const fitCentre = centreOf(fit, mode);
  return {
    fit: fixed(fit, fitCentre),
    heldOut: heldOut && fixed(heldOut, fitCentre),
    all: fixed(all, centreOf(all, mode)),
  };
}

interface Centre {
  readonly a: Float64Array;
  readonly b: Float64Array;
}

function centreOf({ meanA, meanB, weights }: CentredMoments, mode: 'tied' | 'none'): Centre {
  const total = weights.reduce((s, w) => s + w, 0);
  const mean = (values: readonly Float64Array[]) =>
    values[0].map((_, c) =>
      mode === 'none' ? 0 : values.reduce((s, v, i) => s + weights[i] * v[c], 0) / total,
    );
  return { a: mean(meanA), b: mean(meanB) };
}
