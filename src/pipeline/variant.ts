/**
 * Variants of the open model: merged sets of layers, and the controls that leave FFNs or layers out instead.
 *
 * Each variant is the same thing twice: edits of the file, and changes of the live model that give the same outputs.
 */

import type { Permutation } from '../align/permutation.ts';
import { DataError } from '../data/errors.ts';
import type { FfnGroup, WeightRole } from '../graph/ffn.ts';
import type { Pair } from '../kernels/backend.ts';
import { asKept, type Kept } from '../merge/as-kept.ts';
import {
  dropFfns,
  dropLayers,
  droppableLayers,
  type GroupLayers,
  layerMoves,
  unknownSpans,
  zeroOutput,
} from '../merge/drop.ts';
import { type MergeMethod, mergeMethods } from '../merge/method.ts';
import { randomWindows } from '../merge/random-windows.ts';
import { firstMismatch } from '../merge/same-weights.ts';
import { checkSets, formatSet, referencePosition } from '../merge/sets.ts';
import { type EditedFiles, parametersRemoved, type TiedFfn, tieFfns } from '../merge/write-back.ts';
import type { PinnedTensor } from '../runtime/session.ts';
import { createSeeded } from '../tensor/seeded.ts';
import { resolveBestScore } from './best-score.ts';
import { chooseLayers } from './choose-layers.ts';
import type { StageContext } from './context.ts';
import type { Changes } from './live-model.ts';
import { groupOf, type OpenedModel } from './opened.ts';
import { alignScores } from './pairs.ts';
import { savedSize } from './saved.ts';
import { candidateScores, type SingleScore, scoreKey, termsOf } from './score-terms.ts';
import type { LayerSet, MergePlan, Saving } from './types.ts';

/** A variant: what to write to the file, and what to change in the live model. */
export interface Variant {
  /** As carried out: drawn sets and the best score are filled in. */
  readonly plan: MergePlan;
  /** Empty where nothing is tied (drops). */
  readonly tied: readonly TiedFfn[];
  /** For each tied set, that of each layer as merged, before recovery; null = the identity. */
  readonly permutations: readonly (readonly (Permutation | null)[])[];
  readonly files: EditedFiles;
  readonly changes: Changes;
  /** Key of the dataset whose calibration split aligned it; empty where none was used. */
  readonly builtOn: string;
  /** Key of the dataset that its recovery was fitted on, or keys. */
  readonly fittedOn?: string;
  /** What quantizing merged weights again added, a set each. */
  readonly requantized?: readonly Requantized[];
  /** For `ffn-drop`: per group, the layers whose FFN is left out. */
  readonly droppedFfns?: readonly LayerRefs[];
  /** For `layer-drop`: per group, the layers left out. */
  readonly droppedLayers?: readonly LayerRefs[];
}

export type Requantized = NonNullable<Kept['requantized']> & { readonly layers: readonly number[] };

/** Layers of a group, ascending; one or more. */
export interface LayerRefs {
  readonly groupId: string;
  readonly layers: readonly number[];
}

/** Scores changes on the select split: lower is better. It must not advance the context's job. */
export type Evaluate = (changes: Changes) => Promise<number>;

/**
 * The layers of each set.
 * @throws RangeError with a sentence for sets that are out of range, too small, or share a layer
 */
export function layersOf(opened: OpenedModel, sets: readonly LayerSet[]): TiedFfn[] {
  for (const id of new Set(sets.map((s) => s.groupId))) {
    const group = groupOf(opened, id);
    checkSets(
      sets.filter((s) => s.groupId === id).map((s) => s.layers),
      group.ffns.length,
    );
  }
  return sets.map(({ groupId, layers }) => ({
    group: groupOf(opened, groupId),
    layers: [...layers].sort((a, b) => a - b),
  }));
}

/**
 * What a variant saves, exactly: from the size of the composed file, which need not be made for that.
 * @param what a variant, or only sets that are to be tied
 */
export function savingOf(
  opened: OpenedModel,
  { tied, files }: { readonly tied: readonly TiedFfn[]; readonly files?: EditedFiles },
): Saving {
  const edited = files ?? tieFfns(opened.views, tied).files;
  const [bytesBefore, bytesAfter] = [savedSize(opened), savedSize(opened, edited)];
  return {
    parametersSaved: parametersRemoved(edited, opened.views),
    bytesSaved: bytesBefore - bytesAfter,
    bytesBefore,
    bytesAfter,
  };
}

/**
 * Carries out a plan.
 * @param evaluate for `layer-drop` and the score “best”, which are chosen by evaluation
 * @throws RangeError for a plan that cannot be carried out, DataError where data is needed
 */
export async function buildVariant(
  context: StageContext,
  plan: MergePlan,
  evaluate?: Evaluate,
): Promise<Variant> {
  const sets = layersOf(context.opened, plan.sets);
  switch (plan.method) {
    case 'ffn-drop':
      return withoutFfns(context, plan, sets);
    case 'layer-drop':
      return withoutLayers(context, plan, sets, evaluate);
    case 'random':
      return merged(context, drawn(plan, sets), evaluate);
    default:
      return merged(context, plan, evaluate);
  }
}

