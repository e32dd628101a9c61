/**
 * The model to scale, as one bar: the FFN of every layer that can be merged, then the rest. Widths are shares of
 * the parameters; a layer that a picked set would fold into its first is marked. Plain data in, segments out.
 */

export interface StackGroup {
  readonly id: string;
  readonly layers: number;
  readonly parametersPerFfn: number;
}

export interface StackSet {
  readonly groupId: string;
  readonly layers: readonly number[];
}

export interface StackSegment {
  readonly key: string;
  readonly kind: 'ffn' | 'rest';
  readonly groupId: string | null;
  readonly layer: number | null;
  /** Of the whole bar, 0 to 1. */
  readonly start: number;
  readonly width: number;
  /** Index of the set that holds the layer, or null. */
  readonly set: number | null;
  /** True for the copies that would leave the file: all of a set but its first. */
  readonly folded: boolean;
}

export function layerStack(
  groups: readonly StackGroup[],
  parameters: number,
  sets: readonly StackSet[],
): StackSegment[] {
  const segments: StackSegment[] = [];
  let start = 0;
  for (const { id, layers, parametersPerFfn } of groups) {
    const width = parametersPerFfn / parameters;
    for (let layer = 0; layer < layers; layer++) {
      const index = sets.findIndex((set) => set.groupId === id && set.layers.includes(layer));
      segments.push({
        key: `${id} ${layer}`,
        kind: 'ffn',
        groupId: id,
        layer,
        start,
        width,
        set: index < 0 ? null : index,
        folded: index >= 0 && layer !== sets[index].layers[0],
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
    set: null,
    folded: false,
  });
  return segments;
}
