/**
 * What a file can hold of a layer's own, and rungs that keep to it.
 *
 * Why: own vectors and deltas need nodes that some graphs have no place for (a projection inside a packed or quantized
 * matrix, a bias that the exporter fused). The caller says which roles can be stored; a rung that needs another one is
 * refused, and one that can do without fits without.
 *
 * Scales are kept away from zero: the file adds a bias before its scale, z′ = γ ⊙ (X·W_in + b/γ).
 */
import type { RecoveryInput } from './method.ts';
import { type LayerVectors, type OwnRole, type TiedFfn, withVectors } from './tied-ffn.ts';

/** Smallest |γ| and |s| that is stored. */
export const MIN_SCALE = 1e-3;

/** How a bias may be fitted: one a layer, one for all layers, or not at all. */
export type BiasMode = 'own' | 'tied' | 'none';

type Storing = Pick<RecoveryInput, 'ffn' | 'storable'>;

export function canStore({ storable }: Pick<RecoveryInput, 'storable'>, role: OwnRole): boolean {
  return storable?.has(role) ?? true;
}

/** The roles that the file can hold: for R6's `own`, and for what a rung says that it stores. */
export function storableRoles<R extends OwnRole>(
  input: Pick<RecoveryInput, 'storable'>,
  roles: readonly R[],
): R[] {
  return roles.filter((role) => canStore(input, role));
}

/** A bias that each layer cannot have of its own may still change for all, where the FFN has one. */
export function biasMode(input: Storing, role: 'bIn' | 'bGate' | 'bOut'): BiasMode {
  if (canStore(input, role)) return 'own';
  return input.ffn.layers.some((l) => l[role]) ? 'tied' : 'none';
}

/** The refusal of a rung whose vectors cannot be stored. @param what “own output biases” */
export function noPlaceFor(what: string, label: string): RangeError {
  return new RangeError(
    `This file has no place for ${what}, which “${label}” needs; leave that step out, or export the model with plain MatMul and Add nodes.`,
  );
}

/** Scales no nearer to zero than can be stored, their signs kept. */
export function floorScales(scales: Float32Array): Float32Array {
  if (scales.every((s) => Math.abs(s) >= MIN_SCALE)) return scales;
  // The f32 nearest to 0.001 lies above it, so a floored scale stays as it is.
  return scales.map((s) => (Math.abs(s) >= MIN_SCALE ? s : s < 0 ? -MIN_SCALE : MIN_SCALE));
}

/** The same FFN with scales that can be stored; arrays that layers share stay shared. */
export function storableScales(ffn: TiedFfn): TiedFfn {
  const floored = new Map<Float32Array, Float32Array>();
  const floor = (scales: Float32Array) => {
    const known = floored.get(scales) ?? floorScales(scales);
    floored.set(scales, known);
    return known;
  };
  return withVectors(ffn, (i) => {
    const { inScale, gateScale, hiddenScale }: LayerVectors = ffn.layers[i];
    return {
      ...(inScale && { inScale: floor(inScale) }),
      ...(gateScale && { gateScale: floor(gateScale) }),
      ...(hiddenScale && { hiddenScale: floor(hiddenScale) }),
    };
  });
}