/** Frees the weights that a variant pinned. */
export function releaseVariant(variant: Variant | null): void {
  for (const pin of new Set(variant?.changes.weights?.values())) pin.release();
}

/** A plan with random windows of the same sizes in place of its sets. */
function drawn(plan: MergePlan, sets: readonly TiedFfn[]): MergePlan {
  const seed = plan.seed ?? 0;
  const random = createSeeded(seed);
  const windows = new Map<TiedFfn, number[]>();
  for (const group of new Set(sets.map((s) => s.group))) {
    const mine = sets.filter((s) => s.group === group);
    const sizes = mine.map((s) => s.layers.length);
    randomWindows(group.ffns.length, sizes, random).forEach((w, k) => {
      windows.set(mine[k], w);
    });
  }
  return { ...plan, seed, sets: sets.map((s) => ({ groupId: s.group.id, layers: windows.get(s)! })) };
}

/** Merges by a method of the registry; random windows are merged by permutation. */
async function merged(context: StageContext, plan: MergePlan, evaluate?: Evaluate): Promise<Variant> {
  const sets = layersOf(context.opened, plan.sets);
  const method = methodOf(plan);
  if (!method.needsAlignment) return mergedBy(context, plan, sets, 'default');
  const groups = [...new Set(sets.map((s) => s.group))];
  const candidates = plan.score === 'best' ? candidateScores(groups, context.dataset !== null) : [plan.score];
  if (plan.score === 'best' && !evaluate && candidates.length > 1) {
    throw new RangeError('The best alignment score is found by evaluation, which needs data to score on.');
  }
  const share = candidates.length > 1 ? 0.4 : 1;
  for (const group of groups) {
    const pairs = sets.filter((s) => s.group === group).flatMap((s) => pairsOf(plan, s.layers));
    const job = context.job.part(share / groups.length);
    await alignScores({ ...context, job }, group, pairs, candidates);
  }
  if (candidates.length === 1) {
    return mergedBy(context, { ...plan, score: candidates[0] }, sets, candidates[0]);
  }
  const job = context.job.part(1 - share);
  job.expect(candidates.length);
  const best = await resolveBestScore(
    candidates,
    (score) => mergedBy({ ...context, job }, { ...plan, score }, sets, score),
    async (variant) => {
      const damage = await evaluate!(variant.changes);
      await job.step('Tried an alignment score');
      return damage;
    },
    releaseVariant,
  );
  return best.variant;
}

/** Of the registry; random windows are merged by permutation. @throws TypeError for drops, which tie nothing */
function methodOf({ method }: MergePlan): MergeMethod {
  if (method === 'ffn-drop' || method === 'layer-drop') throw new TypeError(`“${method}” ties no weights.`);
  return mergeMethods[method === 'random' ? 'permute' : method];
}

/** Whether a plan permutes hidden units. */
export function isAligned(plan: MergePlan): boolean {
  const { method } = plan;
  return method !== 'ffn-drop' && method !== 'layer-drop' && methodOf(plan).needsAlignment;
}

/** [reference, other] of every other layer of a set. */
function pairsOf({ reference }: MergePlan, layers: readonly number[]): Pair[] {
  const anchor = layers[referencePosition(reference, layers.length)];
  return layers.filter((l) => l !== anchor).map((l): Pair => [anchor, l]);
}

/** Merges with pairs that are aligned already. */
async function mergedBy(
  { opened, live, dataset, backend, pairs, job }: StageContext,
  plan: MergePlan,
  sets: readonly TiedFfn[],
  score: SingleScore,
): Promise<Variant> {
  const method = methodOf(plan);
  const tied: (TiedFfn & { readonly values: ReadonlyMap<WeightRole, Float32Array> })[] = [];
  const requantized: Requantized[] = [];
  const permutations: (Permutation | null)[][] = [];
  for (const { group, layers } of sets) {
    job.announce(`Merging layers ${formatSet(layers)}`);
    const reference = referencePosition(plan.reference, layers.length);
    const permutationOf = (layer: number) => {
      if (!method.needsAlignment || layer === layers[reference]) return null;
      const key = scoreKey(termsOf(score, group), group);
      return pairs.get(group.id, layers[reference], layer, key)!.permutation;
    };
    const mine = layers.map(permutationOf);
    permutations.push(mine);
    const merged = await method.merge({
      backend,
      layers: await Promise.all(layers.map((l) => live.weightsOf(group, l))),
      reference,
      permutations: mine,
    });
    const kept = await asKept(opened.views[0].flat, group.ffns[layers[0]], merged);
    tied.push({ group, layers, values: kept.values });
    if (kept.requantized) requantized.push({ layers, ...kept.requantized });
    await job.check();
  }
  await checkTwins(opened, tied);
  const { files } = tieFfns(opened.views, tied);
  const weights = new Map<string, PinnedTensor>();
  for (const { group, layers, values } of tied) {
    for (const [name, pin] of live.override(group, layers, values)) weights.set(name, pin);
  }
  return { plan, tied, permutations, files, changes: { weights }, builtOn: dataset?.key ?? '', requantized };
}

