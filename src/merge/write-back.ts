/**
 * Writing merged FFNs back: k layers read one stored copy, k − 1 copies leave the files (method.md, Steps 4).
 *
 * The copy that stays is the first layer's, in its place and in its type, so that a file changes as little as it can.
 * Where the exporter shares that tensor with layers outside of the set, the set gets a copy of its own. The same
 * layers in other branches and files are tied along (views.ts).
 *
 * Known limits: weights that are constants inside a function cannot be tied (the function is shared by its calls).
 */
import { isVisible, type Site, siteOf } from '../flatten/sites.ts';
import type { FlatModel, Part, StoredTensor } from '../flatten/types.ts';
import type { Ffn, FfnGroup } from '../graph/ffn.ts';
import { type FfnWeight, type WeightRole, weightShape } from '../graph/weights.ts';
import type { ModelEdits, NodeInfo, TensorInfo } from '../onnx/types.ts';
import { isFloatType } from '../tensor/dtype.ts';
import { transpose } from '../tensor/matrix.ts';
import { elementCount } from '../tensor/shape.ts';
import { codesOf } from './as-kept.ts';
import { FileEdits, SiteSet } from './file-edits.ts';
import type { OwnLayer } from './own.ts';
import { encodeFloats, withData } from './stored-values.ts';
import type { View } from './views.ts';

/** One merged FFN: the layers that share it. */
export interface TiedFfn {
  readonly group: FfnGroup;
  /** Two or more, execution order. */
  readonly layers: readonly number[];
  /** Values in the shape that the nodes see; absent while only the saving is asked for. */
  readonly values?: ReadonlyMap<WeightRole, Float32Array>;
  /** What each layer has of its own, in the order of `layers`; absent = nothing. */
  readonly own?: readonly OwnLayer[];
}

/** Edits by file. */
export type EditedFiles = ReadonlyMap<Part, ModelEdits>;

export interface WriteBack {
  readonly files: EditedFiles;
  /** Elements of the floating-point tensors (rank ≥ 1) that leave, less those that come. */
  readonly parametersSaved: number;
}

/** A weight of one layer in one view, and where its file says what is read. */
interface Placed {
  readonly view: View;
  readonly weight: FfnWeight;
  /** The flat value that the site reads. */
  readonly value: string;
  readonly site: Site;
  /** Whether the site reads the weight transposed against what its FFN reads. */
  readonly flipped: boolean;
}

/**
 * Plans the edits that tie each FFN of `tied`, in all views.
 * Without `values` the tensors keep their contents, which is enough to compute sizes.
 * @throws RangeError where a weight is a constant inside a function
 */
export function tieFfns(views: readonly View[], tied: readonly TiedFfn[]): WriteBack {
  const files = new Map<Part, FileEdits>();
  const editsOf = (part: Part) => {
    const known = files.get(part) ?? new FileEdits(part.model);
    files.set(part, known);
    return known;
  };
  for (const set of tied) {
    for (const anchor of set.group.ffns[set.layers[0]].weights) {
      const places = views.map((view) => placesOf(view, set, anchor.role)).filter((p) => p.length > 1);
      for (const part of new Set(places.map(([first]) => partOf(first)))) {
        const mine = places.filter(([first]) => partOf(first) === part);
        const value = set.values?.get(anchor.role);
        tieWeight(
          editsOf(part),
          mine,
          anchor,
          value,
          `layerfold.${set.group.id}.${set.layers[0]}-${set.layers.at(-1)}.${anchor.role}`,
        );
      }
    }
  }
  const edited = new Map([...files].map(([part, edits]) => [part, edits.finish()]));
  return { files: edited, parametersSaved: parametersRemoved(edited, views) };
}

const partOf = ({ site }: Placed): Part => site.scope.use.part;

