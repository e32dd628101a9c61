/**
 * The same merge in the checkpoint that was dropped beside the model, for those who go on in PyTorch.
 *
 * Why: names differ between an ONNX file and its checkpoint, contents do not; weights are found by what they hold.
 * Known limits: quantized weights are not what the checkpoint holds, and dropped layers are not weights to tie.
 */

import type { StoredType } from '../checkpoint/dtypes.ts';
import { LOADING_NOTE_NAME, loadingNote } from '../checkpoint/loading-note.ts';
import { type MatchableWeight, matchTensors } from '../checkpoint/match.ts';
import { openSafetensors } from '../checkpoint/reader.ts';
import { type TiedWeights, tieEdits } from '../checkpoint/tie.ts';
import { CheckpointError } from '../checkpoint/types.ts';
import { composeSafetensors } from '../checkpoint/writer.ts';
import { DataError } from '../data/errors.ts';
import type { NamedBlob } from '../data/files.ts';
import type { FfnGroup, FfnWeight, WeightRole } from '../graph/ffn.ts';
import { weightShape } from '../graph/weights.ts';
import type { TiedFfn } from '../merge/write-back.ts';
import { DataType } from '../tensor/dtype.ts';
import type { OpenedModel } from './opened.ts';
import type { Job } from './progress.ts';
import { readWeight } from './read-weight.ts';
import type { Variant } from './variant.ts';

/** A file of an archive. */
export interface NamedFile {
  readonly name: string;
  readonly blob: Blob;
}

/** The matrix that a bias belongs to. */
const MATRIX_OF: Readonly<Partial<Record<WeightRole, WeightRole>>> = {
  b_in: 'w_in',
  b_gate: 'w_gate',
  b_out: 'w_out',
};

const STORED: Readonly<Record<number, StoredType>> = {
  [DataType.float]: 'float32',
  [DataType.float16]: 'float16',
  [DataType.bfloat16]: 'bfloat16',
};

/**
 * The files of the checkpoint with a variant written to it, and a note on loading them.
 * @throws DataError for variants that are no merge, and for quantized models; CheckpointError where weights are not found
 */
export async function mergedCheckpoint(
  opened: OpenedModel,
  variant: Variant | null,
  files: readonly NamedBlob[],
  hasConfig: boolean,
  job: Job,
): Promise<NamedFile[]> {
  if (variant && variant.tied.length === 0) {
    throw new DataError(
      'Layers that are left out cannot be written to a checkpoint: only merges can. Merge by permutation, average or copy, or download ONNX.',
    );
  }
  const tied = variant?.tied ?? [];
  if (tied.some(({ own = [] }) => own.some(({ changes }) => (changes?.size ?? 0) > 0))) {
    throw new DataError(
      'Recovery gave layers scales, deltas or biases of their own, which a checkpoint of this architecture has no place for. Download ONNX, or recover without R2, R4 and R5.',
    );
  }
  const checkpoint = await openSafetensors(files);
  const groups = [...new Set(tied.map((t) => t.group))];
  const weights = groups.flatMap((group) => matchable(opened, group));
  job.announce('Finding the weights in the checkpoint');
  job.expect(Math.max(1, weights.length));
  const matches = await matchTensors(weights, checkpoint, { signal: job.signal });
  await job.check();
  const edits = tieEdits(tied.flatMap(weightsOf), matches);
  const composed = composeSafetensors(checkpoint, edits);
  const note = loadingNote({
    files: composed.files.map((f) => f.name),
    tied: composed.tied,
    config: hasConfig,
  });
  return [...composed.files, { name: LOADING_NOTE_NAME, blob: new Blob([note]) }];
}

/**
 * Why a checkpoint is not this model's, in a sentence; undefined where it is. One weight is looked for.
 * @throws nothing: what is wrong with its files is the sentence
 */
export async function foreignCheckpoint(
  opened: OpenedModel,
  files: readonly NamedBlob[],
): Promise<string | undefined> {
  const [group] = opened.search.groups;
  if (!group || files.length === 0) return undefined;
  const names = files.map((f) => `“${f.name}”`).join(' and ');
  try {
    const [weight] = matchable(opened, group);
    const found = await matchTensors([weight], await openSafetensors(files));
    if (found.size > 0) return undefined;
    return `${names} do${files.length > 1 ? '' : 'es'} not hold the weights of this model, so the merge cannot be written there. Drop the checkpoint that the ONNX file was exported from.`;
  } catch (error) {
    if (error instanceof CheckpointError || error instanceof DataError) return error.message;
    throw error;
  }
}

/** The weights of a set: one for all layers, or one each where recovery gave them own ones. */
function weightsOf({ group, layers, values, own = [] }: TiedFfn): TiedWeights[] {
  return group.ffns[layers[0]].weights.flatMap((weight) => {
    const { rows, cols } = weightShape(weight);
    const { role } = weight;
    const ids = layers.map((l) => idOf(group, l, role));
    if (!own.some(({ weights }) => weights?.has(role)))
      return { ids, rows, cols, values: values!.get(role)! };
    return own.map(({ weights }, i) => ({ ids: [ids[i]], rows, cols, values: weights!.get(role)! }));
  });
}

const idOf = (group: FfnGroup, layer: number, role: WeightRole) => `${group.ffns[layer].label} ${role}`;

function matchable(opened: OpenedModel, group: FfnGroup): MatchableWeight[] {
  return group.ffns.flatMap((ffn, layer) =>
    ffn.weights.map((weight): MatchableWeight => {
      const { rows, cols, unitAxis, halves } = weightShape(weight);
      const beside = MATRIX_OF[weight.role];
      return {
        id: idOf(group, layer, weight.role),
        rows,
        cols,
        stored: storedType(opened, weight),
        ...(halves === 2 && { halves: unitAxis === 0 ? 'rows' : 'cols' }),
        layer: ffn.label,
        ...(beside && { beside: idOf(group, layer, beside) }),
        read: async () => (await readWeight(opened, weight)).data,
      };
    }),
  );
}

function storedType({ views: [{ flat }] }: OpenedModel, { source }: FfnWeight): StoredType {
  const stored = flat.storedAs(source.tensor);
  const type = stored && STORED[stored.tensor.dataType];
  if (type && !stored.packing) return type;
  throw new DataError(
    'The weights of this ONNX file are quantized, so they cannot be found in a checkpoint. Drop the ONNX file before quantization with it.',
  );
}
