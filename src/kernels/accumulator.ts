/**
 * The life of an accumulator: open, broken (adding to it did not come to its end), released. Both backends use it,
 * so that a half-added batch can never be read as a result.
 */
export interface Accumulator {
  state: 'open' | 'broken' | 'released';
  /** While a batch is being added. */
  busy: boolean;
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

/**
 * Adds to an accumulator: one batch at a time, and broken where that fails or is stopped.
 * @param freed called at the end where the accumulator was released meanwhile: only then may its memory go.
 */
export async function guarded(
  accumulator: Accumulator,
  work: () => Promise<void>,
  freed?: () => void,
): Promise<void> {
  if (accumulator.busy) throw new Error('Batches are added one after the other: await the one before.');
  accumulator.busy = true;
  try {
    await work();
  } catch (error) {
    if (accumulator.state === 'open') accumulator.state = 'broken';
    throw error;
  } finally {
    accumulator.busy = false;
    if ((accumulator.state as string) === 'released') freed?.();
  }
}

export function foreignHandle(): TypeError {
  return new TypeError('This handle was made by another backend.');
}

/** @throws Error before the first batch, and while one is being added. */
export function measured<T extends { readonly samples: number; readonly busy: boolean }>(moments: T): T {
  if (moments.busy) throw new Error('A batch is still being added.');
  if (moments.samples === 0) throw new Error('No batch was added yet.');
  return moments;
}

/** @throws RangeError where there is no such pair. */
export function pairAt<P>(moments: { readonly pairs: readonly P[] }, index: number): P {
  const pair = moments.pairs[index];
  if (pair === undefined) throw new RangeError(`There is no pair ${index} among ${moments.pairs.length}.`);
  return pair;
}
