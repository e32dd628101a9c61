/**
 * Variants of the open model: the windows that a plan ties, what that saves, and the merged weights themselves.
 */
import type { WeightRole } from '../graph/ffn.ts';
import type { Backend, Pair } from '../kernels/backend.ts';
import { mergeMethods } from '../merge/method.ts';
import { checkDisjoint, checkWindow, referencePosition } from '../merge/window.ts';
import { type TiedFfn, tieFfns } from '../merge/write-back.ts';
import type { ModelEdits } from '../onnx/types.ts';
import { composeOnnx } from '../onnx/writer.ts';
import type { PinnedTensor } from '../runtime/session.ts';
import type { LiveModel, Overrides } from './live-model.ts';
import { groupOf, type OpenedModel } from './opened.ts';
import type { PairStore } from './pairs.ts';
import type { Job } from './progress.ts';
import type { LayerWindow, MergePlan, Saving } from './types.ts';

/** A merged variant: what to write to the file, and what to feed to the session. */
export interface Variant {
  readonly plan: MergePlan;
  readonly tied: readonly TiedFfn[];
  readonly edits: ModelEdits;
  readonly overrides: Overrides;
}

/**
 * The layers of each window.
 * @throws RangeError with a sentence for windows that are out of range, too small, or share a layer
 */
export function layersOf(opened: OpenedModel, windows: readonly LayerWindow[]): TiedFfn[] {
  for (const id of new Set(windows.map((w) => w.groupId))) {
    const group = groupOf(opened, id);
    const inGroup = windows.filter((w) => w.groupId === id);
    for (const w of inGroup) checkWindow(w, group.ffns.length);
    checkDisjoint(inGroup);
  }
  return windows.map(({ groupId, first, last }) => ({
    group: groupOf(opened, groupId),
    layers: Array.from({ length: last - first + 1 }, (_, k) => first + k),
  }));
}

/** What tying saves, exactly: the size of the composed file, which need not be made for that. */
export function savingOf({ model, search }: OpenedModel, tied: readonly TiedFfn[]): Saving {
  const { edits, parametersSaved } = tieFfns(search, tied);
  const bytesAfter = composeOnnx(model, edits).size;
  return { parametersSaved, bytesSaved: model.size - bytesAfter, bytesBefore: model.size, bytesAfter };
}

/**
 * Merges the windows of a plan.
 * @param align sees to it that the pairs of a group are in `pairs`
 */
export async function buildVariant(
  opened: OpenedModel,
  live: LiveModel,
  plan: MergePlan,
  pairs: PairStore,
  align: (groupId: string, pairs: readonly Pair[]) => Promise<void>,
  backend: Backend,
  job: Job,
): Promise<Variant> {
  const method = mergeMethods[plan.method];
  const tied: TiedFfn[] = [];
  for (const { group, layers } of layersOf(opened, plan.windows)) {
    const reference = referencePosition(plan.reference, layers.length);
    const anchor = layers[reference];
    const others = layers.filter((l) => l !== anchor);
    if (method.needsAlignment)
      await align(
        group.id,
        others.map((l): Pair => [anchor, l]),
      );
    job.announce(`Merging layers ${layers[0]}–${layers.at(-1)}`);
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
  const overrides = new Map<string, PinnedTensor>();
  for (const { group, layers, values } of tied) {
    const merged = values as ReadonlyMap<WeightRole, Float32Array>;
    for (const [name, pin] of live.override(group, layers, merged)) overrides.set(name, pin);
  }
  return { plan, tied, edits: tieFfns(opened.search, tied).edits, overrides };
}
