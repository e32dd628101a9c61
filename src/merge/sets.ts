/**
 * Sets of layers that share one FFN: validity and the reference layer.
 *
 * A set is usually a window of adjacent layers; any two or more layers of a group are sound.
 */

export type ReferenceChoice = 'first' | 'middle' | 'last';

/**
 * Checks the sets of one group: 0-based layers in execution order.
 * @throws RangeError with a sentence for the page
 */
export function checkSets(sets: readonly (readonly number[])[], layers: number): void {
  const owner = new Map<number, number>();
  sets.forEach((set, k) => {
    for (const layer of set) {
      if (!Number.isInteger(layer) || layer < 0 || layer >= layers) {
        throw new RangeError(
          `Layer ${layer} does not exist: this group has the layers 0–${layers - 1}. Pick layers in that range.`,
        );
      }
      const other = owner.get(layer);
      if (other === k) throw new RangeError(`The set ${formatSet(set)} names layer ${layer} twice.`);
      if (other !== undefined) {
        throw new RangeError(
          `The sets ${formatSet(sets[other])} and ${formatSet(set)} share layer ${layer}. A layer can be merged only once; remove one of them.`,
        );
      }
      owner.set(layer, k);
    }
    if (set.length < 2) {
      throw new RangeError(
        `The set ${formatSet(set) || 'given'} holds ${set.length === 0 ? 'no layer' : 'one layer'}. Pick at least two layers to merge.`,
      );
    }
  });
}

/** `4–7` for adjacent layers, `1, 4, 5` otherwise. */
export function formatSet(layers: readonly number[]): string {
  const sorted = [...layers].sort((a, b) => a - b);
  const adjacent = sorted.length > 1 && sorted.every((l, k) => k === 0 || l === sorted[k - 1] + 1);
  return adjacent ? `${sorted[0]}–${sorted.at(-1)}` : sorted.join(', ');
}

/** Position of the reference layer within a set of k layers (method.md, Steps 3: middle = ⌊k/2⌋). */
export function referencePosition(choice: ReferenceChoice, k: number): number {
  return choice === 'first' ? 0 : choice === 'last' ? k - 1 : Math.floor(k / 2);
}
