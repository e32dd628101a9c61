/** Whether files that should hold the same layers do: they are read and compared, one tensor at a time. */
import type { StoredTensor } from '../flatten/types.ts';
import type { Ffn } from '../graph/ffn.ts';
import { tensorBlob } from '../onnx/tensors.ts';
import type { TensorInfo } from '../onnx/types.ts';
import { readRange } from '../onnx/wire.ts';
import type { View } from './views.ts';

export interface Mismatch {
  readonly ffn: Ffn;
  readonly view: View;
  /** Whether the view has no such FFN at all, rather than one with other values. */
  readonly isMissing: boolean;
}

/**
 * The first FFN whose weights another view keeps in another tensor with other values, or does not have: its files are
 * not of one export. An encoder's FFNs are in one view only. Tensors that were compared are not read again.
 */
export async function firstMismatch(
  [main, ...others]: readonly View[],
  ffns: readonly Ffn[],
): Promise<Mismatch | undefined> {
  for (const view of others) {
    for (const ffn of ffns) {
      const twin = view.twinOf(ffn);
      const role = main.flat.originOfNode(ffn.weights[0].node)?.scope.use.part.role;
      if (!twin && role === 'encoder') continue;
      if (!twin) return { ffn, view, isMissing: true };
      for (const weight of ffn.weights) {
        const other = twin.weights.find((w) => w.role === weight.role);
        const mine = main.flat.storedAs(weight.source.tensor);
        const theirs = other && view.flat.storedAs(other.source.tensor);
        if (!mine || !theirs || !(await isSame(mine, theirs))) return { ffn, view, isMissing: false };
      }
    }
  }
  return undefined;
}

/** Bytes that are compared at a time. */
const CHUNK = 4 << 20;

/** Tensors that were compared: what the first is equal to. */
const compared = new WeakMap<TensorInfo, WeakMap<TensorInfo, boolean>>();

async function isSame(a: StoredTensor, b: StoredTensor): Promise<boolean> {
  if (a.tensor === b.tensor) return true;
  const known = compared.get(a.tensor)?.get(b.tensor);
  if (known !== undefined) return known;
  const same = await haveSameBytes(a, b);
  const results = compared.get(a.tensor) ?? new WeakMap<TensorInfo, boolean>();
  compared.set(a.tensor, results.set(b.tensor, same));
  return same;
}

async function haveSameBytes(a: StoredTensor, b: StoredTensor): Promise<boolean> {
  if (a.tensor.dataType !== b.tensor.dataType) return false;
  const [x, y] = await Promise.all([a, b].map((s) => tensorBlob(s.scope.use.part.model, s.tensor)));
  if (x.size !== y.size) return false;
  for (let at = 0; at < x.size; at += CHUNK) {
    const end = Math.min(at + CHUNK, x.size);
    const [mine, theirs] = await Promise.all([readRange(x, at, end), readRange(y, at, end)]);
    if (!mine.every((byte, i) => byte === theirs[i])) return false;
  }
  return true;
}
