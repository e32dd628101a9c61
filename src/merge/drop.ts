/**
 * Controls without merging: FFNs or whole layers that are left out (method.md, “Controls to offer beside it”).
 *
 * Why: a merge must be better than simply having fewer sublayers. The stream after what is dropped is the stream
 * before it, in the file by other input names, in the live model by zero weights (FFNs) or replaced values (layers).
 *
 * Known limits: what another output of the model needs (a key-value cache, say) stays in the file.
 */
import { isVisible, type Site, siteOf } from '../flatten/sites.ts';
import type { Part } from '../flatten/types.ts';
import { valueTypes } from '../flatten/value-types.ts';
import type { Ffn, FfnGroup, FfnSearch, WeightRole } from '../graph/ffn.ts';
import { layerSpans } from '../graph/layers.ts';
import { isView } from '../graph/operators.ts';
import { isPure } from '../graph/orphans.ts';
import { isMovable, reroute } from '../graph/reroute.ts';
import type { NewTensor } from '../onnx/types.ts';
import { rawByteLength } from '../tensor/dtype.ts';
import { elementCount } from '../tensor/shape.ts';
import { FileEdits } from './file-edits.ts';
import { formatSet } from './sets.ts';
import type { View } from './views.ts';
import type { EditedFiles } from './write-back.ts';

/** Layers of a group. */
export interface GroupLayers {
  readonly group: FfnGroup;
  readonly layers: readonly number[];
}

/**
 * The edits that leave out the FFNs named.
 * @throws RangeError where an FFN's output does more than go to the residual stream
 */
export function dropFfns(views: readonly View[], dropped: readonly GroupLayers[]): EditedFiles {
  return rerouteFiles(views, (view) => {
    const moves = new Map<string, string>();
    for (const ffn of dropped.flatMap(({ group, layers }) => layers.map((l) => view.twinOf(group.ffns[l])))) {
      if (!ffn) continue;
      if (!ffn.residual || !endsInResidual(ffn, view.search)) {
        throw new RangeError(
          `The FFN ${ffn.label} cannot be left out, because its output does not go straight to a residual Add.`,
        );
      }
      moves.set(ffn.residual.output, ffn.residual.stream);
    }
    return moves;
  });
}

/** In each view, gives the readers of some values others, and takes what is then dead out of the files. */
function rerouteFiles(
  views: readonly View[],
  movesOf: (view: View) => ReadonlyMap<string, string>,
): EditedFiles {
  const files = new Map<Part, FileEdits>();
  for (const view of views) {
    const { flat, search } = view;
    const { renamed, zeros } = reroute(search.index, movesOf(view));
    const added = new Map(zeros.map((zero) => [zero.name, zero]));
    for (const [node, names] of renamed) {
      names.forEach((name, input) => {
        if (name === node.inputs[input]) return;
        const site = siteOf(flat, node, input);
        if (!site) throw outOfReach();
        const { part } = site.scope.use;
        const edits = files.get(part) ?? new FileEdits(part.model);
        files.set(part, edits);
        const zero = added.get(name);
        const origin = flat.originOfValue(name);
        if (!zero && !(origin && isVisible(origin, site))) throw outOfReach();
        const own = zero ? edits.add(name, zeroAt(site, zero)) : origin!.name;
        edits.rename(site.node, site.input, own);
      });
    }
  }
  return new Map([...files].map(([part, edits]) => [part, edits.finish(isPure)]));
}

/** A zero as the file needs it, which may keep in half precision what is measured in f32. */
function zeroAt({ scope, node }: Site, zero: NewTensor): NewTensor {
  const dataType = valueTypes(scope.use.part.model).get(node.outputs[0]) ?? zero.dataType;
  return { ...zero, dataType, data: new Uint8Array(rawByteLength(dataType, 1)) };
}

function outOfReach(): RangeError {
  return new RangeError(
    'What is left out begins and ends in different functions or branches of the model, so it cannot be left out. Merge FFNs instead.',
  );
}

/** Weights that make an FFN's output exactly zero: of the last linear map, and its bias. */
export function zeroOutput(ffn: Ffn): Map<WeightRole, Float32Array> {
  const zeros = new Map<WeightRole, Float32Array>();
  for (const { role, source } of ffn.weights) {
    if (role === 'w_out' || role === 'b_out') zeros.set(role, new Float32Array(elementCount(source.dims)));
  }
  return zeros;
}

/** Whether a zero output adds nothing to the stream and is read by nothing else: only views and factors between. */
function endsInResidual({ output, residual }: Ffn, { index }: FfnSearch): boolean {
  let value = output;
  for (let hops = 0; hops < 8; hops++) {
    if (index.outputs.has(value)) return false;
    const uses = index.usesOf(value).filter((u) => u.node.opType !== 'Shape');
    if (uses.length !== 1 || uses[0].input < 0) return false;
    const [{ node, input }] = uses;
    if (node === residual?.node) return true;
    const factor = node.opType === 'Mul' || (node.opType === 'Div' && input === 0);
    if (!factor && !isView(node.opType)) return false;
    value = node.outputs[0];
  }
  return false;
}

/** For each layer of a group, the stream after it and before it; undefined where it cannot be left out. */
export function droppableLayers(
  group: FfnGroup,
  search: FfnSearch,
): ({ readonly input: string; readonly output: string } | undefined)[] {
  return layerSpans(group, search).map((span) =>
    span && isMovable(search.index, span.output) ? span : undefined,
  );
}

/**
 * What is replaced where layers are left out: the stream after each by the stream before it.
 * @throws RangeError where it cannot be told where a layer begins and ends
 */
export function layerMoves(search: FfnSearch, dropped: readonly GroupLayers[]): Map<string, string> {
  const moves = new Map<string, string>();
  for (const { group, layers } of dropped) {
    const spans = droppableLayers(group, search);
    const unknown = layers.filter((l) => !spans[l]);
    if (unknown.length > 0) throw new RangeError(unknownSpans(unknown));
    for (const layer of layers) moves.set(spans[layer]!.output, spans[layer]!.input);
  }
  return moves;
}

/** The edits that leave out whole layers. @throws as `layerMoves` */
export function dropLayers(views: readonly View[], dropped: readonly GroupLayers[]): EditedFiles {
  return rerouteFiles(views, (view) =>
    layerMoves(
      view.search,
      dropped.flatMap((d) => twinLayers(view, d)),
    ),
  );
}

/** The same layers in the groups of another view. */
function twinLayers({ search, twinOf }: View, { group, layers }: GroupLayers): GroupLayers[] {
  const twins = layers.map((l) => twinOf(group.ffns[l]));
  return search.groups.flatMap((g) => {
    const mine = twins.flatMap((t) => (t && g.ffns.includes(t) ? [t.layer] : []));
    return mine.length > 0 ? [{ group: g, layers: mine }] : [];
  });
}

/** The sentence for layers that cannot be left out. */
export function unknownSpans(layers: readonly number[]): string {
  const which =
    layers.length === 1
      ? `layer ${layers[0]} begins and ends`
      : `the layers ${formatSet(layers)} begin and end`;
  return `It cannot be told where ${which} on the residual stream, so ${layers.length === 1 ? 'it' : 'they'} cannot be left out. Drop FFNs instead.`;
}
