/**
 * What a tied FFN stores, in floats: variants are compared at equal stored bytes (method.md, Recovery ladder).
 *
 * A vector of a role that all layers hold as one array is stored once; else one a layer. b_in, b_gate and b_out of the
 * original are initializers that each node reads already, so own ones only undo a tie; scales are new operands of new
 * Mul nodes, because a scale on the units of one layer cannot be folded into a matrix that others share.
 */
import { shapeOf, type TiedFfn, type VectorRole, vectorRoles } from './tied-ffn.ts';

export interface StoredVector {
  readonly role: VectorRole;
  /** Whether all layers read one copy. */
  readonly tied: boolean;
  /** Whether the file needs a node that the original does not have (a scale, or a bias where there was none). */
  readonly newNode: boolean;
  /** Floats, over all layers. */
  readonly elements: number;
}

export interface Storage {
  readonly vectors: readonly StoredVector[];
  /** Floats of the matrices that are stored once. */
  readonly matrixElements: number;
  /** Floats of everything. */
  readonly elements: number;
}

/**
 * @param existing vectors for which the original has nodes; by default biases that the plain merge has
 */
export function storageOf(ffn: TiedFfn, existing: ReadonlySet<VectorRole>): Storage {
  const { shared, layers } = ffn;
  const vectors: StoredVector[] = [];
  for (const role of vectorRoles) {
    const distinct = new Set(layers.map((l) => l[role]).filter((v) => v !== undefined));
    if (distinct.size === 0) continue;
    let elements = 0;
    for (const values of distinct) elements += values.length;
    const tied = distinct.size === 1 && layers.length > 1;
    vectors.push({ role, tied, newNode: !existing.has(role), elements });
  }
  let matrixElements = 0;
  for (const m of [shared.wIn, shared.wGate, shared.wOut]) matrixElements += m?.data.length ?? 0;
  return {
    vectors,
    matrixElements,
    elements: vectors.reduce((sum, v) => sum + v.elements, matrixElements),
  };
}

/** Vectors that an FFN has, for `storageOf`. */
export function rolesOf(ffn: TiedFfn): Set<VectorRole> {
  return new Set(vectorRoles.filter((role) => ffn.layers.some((l) => l[role])));
}

/**
 * Folds what can be folded exactly: in a gated FFN (φ(G) ⊙ Z) ⊙ s = φ(G) ⊙ (Z ⊙ s), so s goes into γ and b_in of the
 * up projection, and the file has one scale a layer instead of two. In a plain FFN nothing can be.
 */
export function foldScales(ffn: TiedFfn): TiedFfn {
  if (!shapeOf(ffn).gated) return ffn;
  const layers = ffn.layers.map((vectors) => {
    const { hiddenScale: s, ...rest } = vectors;
    if (!s || !rest.inScale) return vectors;
    return {
      ...rest,
      inScale: rest.inScale.map((v, u) => v * s[u]),
      ...(rest.bIn && { bIn: rest.bIn.map((v, u) => v * s[u]) }),
    };
  });
  return { ...ffn, layers };
}
