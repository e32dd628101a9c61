/**
 * The model to scale, as one bar: the FFN of every layer that can be merged, then the rest. Widths are shares of
 * the parameters; a layer that a picked window would fold into its neighbour is marked. Plain data in, segments out.
 */

export interface StackGroup {
  readonly id: string;
  readonly layers: number;
  readonly parametersPerFfn: number;
}

export interface StackWindow {
  readonly groupId: string;
  readonly first: number;
  readonly last: number;
}

export interface StackSegment {
  readonly key: string;
  readonly kind: 'ffn' | 'rest';
  readonly groupId: string | null;
  readonly layer: number | null;
  /** Of the whole bar, 0 to 1. */
  readonly start: number;
  readonly width: number;
  /** Index of the window that holds the layer, or null. */
  readonly window: number | null;
  /** True for the copies that would leave the file: all of a window but its first. */
  readonly folded: boolean;
}

export function layerStack(
  groups: readonly StackGroup[],
  parameters: number,
  windows: readonly StackWindow[],
): StackSegment[] {
  const segments: StackSegment[] = [];
  let start = 0;
  for (const { id, layers, parametersPerFfn } of groups) {
    const width = parametersPerFfn / parameters;
    for (let layer = 0; layer < layers; layer++) {
      const index = windows.findIndex(
        (window) => window.groupId === id && layer >= window.first && layer <= window.last,
      );
      segments.push({
        key: `${id} ${layer}`,
        kind: 'ffn',
        groupId: id,
        layer,
        start,
        width,
        window: index < 0 ? null : index,
        folded: index >= 0 && layer > windows[index].first,
      });
      start += width;
    }
  }
  const rest = Math.max(0, 1 - start);
  segments.push({
    key: 'rest',
    kind: 'rest',
    groupId: null,
    layer: null,
    start,
    width: rest,
    window: null,
    folded: false,
  });
  return segments;
}
