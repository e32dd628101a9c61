/**
 * What a tied FFN stores, in floats: variants are compared at equal stored bytes (method.md, Recovery ladder).
 *
 * A vector of a role that all layers hold as one array is stored once; else one a layer. b_in, b_gate and b_out of the
 * original are initializers that each node reads already, so own ones only undo a tie; scales are new operands of new
 * Mul nodes, because a scale on the units of one layer cannot be folded into a matrix that others share. The same holds
 * for low-rank deltas. It counts what `ownOf` (weights.ts) gives the files: a scale behind a bias makes that bias own.
 */
import { MIN_SCALE } from './storable.ts';
import {
  deltaRoles,
  type LayerOwn,
  type OwnRole,
  scaledDelta,
  shapeOf,
  type TiedFfn,
  type VectorRole,
  vectorRoles,
} from './tied-ffn.ts';

export interface StoredOwn {
  readonly role: OwnRole;
  /** Whether all layers read one copy. */
  readonly tied: boolean;
  /** Whether the file needs a node that the original does not have (a scale, a delta, a bias where there was none). */
  readonly newNode: boolean;
  /** Floats, over all layers. */
  readonly elements: number;
}

export interface Storage {
  readonly own: readonly StoredOwn[];
  /** Floats of the matrices that are stored once. */
  readonly matrixElements: number;
  /** Floats of everything. */
  readonly elements: number;
}

/** The scale that stands behind a bias. */
const SCALE_OF = { bIn: 'inScale', bGate: 'gateScale', bOut: undefined } as const;
type BiasRole = keyof typeof SCALE_OF;

/** Whether all layers can read one copy of a bias that stands before the scale. */
export function isTiedBias({ layers }: TiedFfn, role: BiasRole): boolean {
  const scale = SCALE_OF[role];
  const [first] = layers;
  return layers.every((l) => {
    if (l[role] !== first[role]) return false;
    return !first[role] || !scale || l[scale] === first[scale];
  });
}

/**
 * @param existing vectors for which the original has nodes; they are stored as zeros where the FFN has none
 * @param packed whether b_in and b_gate are the halves of one vector, which is tied or own as one
 */
export function storageOf(ffn: TiedFfn, existing: ReadonlySet<VectorRole>, packed = false): Storage {
  const folded = foldScales(ffn);
  const { layers } = folded;
  const { dModel, dFf } = shapeOf(ffn);
  const bothTied = isTiedBias(folded, 'bIn') && isTiedBias(folded, 'bGate');
  const own: StoredOwn[] = [];
  const add = (role: OwnRole, elements: number, tied: boolean, newNode: boolean) => {
    if (elements > 0) own.push({ role, elements, tied, newNode });
  };
  for (const role of vectorRoles) {
    if (existing.has(role) && role in SCALE_OF) {
      const joint = packed && role !== 'bOut';
      const tied = joint ? bothTied : isTiedBias(folded, role as BiasRole);
      add(role, (role === 'bOut' ? dModel : dFf) * (tied ? 1 : layers.length), tied, false);
      continue;
    }
    const distinct = new Set(layers.flatMap((l) => l[role] ?? []));
    const elements = [...distinct].reduce((sum, v) => sum + v.length, 0);
    add(role, elements, distinct.size === 1 && layers.length > 1, !existing.has(role));
  }
  for (const role of deltaRoles) {
    const distinct = new Set(layers.flatMap((l) => (l[role] ? [l[role].a.data, l[role].b.data] : [])));
    add(
      role,
      [...distinct].reduce((sum, v) => sum + v.length, 0),
      false,
      true,
    );
  }
  let matrixElements = 0;
  for (const m of [ffn.shared.wIn, ffn.shared.wGate, ffn.shared.wOut]) matrixElements += m?.data.length ?? 0;
  return { own, matrixElements, elements: own.reduce((sum, v) => sum + v.elements, matrixElements) };
}

/** What layers of an FFN have beside its matrices, for `storageOf`. */
export function rolesOf(ffn: TiedFfn): Set<VectorRole> {
  return new Set(vectorRoles.filter((role) => ffn.layers.some((l) => l[role])));
}

/**
 * Folds what can be folded exactly: in a gated FFN (φ(G) ⊙ Z) ⊙ s = φ(G) ⊙ (Z ⊙ s), so s goes into γ, the delta and b_in
 * of the up projection, and the file has one scale a layer instead of two. Not where the product would be too near to
 * zero to be stored. In a plain FFN nothing can be.
 */
export function foldScales(ffn: TiedFfn): TiedFfn {
  if (!shapeOf(ffn).gated) return ffn;
  const layers = ffn.layers.map((own): LayerOwn => {
    const { hiddenScale: s, ...rest } = own;
    if (!s || !rest.inScale) return own;
    const inScale = rest.inScale.map((v, u) => v * s[u]);
    if (inScale.some((v) => Math.abs(v) < MIN_SCALE)) return own;
    return {
      ...rest,
      inScale,
      ...(rest.bIn && { bIn: rest.bIn.map((v, u) => v * s[u]) }),
      ...(rest.inDelta && { inDelta: scaledDelta(rest.inDelta, s) }),
    };
  });
  return { ...ffn, layers };
}
