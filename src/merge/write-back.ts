/**
 * Writing merged FFNs back: k layers read one stored copy, k − 1 copies leave the files (method.md, Steps 4).
 *
 * The copy that stays is the first layer's, in its place and in its type, so that a file changes as little as it can.
 * Where the exporter shares that tensor with layers outside of the set, the set gets a copy of its own. The same
 * layers in other branches and files are tied along (views.ts).
 *
 * Known limits: weights that are constants inside a function cannot be tied (the function is shared by its calls).
 */
import { isVisible, type Site } from '../flatten/sites.ts';
import type { Part, StoredTensor } from '../flatten/types.ts';
import type { Ffn, FfnGroup } from '../graph/ffn.ts';
import { type FfnWeight, type WeightRole, weightShape } from '../graph/weights.ts';
import type { ModelEdits, TensorInfo } from '../onnx/types.ts';
import { isFloatType } from '../tensor/dtype.ts';
import { transpose } from '../tensor/matrix.ts';
import { elementCount } from '../tensor/shape.ts';
import { codesOf } from './as-kept.ts';
import { FileEdits, SiteSet } from './file-edits.ts';
import type { OwnLayer } from './own.ts';
import { writeChanges } from './own-nodes.ts';
import { floatTypeAt, type Placed, partOf, placeOf } from './placed.ts';
import { encodeFloats, withData } from './stored-values.ts';
import type { View } from './views.ts';

export { untieable } from './placed.ts';

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

/**
 * Plans the edits that tie each FFN of `tied`, in all views.
 * Without `values` the tensors keep their contents, which is enough to compute sizes.
 * What layers have of their own is not tied: weights stay each layer's, in its tensor where no other reads it, and
 * changes of values become new nodes.
 * @throws RangeError where a weight is a constant inside a function, or a file cannot take what a layer has of its own
 */
export function tieFfns(views: readonly View[], tied: readonly TiedFfn[]): WriteBack {
  const files = new Map<Part, FileEdits>();
  const editsOf: EditsOf = (part) => {
    const known = files.get(part) ?? new FileEdits(part.model);
    files.set(part, known);
    return known;
  };
  for (const set of tied) {
    checkOwn(set);
    for (const anchor of set.group.ffns[set.layers[0]].weights) {
      if (set.own?.some((o) => o.weights?.has(anchor.role))) {
        writeOwnWeights(editsOf, views, set, anchor.role);
        continue;
      }
      const name = `layerfold.${set.group.id}.${set.layers[0]}-${set.layers.at(-1)}.${anchor.role}`;
      const places = views.map((view) => placesOf(view, set, anchor.role)).filter((p) => p.length > 1);
      tieInFiles(editsOf, places, anchor, set.values?.get(anchor.role), name);
    }
    set.own?.forEach(({ changes }, i) => {
      const layer = set.layers[i];
      const name = `layerfold.${set.group.id}.${layer}`;
      if (changes) writeChanges(editsOf, views, set.group.ffns[layer], changes, name);
    });
  }
  const edited = new Map([...files].map(([part, edits]) => [part, edits.finish()]));
  return { files: edited, parametersSaved: parametersRemoved(edited, views) };
}

type EditsOf = (part: Part) => FileEdits;

/** @throws RangeError where layers and what they have of their own do not fit together */
function checkOwn({ group, layers, own }: TiedFfn): void {
  if (!own) return;
  if (own.length !== layers.length) {
    throw new RangeError(
      `${layers.length} layers were given ${own.length} entries of what each has of its own.`,
    );
  }
  const roles = new Set(own.flatMap((o) => [...(o.weights?.keys() ?? [])]));
  for (const role of roles) {
    if (!group.ffns[layers[0]].weights.some((w) => w.role === role)) {
      throw new RangeError(`A layer was given a weight “${role}” of its own, which its FFN does not have.`);
    }
    const without = own.findIndex((o) => !o.weights?.has(role));
    if (without >= 0) {
      throw new RangeError(
        `The weight “${role}” is not tied, but layer ${layers[without] + 1} was given none of its own.`,
      );
    }
  }
}

/** Each layer's own values of a role that is not tied: in place where no other layer reads the tensor. */
function writeOwnWeights(editsOf: EditsOf, views: readonly View[], set: TiedFfn, role: WeightRole): void {
  set.layers.forEach((layer, i) => {
    const places = views.map((view) => placesOf(view, { ...set, layers: [layer] }, role));
    const weight = set.group.ffns[layer].weights.find((w) => w.role === role)!;
    const value = set.own![i].weights!.get(role)!;
    const name = `layerfold.${set.group.id}.${layer}.${role}`;
    tieInFiles(
      editsOf,
      places.filter((p) => p.length > 0),
      weight,
      value,
      name,
    );
  });
}

function tieInFiles(
  editsOf: EditsOf,
  places: readonly (readonly Placed[])[],
  primary: FfnWeight,
  value: Float32Array | undefined,
  name: string,
): void {
  for (const part of new Set(places.map(([first]) => partOf(first)))) {
    const mine = places.filter(([first]) => partOf(first) === part);
    tieWeight(editsOf(part), mine, primary, value, name);
  }
}

/** The weight of a role in each layer of a set, as one view has it. */
function placesOf(view: View, { group, layers }: TiedFfn, role: WeightRole): Placed[] {
  const twins = layers.map((l) => view.twinOf(group.ffns[l])).filter((f): f is Ffn => f !== undefined);
  return twins.map((ffn) => placeOf(view, ffn.weights.find((w) => w.role === role)!));
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
  const dataType = floatTypeAt(edits.model, first);
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
