/**
 * Windows of adjacent layers: validity and the reference layer.
 */

export type ReferenceChoice = 'first' | 'middle' | 'last';

/** 0-based, inclusive, execution order. */
export interface Window {
  readonly first: number;
  readonly last: number;
}

/**
 * Checks a window against a group's size.
 * @throws RangeError with a sentence for the page.
 */
export function checkWindow(window: Window, layers: number): void {
  const { first, last } = window;
  if (!Number.isInteger(first) || !Number.isInteger(last) || first < 0 || last >= layers) {
    throw new RangeError(
      `The window ${first}–${last} does not lie in the layers 0–${layers - 1}. Pick a first and a last layer in that range.`,
    );
  }
  if (last <= first) {
    throw new RangeError(
      `The window ${first}–${last} holds ${last < first ? 'no layer' : 'one layer'}. Pick at least two adjacent layers to merge.`,
    );
  }
}

/** @throws RangeError where two windows share a layer. */
export function checkDisjoint(windows: readonly Window[]): void {
  const sorted = [...windows].sort((a, b) => a.first - b.first);
  for (let i = 1; i < sorted.length; i++) {
    const [a, b] = [sorted[i - 1], sorted[i]];
    if (b.first <= a.last) {
      throw new RangeError(
        `The windows ${a.first}–${a.last} and ${b.first}–${b.last} share layer ${b.first}. A layer can be merged only once; remove one of them.`,
      );
    }
  }
}

/** Position of the reference layer within a window of k layers (method.md, Steps 3: middle = ⌊k/2⌋). */
export function referencePosition(choice: ReferenceChoice, k: number): number {
  return choice === 'first' ? 0 : choice === 'last' ? k - 1 : Math.floor(k / 2);
}