/** What quantizing merged weights again did to them, in a sentence. */
export function requantizedNote({ layers, scheme, relative }: Requantized): string {
  return `The merged weights of layers ${formatSet(layers)} were quantized again (${scheme}), which changes them by ${(100 * relative).toPrecision(2)} % of their size; scores include it.`;
}

/** @throws DataError where a file that should hold the same weights holds others, or none */
async function checkTwins({ views }: OpenedModel, changed: readonly GroupLayers[]): Promise<void> {
  const ffns = changed.flatMap(({ group, layers }) => layers.map((l) => group.ffns[l]));
  const wrong = await firstMismatch(views, ffns);
  if (!wrong) return;
  const [mine, theirs] = [views[0], wrong.view].map((v) => v.flat.uses.at(-1)!.part.fileName);
  if (wrong.isMissing) {
    throw new DataError(
      mine === theirs
        ? `The branch of “${theirs}” that runs with a cache has no FFN like ${wrong.ffn.label}, so it cannot be merged alike. Export the decoder as two files, decoder_model.onnx and decoder_with_past_model.onnx.`
        : `“${theirs}” has no FFN like ${wrong.ffn.label} of “${mine}”, so it cannot be merged alike. Drop files that were exported together, or leave “${theirs}” out.`,
    );
  }
  throw new DataError(
    `“${theirs}” and “${mine}” hold different weights for ${wrong.ffn.label}, so they are not files of one export. Drop files that were exported together, or leave “${theirs}” out.`,
  );
}

/** All FFNs of each set but its first left out. */
async function withoutFfns(
  { opened, live, job }: StageContext,
  plan: MergePlan,
  sets: readonly TiedFfn[],
): Promise<Variant> {
  await job.check();
  const dropped = byGroup(sets, (layers) => layers.slice(1));
  await checkTwins(opened, dropped);
  const files = dropFfns(opened.views, dropped);
  const weights = new Map<string, PinnedTensor>();
  for (const { group, layers } of dropped) {
    const zeros = zeroOutput(group.ffns[layers[0]]);
    for (const [name, pin] of live.override(group, layers, zeros)) weights.set(name, pin);
  }
  const droppedFfns = dropped.map(refsOf);
  return { plan, tied: [], permutations: [], files, changes: { weights }, builtOn: '', droppedFfns };
}

/** As many whole layers left out as the sets remove FFNs, chosen by evaluation, group by group. */
async function withoutLayers(
  { opened, job }: StageContext,
  plan: MergePlan,
  sets: readonly TiedFfn[],
  evaluate: Evaluate | undefined,
): Promise<Variant> {
  if (!evaluate) {
    throw new RangeError('Which layers to leave out is found by evaluation, which needs data to score on.');
  }
  const { search } = opened;
  const chosen: GroupLayers[] = [];
  const changesOf = (dropped: readonly GroupLayers[]): Changes => ({ replaced: layerMoves(search, dropped) });
  const wanted = byGroup(sets, (layers) => layers.slice(1));
  for (const { group, layers } of wanted) {
    const part = job.part(1 / wanted.length);
    const spans = droppableLayers(group, search);
    const candidates = spans.flatMap((span, l) => (span ? [l] : []));
    if (candidates.length < layers.length) {
      throw new RangeError(unknownSpans(spans.flatMap((span, l) => (span ? [] : [l]))));
    }
    const choice = await chooseLayers(
      candidates,
      layers.length,
      (some) => evaluate(changesOf([...chosen, { group, layers: some }])),
      async (done, most) => {
        part.expect(most);
        await part.step(`Leaving out layers, choice ${done} of ${most}`);
      },
    );
    chosen.push({ group, layers: choice.layers });
  }
  await checkTwins(opened, chosen);
  return {
    plan,
    tied: [],
    permutations: [],
    files: dropLayers(opened.views, chosen),
    changes: changesOf(chosen),
    // Which layers is in `droppedLayers`; the data only chose them.
    builtOn: '',
    droppedLayers: chosen.map(refsOf),
  };
}

/** Layers of all sets of a group together, ascending. */
function byGroup(
  sets: readonly TiedFfn[],
  pick: (layers: readonly number[]) => readonly number[],
): GroupLayers[] {
  const groups = new Map<FfnGroup, number[]>();
  for (const { group, layers } of sets) groups.set(group, [...(groups.get(group) ?? []), ...pick(layers)]);
  return [...groups].map(([group, layers]) => ({ group, layers: layers.sort((a, b) => a - b) }));
}

function refsOf({ group, layers }: GroupLayers): LayerRefs {
  return { groupId: group.id, layers };
}
