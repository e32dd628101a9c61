/**
 * The life of an accumulator: open, broken (adding to it did not come to its end), released. Both backends use it,
 * so that a half-added batch can never be read as a result.
 */
export interface Accumulator {
  state: 'open' | 'broken' | 'released';
}

/** A handle of this backend that can be used. */
export function open<T extends Accumulator>(handle: object, type: abstract new (...args: never[]) => T): T {
  if (!(handle instanceof type)) throw foreignHandle();
  if (handle.state !== 'open') {
    throw new Error(
      handle.state === 'released'
        ? 'This accumulator was released.'
        : 'This accumulator is incomplete, because adding to it was stopped or failed.',
    );
  }
  return handle;
}

/** Marks the accumulator as broken where adding to it fails or is stopped. */
export async function guarded(accumulator: Accumulator, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (accumulator.state === 'open') accumulator.state = 'broken';
    throw error;
  }
}

export function foreignHandle(): TypeError {
  return new TypeError('This handle was made by another backend.');
}

/** @throws Error before the first batch. */
export function measured<T extends { readonly samples: number }>(moments: T): T {
  if (moments.samples === 0) throw new Error('No batch was added yet.');
  return moments;
}

/** @throws RangeError where there is no such pair. */
export function pairAt<P>(moments: { readonly pairs: readonly P[] }, index: number): P {
  const pair = moments.pairs[index];
  if (pair === undefined) throw new RangeError(`There is no pair ${index} among ${moments.pairs.length}.`);
  return pair;
}
