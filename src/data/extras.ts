/**
 * Inputs that are given as arrays beside other data: `<input>.npy` for what cannot be made from text or sound.
 *
 * An array whose first axis is 1, or that has no axis of items at all, goes with every batch; else it has a row an
 * item: of the split that its name claims (`select-x.npy`), or of all splits in the order calibrate, select, report.
 *
 * Known limits: what is fed outside of a split (writing text, windows that overlap) gets the first row.
 */
import type { HostTensor } from '../runtime/session.ts';
import { formatShape } from '../tensor/shape.ts';
import type { Feeds } from './dataset.ts';
import { tensorOf, type Values } from './elements.ts';
import { DataError } from './errors.ts';
import type { TensorInput } from './feeds.ts';
import { type NamedBlob, SPLITS, type SplitName } from './files.ts';
import { type NpyArray, parseNpy } from './npy.ts';
import { checkType, placeOf } from './tensors.ts';

interface Extra {
  readonly input: TensorInput;
  /** One for all splits, or one a split. */
  readonly arrays: ReadonlyMap<SplitName | undefined, NpyArray>;
  readonly files: readonly string[];
}

export interface Extras {
  /** What a dataset's key is to depend on. */
  readonly parts: readonly ArrayBufferView[];
  readonly settings: unknown;
  /** @throws DataError where an array has neither one row nor one an item */
  check(counts: Readonly<Record<SplitName, number>>): void;
  /** @param at the items by number within their split; absent outside of one */
  feeds(items: number, counts: Readonly<Record<SplitName, number>>, at?: ItemsAt): Feeds;
}

export interface ItemsAt {
  readonly split: SplitName;
  readonly rows: readonly number[];
}

export const NO_EXTRAS: Extras = { parts: [], settings: [], check: () => undefined, feeds: () => ({}) };

/**
 * @param inputs that nothing else fills
 * @throws DataError for an array that its input cannot take
 */
export async function readExtras(
  files: readonly NamedBlob[],
  inputs: readonly TensorInput[],
): Promise<{ extras: Extras; missing: readonly TensorInput[] }> {
  const found = new Map<TensorInput, Map<SplitName | undefined, NpyArray>>();
  const names = new Map<TensorInput, string[]>();
  for (const file of files) {
    const place = placeOf(file.name, inputs);
    if (!place) continue;
    const { input, split } = place;
    const array = parseNpy(new Uint8Array(await file.arrayBuffer()), file.name);
    checkType(array, file.name, input);
    checkShape(array, file.name, input);
    found.set(input, (found.get(input) ?? new Map()).set(split, array));
    names.set(input, [...(names.get(input) ?? []), file.name]);
  }
  const all = [...found].map(([input, arrays]): Extra => ({ input, arrays, files: names.get(input)! }));
  return {
    missing: inputs.filter((input) => !found.has(input)),
    extras: {
      parts: all.flatMap(({ arrays }) => [...arrays.values()].map((a) => a.data)),
      settings: all.map(({ input, arrays }) => [
        input.name,
        [...arrays].map(([split, a]) => [split ?? '', a.dtype, a.shape]),
      ]),
      check(counts) {
        for (const extra of all) checkCounts(extra, counts);
      },
      feeds: (items, counts, at) =>
        Object.fromEntries(all.map((extra) => [extra.input.name, tensorFor(extra, items, counts, at)])),
    },
  };
}

/** The array goes with every batch as it is. */
function isShared({ dims }: TensorInput, { shape }: NpyArray): boolean {
  return shape.length === 0 || dims?.length === 0 || (typeof dims?.[0] === 'number' && shape[0] === dims[0]);
}

function checkShape(array: NpyArray, file: string, input: TensorInput): void {
  const { dims } = input;
  if (!dims) return;
  const { shape } = array;
  const fits =
    shape.length === dims.length &&
    dims.every((dim, axis) => axis === 0 || typeof dim !== 'number' || dim === shape[axis]);
  if (fits) return;
  throw new DataError(
    `“${file}” has shape (${shape.join(', ')}), but the input “${input.name}” takes ${formatShape(dims)}. Save it in that shape, with 1 or the number of items first.`,
  );
}

function checkCounts({ input, arrays, files }: Extra, counts: Readonly<Record<SplitName, number>>): void {
  const total = SPLITS.reduce((n, s) => n + counts[s], 0);
  for (const [split, array] of arrays) {
    const [rows] = array.shape;
    const wanted = split ? counts[split] : total;
    if (isShared(input, array) || rows === 1 || rows === wanted) continue;
    throw new DataError(
      `“${files.join('”, “')}” has ${rows} rows, but there are ${wanted} items${split ? ` in the split ${split}` : ''}. Give one row for all of them, or one an item.`,
    );
  }
  const uncovered = arrays.has(undefined) ? undefined : SPLITS.find((s) => !arrays.has(s));
  if (uncovered) {
    throw new DataError(
      `“${files.join('”, “')}” is there, but nothing for “${input.name}” in the split ${uncovered}. Give one array a split, or one for all.`,
    );
  }
}

function tensorFor(
  { input, arrays }: Extra,
  items: number,
  counts: Readonly<Record<SplitName, number>>,
  at: ItemsAt | undefined,
): HostTensor {
  const split = at?.split ?? 'report';
  const own = arrays.get(split);
  const array = own ?? arrays.get(undefined)!;
  if (isShared(input, array)) return tensorOf(input.elemType, array.shape, array.data as Values);
  const [count, ...inner] = array.shape;
  const before = own ? 0 : SPLITS.slice(0, SPLITS.indexOf(split)).reduce((n, s) => n + counts[s], 0);
  const size = inner.reduce((n, d) => n * d, 1);
  const rows = Array.from({ length: items }, (_, k) => (count === 1 ? 0 : before + (at?.rows[k] ?? 0)));
  const values = rows.flatMap((row) =>
    Array.from(array.data.subarray(row * size, (row + 1) * size) as Values),
  );
  return tensorOf(input.elemType, [items, ...inner], values as Values);
}
