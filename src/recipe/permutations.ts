/**
 * Permutations as a recipe keeps them: base64 of little-endian u16, or u32 for more than 65,536 units.
 * A permutation of 5,120 units takes 13.7 kB.
 */
import { Permutation, PermutationError } from '../align/permutation.ts';
import { RecipeError } from './errors.ts';
import type { StoredPermutation } from './schema.ts';

/** The permutation that aligned one layer. */
export interface LayerPermutation {
  readonly groupId: string;
  readonly reference: number;
  readonly layer: number;
  /** indices[u] = the unit of `layer` that stands at unit u of `reference`. */
  readonly permutation: Permutation;
}

const bytesFor = (units: number) => (units <= 1 << 16 ? 2 : 4);

export function storePermutation({ permutation, ...place }: LayerPermutation): StoredPermutation {
  const { indices, size } = permutation;
  const width = bytesFor(size);
  const view = new DataView(new ArrayBuffer(size * width));
  indices.forEach((value, u) => {
    if (width === 2) view.setUint16(2 * u, value, true);
    else view.setUint32(4 * u, value, true);
  });
  return { ...place, units: size, order: toBase64(new Uint8Array(view.buffer)) };
}

/**
 * @param at position in the recipe's list, for the sentence
 * @throws RecipeError for anything that is not a permutation of `units`
 */
export function readPermutation({ units, order, ...place }: StoredPermutation, at: number): LayerPermutation {
  const field = `permutations[${at}].order`;
  const refuse = (why: string) =>
    new RecipeError(field, `This recipe cannot be used: “${field}” (layer ${place.layer}) ${why}.`);
  const width = bytesFor(units);
  const bytes = fromBase64(order);
  if (bytes?.length !== units * width) {
    const found = bytes ? `${bytes.length} bytes` : 'not base64';
    throw refuse(`is ${found}, but ${units} units take ${units * width} bytes`);
  }
  const view = new DataView(bytes.buffer);
  const values = Uint32Array.from({ length: units }, (_, u) =>
    width === 2 ? view.getUint16(2 * u, true) : view.getUint32(4 * u, true),
  );
  try {
    return { ...place, permutation: Permutation.from(values) };
  } catch (error) {
    if (!(error instanceof PermutationError)) throw error;
    throw refuse(
      `is not a permutation of ${units} units: unit ${error.value} at position ${error.index} is ${error.value < units ? 'there twice' : 'out of range'}`,
    );
  }
}

/** In pieces: a call takes only so many arguments. */
export function toBase64(bytes: Uint8Array): string {
  let binary = '';
  for (let at = 0; at < bytes.length; at += 8192) {
    binary += String.fromCharCode(...bytes.subarray(at, at + 8192));
  }
  return btoa(binary);
}

/** Undefined where it is not base64. */
export function fromBase64(base64: string): Uint8Array<ArrayBuffer> | undefined {
  try {
    return Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
  } catch {
    return undefined;
  }
}
