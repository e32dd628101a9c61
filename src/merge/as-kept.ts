/**
 * What the files keep of merged values: rounded to their types, and the same in every copy.
 *
 * Why: a score must be that of the file that is saved, not of the f32 values before they were rounded.
 */

import type { FlatModel, StoredTensor } from '../flatten/types.ts';
import type { Ffn } from '../graph/ffn.ts';
import type { WeightRole } from '../graph/weights.ts';
import { tensorBytes } from '../onnx/tensors.ts';
import { DataType } from '../tensor/dtype.ts';
import { fromBfloat16, fromHalf, toBfloat16, toHalf } from '../tensor/half.ts';
import type { View } from './views.ts';

/** Values of an FFN as they will be read back from the file that they are written to. */
export function asKept(
  flat: FlatModel,
  ffn: Ffn,
  values: ReadonlyMap<WeightRole, Float32Array>,
): Map<WeightRole, Float32Array> {
  const kept = new Map<WeightRole, Float32Array>();
  for (const [role, data] of values) {
    const weight = ffn.weights.find((w) => w.role === role);
    const stored = weight && flat.storedAs(weight.source.tensor);
    kept.set(role, stored ? rounded(data, stored) : data);
  }
  return kept;
}

function rounded(data: Float32Array, { tensor }: StoredTensor): Float32Array {
  if (tensor.dataType === DataType.float16) return data.map((v) => fromHalf(toHalf(v)));
  if (tensor.dataType === DataType.bfloat16) return data.map((v) => fromBfloat16(toBfloat16(v)));
  return data;
}

/**
 * The first FFN whose weights another view keeps in another tensor with other values: its files are not of one export.
 * Reads the weights of these FFNs in both files, one at a time.
 */
export async function firstMismatch(
  [main, ...others]: readonly View[],
  ffns: readonly Ffn[],
): Promise<{ readonly ffn: Ffn; readonly view: View } | undefined> {
  for (const view of others) {
    for (const ffn of ffns) {
      const twin = view.twinOf(ffn);
      if (!twin) continue;
      for (const weight of ffn.weights) {
        const other = twin.weights.find((w) => w.role === weight.role);
        const mine = main.flat.storedAs(weight.source.tensor);
        const theirs = other && view.flat.storedAs(other.source.tensor);
        if (!mine || !theirs || !(await isSame(mine, theirs))) return { ffn, view };
      }
    }
  }
  return undefined;
}

async function isSame(a: StoredTensor, b: StoredTensor): Promise<boolean> {
  if (a.tensor === b.tensor) return true;
  if (a.tensor.dataType !== b.tensor.dataType) return false;
  const [x, y] = await Promise.all([a, b].map((s) => tensorBytes(s.scope.use.part.model, s.tensor)));
  return x.length === y.length && x.every((byte, i) => byte === y[i]);
}
