/**
 * R2: a scale and a shift of the pre-activations for each layer (REPAIR, Jordan et al. 2022; method.md).
 *
 * Averaging neurons shrinks their variance; z' = γᵢ⊙(Xᵢ·W_in) + b_in,i gives every unit of every layer the mean and
 * the standard deviation that it had in the original: γ = σ/σ_merged, b_in = μ − γ⊙μ_merged. A gate gets the same.
 * A unit that is constant in the merged layer keeps its γ. A low-rank delta is scaled along, since the moments are those
 * of all that comes before the bias. Where the file has no place for an own bias, b stays and γ alone is fitted to both:
 * γ = (m(μ − b) + σ_merged·σ)/(m² + σ_merged²), m the merged mean.
 *
 * Stores 2n floats a layer, 4n where gated: γ cannot be folded into a W_in that other layers share. |γ| is at least
 * 1e-3 (storable.ts).
 */
import { parts } from '../calibration.ts';
import type { RecoveryInput, RecoveryMethod } from '../method.ts';
import { ColumnMoments } from '../statistics.ts';
import { canStore, floorScales, noPlaceFor } from '../storable.ts';
import {
  affine as applyAffine,
  forwardHidden,
  type LayerOwn,
  scaledDelta,
  shapeOf,
  withVectors,
} from '../tied-ffn.ts';

export interface AffineOptions {
  /** Standard deviations of the merged units from which on they are scaled. */
  readonly floor: number;
}

export const affine: RecoveryMethod<AffineOptions> = {
  id: 'R2',
  label: 'Rescale the pre-activations',
  defaults: { floor: 1e-7 },
  stores: (ffn) => (shapeOf(ffn).gated ? ['inScale', 'bIn', 'gateScale', 'bGate'] : ['inScale', 'bIn']),

  async recover(input, options = {}) {
    const { floor } = { ...affine.defaults, ...options };
    const { ffn } = input;
    const roles = PROJECTIONS.filter(
      ({ scale }) => canStore(input, scale) && (scale === 'inScale' || shapeOf(ffn).gated),
    );
    if (roles.length === 0) throw noPlaceFor('scales of pre-activations', affine.label);
    const seen = await collect(input);
    let [before, after] = [0, 0];
    const own = ffn.layers.map((layer, i) => {
      const changes: { -readonly [R in keyof LayerOwn]: LayerOwn[R] } = {};
      for (const { scale, bias, delta } of roles) {
        const statistics = (scale === 'inScale' ? seen.up : seen.gate!)[i];
        const fit = match(statistics, layer[scale], layer[bias], canStore(input, bias), floor);
        changes[scale] = fit.scale;
        if (fit.shift) changes[bias] = fit.shift;
        if (layer[delta]) changes[delta] = scaledDelta(layer[delta], fit.factor);
        before += fit.before;
        after += fit.after;
      }
      return changes;
    });
    return { ffn: withVectors(ffn, (i) => own[i]), before, after, notes: [], chosen: { floor } };
  },
};

const PROJECTIONS = [
  { scale: 'inScale', bias: 'bIn', delta: 'inDelta' },
  { scale: 'gateScale', bias: 'bGate', delta: 'gateDelta' },
] as const;

/** Statistics of one projection of one layer, the merged one's before its bias. */
interface Seen {
  readonly merged: ColumnMoments;
  readonly original: ColumnMoments;
}

async function collect({ ffn, originals, data, algebra, signal }: RecoveryInput) {
  const { layers, dFf, gated } = shapeOf(ffn);
  const bare = withVectors(ffn, () => ({ bIn: undefined, bGate: undefined }));
  const make = (): Seen[] =>
    Array.from({ length: layers }, () => ({
      merged: new ColumnMoments(dFf),
      original: new ColumnMoments(dFf),
    }));
  const up = make();
  const gate = gated ? make() : null;
  for await (const { batch } of parts(data, 0, signal)) {
    for (let i = 0; i < layers; i++) {
      const original = originals[i];
      const x = (batch.originalX ?? batch.x)[i];
      const tied = await forwardHidden(algebra, ffn.activation, ffn.shared, bare.layers[i], batch.x[i]);
      up[i].merged.add(tied.z);
      up[i].original.add(applyAffine(await algebra.matmul(x, original.wIn), original.inScale, original.bIn));
      if (!gate) continue;
      gate[i].merged.add(tied.g!);
      gate[i].original.add(
        applyAffine(await algebra.matmul(x, original.wGate!), original.gateScale, original.bGate),
      );
    }
  }
  return { up, gate };
}

interface Match {
  readonly scale: Float32Array;
  /** By which all before the bias was scaled. */
  readonly factor: Float64Array;
  /** Undefined where the bias stays. */
  readonly shift: Float32Array | undefined;
  /** Σ over units of squared differences of means and of standard deviations. */
  readonly before: number;
  readonly after: number;
}

function match(
  { merged, original }: Seen,
  scale: Float32Array | undefined,
  bias: Float32Array | undefined,
  ownBias: boolean,
  floor: number,
): Match {
  const [mean, target] = [merged.means(), original.means()];
  const [std, wanted] = [merged.variances().map(Math.sqrt), original.variances().map(Math.sqrt)];
  const best = Float64Array.from(std, (s, u) => {
    if (!(s > floor)) return 1;
    if (ownBias) return wanted[u] / s;
    const away = target[u] - (bias?.[u] ?? 0);
    return (mean[u] * away + s * wanted[u]) / (mean[u] ** 2 + s ** 2);
  });
  const newScale = floorScales(Float32Array.from(best, (f, u) => f * (scale?.[u] ?? 1)));
  // As stored: rounded, and no nearer to zero than can be stored.
  const factor = Float64Array.from(newScale, (s, u) => s / (scale?.[u] ?? 1));
  const shift = ownBias ? Float32Array.from(target, (t, u) => t - factor[u] * mean[u]) : undefined;
  const away = (factors: Float64Array | null, b: Float32Array | undefined) =>
    mean.reduce((sum, m, u) => {
      const f = factors ? factors[u] : 1;
      return sum + (m * f + (b?.[u] ?? 0) - target[u]) ** 2 + (std[u] * Math.abs(f) - wanted[u]) ** 2;
    }, 0);
  return { scale: newScale, factor, shift, before: away(null, bias), after: away(factor, shift ?? bias) };
}
