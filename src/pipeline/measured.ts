/**
 * From opened files to what is measured and what is edited along: the flat model of the main files, its FFNs, and
 * views of the same layers in other branches and files.
 */

import { flatten } from '../flatten/flatten.ts';
import { asItIs } from '../flatten/sites.ts';
import type { FlatModel, Part, PartUse } from '../flatten/types.ts';
import { type Ffn, type FfnGroup, type FfnSearch, findFfns } from '../graph/ffn.ts';
import { firstView, type View } from '../merge/views.ts';
import { untieable } from '../merge/write-back.ts';
import { layoutOf } from '../onnx/layout.ts';
import { externalLocations } from '../onnx/save.ts';
import type { OnnxModel } from '../onnx/types.ts';
import { DataType } from '../tensor/dtype.ts';
import { FROM_ENCODER, type ModelFiles } from './model-files.ts';
import { unpackable } from './unpack.ts';

export interface Measured {
  /** The first is measured. */
  readonly views: readonly [View, ...View[]];
  readonly flat: FlatModel;
  readonly search: FfnSearch;
  /** Whether weights are kept in fewer bits than they are measured in. */
  readonly widened: boolean;
}

const CACHE_SWITCH = 'use_cache_branch';
const keepsOutput = (name: string) => !name.startsWith('present');

/** @throws OnnxError where the files cannot be joined or searched */
export async function measuredModel({ main, twins }: ModelFiles): Promise<Measured> {
  const uses = usesOf(main, false);
  const { flat, search: found, widened } = await flatAndSearch(uses);
  const search = withoutUntieable(firstView(flat, found));
  const first = firstView(flat, search);
  const others: View[] = [];
  for (const part of [...main, ...twins]) {
    const hasSwitch = part.model.graph.inputs.some((v) => v.name === CACHE_SWITCH);
    if (hasSwitch) others.push(await twinView(usesOf([part], true), first));
    if (twins.includes(part)) others.push(await twinView(usesOf([part], false), first));
  }
  return { views: [first, ...others], flat, search, widened };
}

async function flatAndSearch(
  uses: readonly PartUse[],
): Promise<{ flat: FlatModel; search: FfnSearch; widened: boolean }> {
  const [{ part, fixed }] = uses;
  const halves = uses.some((u) => hasHalves(u.part.model));
  const plain =
    uses.length === 1 &&
    fixed.size === 0 &&
    !callsFunctions(part.model) &&
    // A branch whose condition is a constant can be taken.
    !part.model.graph.nodes.some((n) => n.opType === 'If') &&
    externalLocations(part.model).length === 0;
  const asRead = plain ? asItIs(part) : await flatten(uses, { widen: false });
  const first = await findFfns(asRead.model, { quantized: true });
  const unpack = await unpackable(asRead, first);
  if (!halves && unpack.size === 0) return { flat: asRead, search: first, widened: false };
  const flat = await flatten(uses, { widen: true, unpack });
  return {
    flat,
    search: await findFfns(flat.model, { storedAs: (t) => storedType(flat, t) }),
    widened: true,
  };
}

/** Groups whose weights cannot be shared in their file become refusals. */
function withoutUntieable(view: View): FfnSearch {
  const { search } = view;
  const refusals = [...search.refusals];
  const groups = search.groups.filter(({ ffns }) => {
    const reasons = ffns.map((f) => untieable(view, f)).filter((r) => r !== undefined);
    refusals.push(...reasons);
    return reasons.length === 0;
  });
  return { ...search, groups, refusals };
}

/** What else than its shape tells tensors apart that may share one copy. */
function storedType(flat: FlatModel, tensor: Parameters<FlatModel['storedAs']>[0]): string {
  const stored = flat.storedAs(tensor);
  return stored?.packing ? JSON.stringify(stored.packing.scheme) : `${stored?.tensor.dataType ?? ''}`;
}

/** Anywhere in the file, branches and functions included. */
function hasHalves(model: OnnxModel): boolean {
  const { tensors, nodes } = layoutOf(model);
  const isHalf = (type: number | undefined) => type === DataType.float16 || type === DataType.bfloat16;
  return (
    [...tensors.keys()].some((t) => isHalf(t.dataType)) ||
    model.graph.inputs.some((v) => isHalf(v.elemType)) ||
    [...nodes.keys()].some((n) => n.opType === 'Cast' && isHalf(n.attributes.get('to')?.i))
  );
}

function callsFunctions({ graph, functions }: OnnxModel): boolean {
  const names = new Set(functions.map((f) => `${f.domain}:${f.name}`));
  return graph.nodes.some((n) => names.has(`${n.domain}:${n.opType}`));
}

/** How the files run as one graph: the decoder reads what the encoder gives. */
function usesOf(parts: readonly Part[], withCache: boolean): PartUse[] {
  const encoder = parts.find((p) => p.role === 'encoder');
  const joined = parts.length > 1;
  return parts.map((part) => {
    const prefix = joined ? `${part.role === 'encoder' ? 'encoder' : 'decoder'}/` : '';
    const fixed = new Map<string, boolean>();
    const inputs = new Map<string, string>();
    for (const { name } of part.model.graph.inputs) if (name === CACHE_SWITCH) fixed.set(name, withCache);
    if (joined && part !== encoder && encoder) {
      const [hidden] = encoder.model.graph.outputs;
      for (const name of FROM_ENCODER) inputs.set(name, `encoder/${hidden.name}`);
      inputs.set('encoder_attention_mask', 'attention_mask');
      inputs.set('input_ids', 'decoder_input_ids');
      inputs.set('attention_mask', 'decoder_attention_mask');
      inputs.set('position_ids', 'decoder_position_ids');
    }
    const gives = joined && part === encoder ? () => false : keepsOutput;
    return { part, prefix, inputs, fixed, keepsOutput: gives };
  });
}

/** The FFNs of a second view, matched with those of the first: the same tensors, or the same place in a like stack. */
async function twinView(uses: readonly PartUse[], { flat: main, search: mainSearch }: View): Promise<View> {
  const { flat, search } = await flatAndSearch(uses);
  const twins = new Map<Ffn, Ffn>();
  const byTensor = new Map(search.groups.flatMap((g) => g.ffns.map((f) => [tensorOf(flat, f), f] as const)));
  const ofDecoder = (g: FfnGroup) =>
    main.originOfNode(g.ffns[0].weights[0].node)?.scope.use.part.role !== 'encoder';
  for (const group of mainSearch.groups) {
    const isLike = (g: FfnGroup) => likeness(g) === likeness(group);
    // Stacks that are alike come in the same order.
    const place = mainSearch.groups.filter((g) => ofDecoder(g) && isLike(g)).indexOf(group);
    const alike = place < 0 ? undefined : search.groups.filter(isLike)[place];
    group.ffns.forEach((ffn, i) => {
      const [tensor, placed] = [tensorOf(main, ffn), alike?.ffns[i]];
      // Layers may share a tensor, so that the one in the same place comes first.
      const twin = placed && tensorOf(flat, placed) === tensor ? placed : (byTensor.get(tensor) ?? placed);
      if (twin) twins.set(ffn, twin);
    });
  }
  return { flat, search, twinOf: (ffn) => twins.get(ffn) };
}

/** What groups of the same layers in two files have in common. */
function likeness({ ffns, dModel, dFf, gated, activation }: FfnGroup): string {
  return [ffns.length, dModel, dFf, gated, activation.label].join(' · ');
}

function tensorOf(flat: FlatModel, ffn: Ffn) {
  return flat.storedAs(ffn.weights[0].source.tensor)?.tensor;
}