/** The weight of a role in each layer of a set, as one view has it. */
function placesOf(view: View, { group, layers }: TiedFfn, role: WeightRole): Placed[] {
  const twins = layers.map((l) => view.twinOf(group.ffns[l])).filter((f): f is Ffn => f !== undefined);
  return twins.map((ffn) => placeOf(view, ffn.weights.find((w) => w.role === role)!));
}

/** The nearest input, towards where the weight is stored, that a file can give another value. */
function placeOf(view: View, weight: FfnWeight): Placed {
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

/** Ties one weight of a set in one file: in each view, all layers read what the first reads. */
function tieWeight(
  edits: FileEdits,
  places: readonly (readonly Placed[])[],
  primary: FfnWeight,
  value: Float32Array | undefined,
  name: string,
): void {
  const sites = new SiteSet();
  for (const { site } of places.flat()) for (const input of inputsAt(site)) sites.add(site.node, input);
  const [first] = places[0];
  const stored = first.view.flat.storedAs(first.weight.source.tensor)!;
  const { packing } = stored;
  const oneTensor = places.every(
    ([p]) => p.view.flat.storedAs(p.weight.source.tensor)?.tensor === stored.tensor,
  );
  const reachable = places.every(([anchor, ...members]) =>
    members.every(({ site }) => isVisible(anchor.view.flat.originOfValue(anchor.value)!, site)),
  );
  const zeroPoints = packing?.fixedZeroPoints ? undefined : packing?.zeroPoints;
  const tensors = packing ? [packing.values, packing.scales, zeroPoints] : [stored.tensor];
  const exclusive = tensors.every((t) => !t || isOnlyFor(edits, stored, t, sites));
  if (!oneTensor || !reachable || !exclusive || packing?.foreignScale) {
    // Branches may read one weight either way round.
    for (const turned of [false, true]) {
      const alike = places.filter(([p]) => isTurned(p, first) === turned);
      if (alike.length > 0) giveOwnCopy(edits, alike, primary, value, name);
    }
    return;
  }
  for (const [anchor, ...members] of places) {
    const target = anchor.view.flat.originOfValue(anchor.value)!.name;
    for (const { site } of members) {
      for (const input of inputsAt(site)) {
        const isWeight = input === site.input;
        edits.rename(site.node, input, isWeight ? target : anchor.site.node.inputs[input]);
      }
    }
  }
  if (!value) return;
  if (!packing) {
    const data = encodeFloats(asStored(first, primary, value), stored.tensor.dataType);
    edits.replace(stored.tensor, withData(stored.tensor, data));
    return;
  }
  const codes = codesOf(value);
  edits.replace(packing.values, withData(packing.values, codes.values));
  edits.replace(packing.scales, withData(packing.scales, codes.scales));
  if (zeroPoints && codes.zeroPoints) edits.replace(zeroPoints, withData(zeroPoints, codes.zeroPoints));
}

/** Whether two sites read a matrix transposed against each other. */
function isTurned(a: Placed, b: Placed): boolean {
  const turns = (p: Placed) => p.flipped !== (weightShape(p.weight).unitAxis === 0);
  return weightShape(a.weight).rows > 1 && turns(a) !== turns(b);
}

/** The inputs that hold one weight at a site: MatMulNBits has its scales and zero points beside the codes. */
function inputsAt({ node, input }: Site): number[] {
  if (node.opType !== 'MatMulNBits' || input !== 1) return [input];
  return [1, 2, 3].filter((i) => (node.inputs[i] ?? '') !== '');
}

/**
 * A copy of the set's own, where its first layer's is read by other layers too, which keep it. It is stored as floats,
 * as a bias must be whose scale would depend on the layer.
 * @throws RangeError for codes in blocks, which no float can stand for
 */
function giveOwnCopy(
  edits: FileEdits,
  places: readonly (readonly Placed[])[],
  primary: FfnWeight,
  value: Float32Array | undefined,
  name: string,
): void {
  const [first] = places[0];
  const { dims } = first.weight.source;
  const { tensor, packing } = first.view.flat.storedAs(first.weight.source.tensor)!;
  if (packing?.scheme.kind === 'blocks') {
    throw new RangeError(
      `The weight “${tensor.name}” is shared with layers outside of the set, which cannot be undone for MatMulNBits; pick all layers that share it, or drop the model before quantization.`,
    );
  }
  const { scheme } = packing ?? {};
  const kept = scheme?.kind === 'linear' ? (scheme.outputType ?? scheme.scaleType) : tensor.dataType;
  // A Cast between the tensor and the site is passed over.
  const dataType = edits.castTo(first.site.node, first.site.node.inputs[first.site.input]) ?? kept;
  const contents = value ? asSeen(first, primary, value) : new Float32Array(elementCount(dims));
  const own = edits.add(name, {
    dataType,
    dims: first.flipped ? [dims[1], dims[0]] : dims,
    data: encodeFloats(first.flipped ? transpose(contents, dims[0], dims[1]) : contents, dataType),
  });
  for (const { site } of places.flat()) edits.rename(site.node, site.input, own);
}

/** Whether a stored tensor is read, through views of it, at these sites only. */
function isOnlyFor(edits: FileEdits, { scope }: StoredTensor, tensor: TensorInfo, sites: SiteSet): boolean {
  const holder = scope.nodes.find((n) => n.attributes.get('value')?.t === tensor);
  const held = scope.graph && edits.definitionIn(scope.graph, holder ? holder.outputs[0] : tensor.name);
  return held !== undefined && edits.leadsOnlyTo(held, sites);
}

/** Values of the first view's weight in the shape that another view's node sees. */
function asSeen({ weight }: Placed, primary: FfnWeight, value: Float32Array): Float32Array {
  const [from, to] = [weightShape(primary), weightShape(weight)];
  return from.rows > 1 && from.unitAxis !== to.unitAxis ? transpose(value, from.rows, from.cols) : value;
}

/** The same in the layout of the stored tensor. */
function asStored(place: Placed, primary: FfnWeight, value: Float32Array): Float32Array {
  const seen = asSeen(place, primary, value);
  const { transposed, dims } = place.weight.source;
  return transposed ? transpose(seen, dims[0], dims[1]) : seen;
}

/** Elements of the floating-point tensors (rank ≥ 1) that edits take out of the measured files, less what they add. */
export function parametersRemoved(files: EditedFiles, views: readonly View[]): number {
  const logical = quantizedSizes(views);
  let removed = 0;
  const count = (t: Pick<TensorInfo, 'dataType' | 'dims'> | undefined, sign: number) => {
    if (!t) return;
    const known = logical.get(t as TensorInfo);
    if (known !== undefined) removed += sign * known;
    else if (isFloatType(t.dataType) && t.dims.length > 0) removed += sign * elementCount(t.dims);
  };
  const measured = new Set(views[0].flat.uses.map((u) => u.part));
  for (const [part, { tensors, nodes, addInitializers }] of files) {
    // Second copies of a decoder are files, not parameters.
    if (!measured.has(part)) continue;
    for (const [node, edit] of nodes ?? []) {
      if (edit === 'drop') count(node.attributes.get('value')?.t, 1);
    }
    for (const [tensor, edit] of tensors ?? []) if (edit === 'drop') count(tensor, 1);
    for (const tensor of addInitializers ?? []) count(tensor, -1);
  }
  return removed;
}

/** Parameters that a quantized tensor holds; its scales hold none. */
function quantizedSizes(views: readonly View[]): Map<TensorInfo, number> {
  const sizes = new Map<TensorInfo, number>();
  for (const { flat, search } of views) {
    for (const { source } of search.groups.flatMap((g) => g.ffns.flatMap((f) => f.weights))) {
      const { packing } = flat.storedAs(source.tensor) ?? {};
      if (!packing) continue;
      sizes.set(packing.values, elementCount(source.tensor.dims));
      for (const tensor of [packing.scales, packing.zeroPoints]) if (tensor) sizes.set(tensor, 0);
    }
  }
  return sizes;
}
