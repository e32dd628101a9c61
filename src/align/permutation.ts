/**
 * A permutation of hidden units that has been checked to be one.
 *
 * Why: (P W_in, P b_in, W_out Pᵀ) is the same function only where P is a bijection; a wrong index would damage
 * the model silently. So the check is at construction, once, and everything after takes the type.
 *
 * Convention: gathering. Row u of the aligned layer is row `indices[u]` of the layer before it.
 */

/** An array that is no permutation: `index` is the first position at fault, `value` what stands there. */
export class PermutationError extends Error {
  override readonly name = 'PermutationError';
  readonly index: number;
  readonly value: number;

  constructor(index: number, value: number, size: number, repeated: boolean) {
    super(
      repeated
        ? `Not a permutation: position ${index} repeats the value ${value}.`
        : `Not a permutation of ${size}: position ${index} holds ${value}.`,
    );
    this.index = index;
    this.value = value;
  }
}

export class Permutation {
  /** indices[u] = the unit before that stands at u after. Read only: do not write into it. */
  readonly indices: Uint32Array;

  private constructor(indices: Uint32Array) {
    this.indices = indices;
  }

  get size(): number {
    return this.indices.length;
  }

  /**
   * Checks and copies.
   * @throws PermutationError with the first offending position.
   */
  static from(values: ArrayLike<number>): Permutation {
    const size = values.length;
    const indices = new Uint32Array(size);
    const seen = new Uint8Array(size);
    for (let u = 0; u < size; u++) {
      const value = values[u];
      if (!Number.isInteger(value) || value < 0 || value >= size) {
        throw new PermutationError(u, value, size, false);
      }
      if (seen[value] === 1) throw new PermutationError(u, value, size, true);
      seen[value] = 1;
      indices[u] = value;
    }
    return new Permutation(indices);
  }

  static identity(size: number): Permutation {
    return new Permutation(Uint32Array.from({ length: size }, (_, u) => u));
  }

  get isIdentity(): boolean {
    return this.indices.every((value, u) => value === u);
  }

  /** Undoes this one: gathering by it and then by the inverse gives the start. */
  inverse(): Permutation {
    const indices = new Uint32Array(this.size);
    for (let u = 0; u < this.size; u++) indices[this.indices[u]] = u;
    return new Permutation(indices);
  }

  /**
   * One permutation for gathering by this one first and by `next` after: result[u] = this[next[u]].
   * @throws RangeError where the sizes differ.
   */
  compose(next: Permutation): Permutation {
    if (next.size !== this.size) {
      throw new RangeError(`Permutations of ${this.size} and ${next.size} cannot be composed.`);
    }
    const indices = new Uint32Array(this.size);
    for (let u = 0; u < this.size; u++) indices[u] = this.indices[next.indices[u]];
    return new Permutation(indices);
  }

  equals(other: Permutation): boolean {
    return this.size === other.size && this.indices.every((value, u) => value === other.indices[u]);
  }
}
