/**
 * Random disjoint windows of given sizes: a control (arXiv 2501.06126: windows at random did nearly as well as the best).
 */
import { type Seeded, shuffled } from '../tensor/seeded.ts';

/**
 * Draws a window of each size, disjoint, uniformly over all placements.
 *
 * The order of the windows along the stack is shuffled; then, with the layers that stay free and the windows as items
 * in a row, it is drawn which of the items are windows. Each placement comes from exactly one such pair of draws.
 * @param sizes layers of each window
 * @returns in the order of `sizes`, the layers of each window, ascending
 * @throws RangeError where they do not fit
 */
export function randomWindows(layers: number, sizes: readonly number[], random: Seeded): number[][] {
  const free = layers - sizes.reduce((sum, size) => sum + size, 0);
  if (free < 0) throw new RangeError(`Windows of ${sizes.join(', ')} layers do not fit into ${layers}.`);
  const order = shuffled(sizes.length, random);
  const windows: number[][] = sizes.map(() => []);
  let left = order.length;
  let at = 0;
  for (let items = free + left; items > 0; items--) {
    // Of the items that remain, `left` are windows: this one is with that probability.
    if (random.integer(items) >= left) {
      at++;
      continue;
    }
    const k = order[order.length - left];
    windows[k] = Array.from({ length: sizes[k] }, (_, i) => at + i);
    at += sizes[k];
    left--;
  }
  return windows;
}
