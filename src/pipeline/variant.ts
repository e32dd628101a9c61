/**
 * Variants of the open model: the windows that a plan ties, what that saves, and the merged weights themselves.
 */
import type { WeightRole } from '../graph/ffn.ts';
import type { Pair } from '../kernels/backend.ts';
import { mergeMethods } from '../merge/method.ts';
import { checkSets, formatSet, referencePosition } from '../merge/sets.ts';
import { parametersRemoved, type TiedFfn, tieFfns } from '../merge/write-back.ts';
import type { ModelEdits } from '../onnx/types.ts';
import { composeOnnx } from '../onnx/writer.ts';
import type { PinnedTensor } from '../runtime/session.ts';
import type { StageContext } from './context.ts';
import type { Changes } from './live-model.ts';
import { groupOf, type OpenedModel } from './opened.ts';
import { alignPairs } from './pairs.ts';
import type { LayerSet, MergePlan, Saving } from './types.ts';

/** A merged variant: what to write to the file, and what to feed to the session. */
export interface Variant {
  readonly plan: MergePlan;
  readonly tied: readonly TiedFfn[];
  readonly edits: ModelEdits;
  readonly changes: Changes;
  /** For `ffn-drop`: per group, the layers whose FFN is left out. */
  readonly droppedFfns?: readonly LayerRefs[];
  /** For `layer-drop`: per group, the layers left out. */
  readonly droppedLayers?: readonly LayerRefs[];
}

/** Layers of a group, ascending; one or more. */
export interface LayerRefs {
  readonly groupId: string;
  readonly layers: readonly number[];
}

/** Scores weights on the select split: lower is better. It is given a quiet job; it need not tell progress. */
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
  { model, search }: OpenedModel,
  { tied, edits }: { readonly tied: readonly TiedFfn[]; readonly edits?: ModelEdits },
): Saving {
  const plan = edits ?? tieFfns(search, tied).edits;
  const bytesAfter = composeOnnx(model, plan).size;
  return {
    parametersSaved: parametersRemoved(plan),
    bytesSaved: model.size - bytesAfter,
    bytesBefore: model.size,
    bytesAfter,
  };
}

/**
 * Carries out a plan.
 * @param evaluate for `layer-drop` and the score “best”, which are chosen by evaluation
 * @throws RangeError for sets that cannot be merged, DataError where data is needed
 */
export async function buildVariant(
  context: StageContext,
  plan: MergePlan,
  evaluate?: Evaluate,
): Promise<Variant> {
  if (evaluate && plan.score === 'best') throw new RangeError('The score “best” is not there yet.');
  const { opened, live, backend, pairs, job } = context;
  if (plan.method === 'random' || plan.method === 'ffn-drop' || plan.method === 'layer-drop') {
    throw new RangeError(`The method “${plan.method}” is not there yet.`);
  }
  const method = mergeMethods[plan.method];
  const tied: TiedFfn[] = [];
  for (const { group, layers } of layersOf(opened, plan.sets)) {
    const reference = referencePosition(plan.reference, layers.length);
    const anchor = layers[reference];
    const others = layers.filter((l) => l !== anchor);
    if (method.needsAlignment)
      await alignPairs(
        context,
        group,
        others.map((l): Pair => [anchor, l]),
      );
    job.announce(`Merging layers ${formatSet(layers)}`);
    const values = await method.merge({
      backend,
      layers: await Promise.all(layers.map((l) => live.weightsOf(group, l))),
      reference,
      permutations: layers.map((l) =>
        l === anchor ? null : (pairs.get(group.id, anchor, l)?.permutation ?? null),
      ),
    });
    tied.push({ group, layers, values });
    await job.check();
  }
  const weights = new Map<string, PinnedTensor>();
  for (const { group, layers, values } of tied) {
    const merged = values as ReadonlyMap<WeightRole, Float32Array>;
    for (const [name, pin] of live.override(group, layers, merged)) weights.set(name, pin);
  }
  return { plan, tied, edits: tieFfns(opened.search, tied).edits, changes: { weights } };
}

/** Frees the weights that a variant pinned. */
export function releaseVariant(variant: Variant | null): void {
  for (const pin of new Set(variant?.changes.weights?.values())) pin.release();
}
