/**
 * Where a weight of an FFN stands in its file: the input that decides which tensor is read, and its element type there.
 */
import { type Site, siteOf } from '../flatten/sites.ts';
import type { FlatModel, Part } from '../flatten/types.ts';
import type { Ffn } from '../graph/ffn.ts';
import type { FfnWeight } from '../graph/weights.ts';
import type { NodeInfo, OnnxModel } from '../onnx/types.ts';
import { castTo } from './file-edits.ts';
import type { View } from './views.ts';

/** A weight of one layer in one view, and where its file says what is read. */
export interface Placed {
  readonly view: View;
  readonly weight: FfnWeight;
  /** The flat value that the site reads. */
  readonly value: string;
  readonly site: Site;
  /** Whether the site reads the weight transposed against what its FFN reads. */
  readonly flipped: boolean;
}

export const partOf = ({ site }: Placed): Part => site.scope.use.part;

/**
 * The nearest input, towards where the weight is stored, that a file can give another value.
 * @throws RangeError where it is a constant inside a function
 */
export function placeOf(view: View, weight: FfnWeight): Placed {
  const { flat, search } = view;
  let { node, input }: { node: NodeInfo; input: number } = weight;
  let flipped = false;
  for (;;) {
    const value = node.inputs[input];
    const site = siteOf(flat, node, input);
    if (site) return { view, weight, value, site, flipped };
    const producer = search.index.producers.get(value);
    if (!producer || producer.inputs.length === 0) throw new RangeError(insideFunction(flat, weight));
    if (producer.opType === 'Transpose') flipped = !flipped;
    node = producer;
    input = 0;
  }
}

function insideFunction(flat: FlatModel, weight: FfnWeight): string {
  const name = flat.originOfNode(weight.node)?.scope.holder?.opType ?? weight.node.opType;
  return `The weights of the FFN in the function “${name}” are constants inside it, which cannot be shared between layers; inline it with onnx.inliner.inline_local_functions and drop the result instead.`;
}

/** Why an FFN's weights cannot be shared in its file, in a sentence; undefined where they can. */
export function untieable(view: View, ffn: Ffn): string | undefined {
  for (const weight of ffn.weights) {
    try {
      placeOf(view, weight);
    } catch (error) {
      if (error instanceof RangeError) return error.message;
      throw error;
    }
  }
  return undefined;
}

/** The element type of floats that can stand where a weight is read in its file: unpacked, and past a Cast. */
export function floatTypeAt(model: OnnxModel, { view, weight, site }: Placed): number {
  const { tensor, packing } = view.flat.storedAs(weight.source.tensor)!;
  const scheme = packing?.scheme;
  const kept = !scheme
    ? tensor.dataType
    : scheme.kind === 'linear'
      ? (scheme.outputType ?? scheme.scaleType)
      : scheme.scaleType;
  // A Cast between the tensor and the site is passed over.
  return castTo(model, site.node, site.node.inputs[site.input]) ?? kept;
}
