/**
 * R2: a scale and a shift of the pre-activations for each layer (REPAIR, Jordan et al. 2022; method.md).
 *
 * Averaging neurons shrinks their variance; z' = γᵢ⊙(Xᵢ·W_in) + b_in,i gives every unit of every layer the mean and
 * the standard deviation that it had in the original: γ = σ/σ_merged, b_in = μ − γ⊙μ_merged. A gate gets the same.
 * A unit that is constant in the merged layer keeps γ = 1.
 *
 * Stores 2n floats a layer, 4n where gated: γ cannot be folded into a W_in that other layers share.
 */
import { parts } from '../calibration.ts';
import type { RecoveryInput, RecoveryMethod } from '../method.ts';
import { ColumnMoments } from '../statistics.ts';
import { affine as applyAffine, forwardHidden, shapeOf, withVectors } from '../tied-ffn.ts';

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
    const { up, gate } = await collect(input);
    const fitted = ffn.layers.map((layer, i) => ({
      up: match(up[i], layer.inScale, layer.bIn, floor),
      gate: gate && match(gate[i], layer.gateScale, layer.bGate, floor),
    }));
    const sum = (pick: (m: Match) => number) =>
      fitted.reduce((s, f) => s + pick(f.up) + (f.gate ? pick(f.gate) : 0), 0);
    return {
      ffn: withVectors(ffn, (i) => ({
        inScale: fitted[i].up.scale,
        bIn: fitted[i].up.shift,
        ...(fitted[i].gate && { gateScale: fitted[i].gate.scale, bGate: fitted[i].gate.shift }),
      })),
      before: sum((m) => m.before),
      after: sum((m) => m.after),
      notes: [],
    };
  },
};

/** Statistics of one projection of one layer. */
interface Seen {
  readonly merged: ColumnMoments;
  readonly original: ColumnMoments;
}

async function collect({ ffn, originals, data, algebra, signal }: RecoveryInput) {
  const { layers, dFf, gated } = shapeOf(ffn);
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
      const tied = await forwardHidden(algebra, ffn.activation, ffn.shared, ffn.layers[i], batch.x[i]);
      up[i].merged.add(tied.rawIn);
      up[i].original.add(applyAffine(await algebra.matmul(x, original.wIn), original.inScale, original.bIn));
      if (!gate) continue;
      gate[i].merged.add(tied.rawGate!);
      gate[i].original.add(
        applyAffine(await algebra.matmul(x, original.wGate!), original.gateScale, original.bGate),
      );
    }
  }
  return { up, gate };
}

interface Match {
  readonly scale: Float32Array;
  readonly shift: Float32Array;
  /** Σ over units of squared differences of means and of standard deviations. */
  readonly before: number;
  readonly after: number;
}

function match(
  { merged, original }: Seen,
  scale: Float32Array | undefined,
  shift: Float32Array | undefined,
  floor: number,
): Match {
  const [mean, target] = [merged.means(), original.means()];
  const [std, wanted] = [merged.variances().map(Math.sqrt), original.variances().map(Math.sqrt)];
  const newScale = Float32Array.from(std, (s, u) => (s > floor ? wanted[u] / s : 1));
  const newShift = Float32Array.from(target, (t, u) => t - newScale[u] * mean[u]);
  const away = (a: ArrayLike<number> | undefined, b: ArrayLike<number> | undefined) =>
    mean.reduce((sum, m, u) => {
      const s = a ? a[u] : 1;
      return sum + (m * s + (b ? b[u] : 0) - target[u]) ** 2 + (std[u] * s - wanted[u]) ** 2;
    }, 0);
  return { scale: newScale, shift: newShift, before: away(scale, shift), after: away(newScale, newShift) };
}
