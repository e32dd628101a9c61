/** Whether files that should hold the same layers do: they are read and compared, one tensor at a time. */
import type { StoredTensor } from '../flatten/types.ts';
import type { Ffn } from '../graph/ffn.ts';
import { tensorBytes } from '../onnx/tensors.ts';
import type { View } from './views.ts';

/**
 * The first FFN whose weights another view keeps in another tensor with other values: its files are not of one export.
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
