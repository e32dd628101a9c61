/**
 * Tensors by input name, for models whose inputs are not understood: `<input>.npy`, or an .npz of them.
 *
 * A name may begin with a split (`calibrate-input_ids.npy`); characters other than letters, digits, . and - may stand as _. The
 * first axis counts samples; a batch takes as many as the graph's first dimension says, or SAMPLES_PER_BATCH where it
 * is free. An array of exactly the shape that the graph fixes, beside inputs whose first dimension is free, is fed
 * whole with every batch. Nothing is known of targets, so a model can only be compared with the original.
 *
 * Known limits: samples that do not fill a fixed batch are left out; names of dimensions are checked within a split.
 */

import type { HostTensor } from '../runtime/session.ts';
import { dataTypeName } from '../tensor/dtype.ts';
import { formatShape } from '../tensor/shape.ts';
import type { Batch, Dataset, Feeds } from './dataset.ts';
import { digestOf } from './digest.ts';
import { canFeed, isWhole, tensorOf, type Values } from './elements.ts';
import { DataError } from './errors.ts';
import type { TensorInput } from './feeds.ts';
import { type NamedBlob, SPLITS, type SplitName, splitOf } from './files.ts';
import { type NpyArray, parseNpy } from './npy.ts';
import { splitItems } from './split.ts';

export type { TensorInput } from './feeds.ts';

const SAMPLES_PER_BATCH = 8;

/** The input that a file is for, and the split that it claims, by its name. */
export function placeOf<T extends { readonly name: string }>(
  fileName: string,
  inputs: readonly T[],
): { input: T; split?: SplitName } | undefined {
  if (!/\.npy$/i.test(fileName)) return undefined;
  const base = fileName.replace(/\.npy$/i, '');
  const find = (name: string) =>
    inputs.find((i) => i.name === name) ?? inputs.find((i) => fileNameOf(i.name) === fileNameOf(name));
  const input = find(base);
  if (input) return { input };
  const split = splitOf(base);
  const rest = split && find(base.slice(split.length).replace(/^[-_. ]/, ''));
  return rest && { input: rest, split };
}

/** An input's name as a file can have it, without .npy. */
export function fileNameOf(input: string): string {
  return input.replace(/[^\w.-]/g, '_');
}

/** Inputs that no file of a drop is for. */
export function missingInputs<T extends { readonly name: string }>(
  files: readonly NamedBlob[],
  inputs: readonly T[],
): T[] {
  const found = new Set(files.map((file) => placeOf(file.name, inputs)?.input));
  return inputs.filter((input) => !found.has(input));
}

interface Slot {
  readonly input: TensorInput;
  readonly array: NpyArray;
  readonly file: string;
  /** Fed whole with every batch. */
  readonly shared: boolean;
}

/** Some samples of one set of arrays. */
interface Sample {
  readonly slots: readonly Slot[];
  readonly index: number;
}

/**
 * @param files .npy; those of no input are left out
 * @param output dimensions of the output that is scored, to tell its rows
 * @throws DataError where an input has no file, or an array does not have the shape and type that its input takes
 */
export async function createTensorDataset(
  files: readonly NamedBlob[],
  inputs: readonly TensorInput[],
  output?: readonly (number | string | null)[],
): Promise<Dataset> {
  const sets = await readSets(files, inputs);
  const fixed = inputs.map((i) => i.dims?.[0]).find((d) => typeof d === 'number' && !isFree(inputs));
  const perBatch = typeof fixed === 'number' ? fixed : undefined;
  const named: Partial<Record<SplitName, Sample[]>> = {};
  const unnamed: Sample[] = [];
  for (const [split, slots] of sets) {
    const samples = Array.from({ length: countOf(slots) }, (_, index) => ({ slots, index }));
    if (split) named[split] = samples;
    else unnamed.push(...samples);
  }
  const cut = splitItems(named, unnamed, 'samples');
  const whole = (s: SplitName) =>
    perBatch ? Math.floor(cut.splits[s].length / perBatch) * perBatch : cut.splits[s].length;
  const splits = {
    calibrate: cut.splits.calibrate.slice(0, whole('calibrate')),
    select: cut.splits.select.slice(0, whole('select')),
    report: cut.splits.report.slice(0, whole('report')),
  };
  const empty = SPLITS.find((s) => splits[s].length === 0);
  if (empty) {
    throw new DataError(
      `The model takes exactly ${perBatch} samples at once, and the split ${empty} has ${cut.splits[empty].length}. Give at least ${3 * perBatch!} samples, or a file for each split.`,
    );
  }
  const left = SPLITS.reduce((n, s) => n + cut.splits[s].length - splits[s].length, 0);
  const key = await digestOf(
    [...sets.values()].flatMap((slots) => slots.map((s) => s.array.data)),
    {
      kind: 'tensors',
      output: output ?? null,
      sets: [...sets].map(([split, slots]) => [
        split ?? '',
        slots.map((s) => [s.input.name, s.input.elemType, s.array.dtype, s.array.shape, s.shared]),
      ]),
      splits: SPLITS.map((s) => splits[s].length),
    },
  );
  return {
    kind: 'tensors',
    unit: 'samples',
    key,
    rule: cut.rule,
    notes: [
      'Tensors are fed by input name. Nothing is known of right answers, so a merged model is compared with the original’s outputs.',
      ...(left > 0
        ? [
            `The model takes exactly ${perBatch} samples at once: ${left} that do not fill a batch are left out.`,
          ]
        : []),
    ],
    labelled: false,
    itemsPerBatch: perBatch ?? SAMPLES_PER_BATCH,
    size: (split) => ({ items: splits[split].length, scored: splits[split].length }),
    batches: (split, most) => groups(splits[split], perBatch ?? most).length,
    batch(split, index, most) {
      const samples = groups(splits[split], perBatch ?? most)[index];
      if (!samples) throw new RangeError(`The split ${split} has no batch ${index}.`);
      return makeBatch(samples, output);
    },
  };
}

/** Samples of one batch are of one set of arrays. */
function groups(samples: readonly Sample[], most: number): Sample[][] {
  const made: Sample[][] = [];
  for (const sample of samples) {
    const last = made.at(-1);
    if (last && last.length < most && last[0].slots === sample.slots) last.push(sample);
    else made.push([sample]);
  }
  return made;
}

/** Whether some input's first dimension is free. */
function isFree(inputs: readonly TensorInput[]): boolean {
  return inputs.some((i) => i.dims === undefined || (i.dims.length > 0 && typeof i.dims[0] !== 'number'));
}

async function readSets(
  files: readonly NamedBlob[],
  inputs: readonly TensorInput[],
): Promise<Map<SplitName | undefined, Slot[]>> {
  const bySplit = new Map<SplitName | undefined, Map<TensorInput, NamedBlob>>();
  for (const file of files) {
    const place = placeOf(file.name, inputs);
    if (!place) continue;
    const { input, split } = place;
    const of = bySplit.get(split) ?? new Map<TensorInput, NamedBlob>();
    bySplit.set(split, of.set(input, file));
  }
  const sets = new Map<SplitName | undefined, Slot[]>();
  for (const [split, of] of bySplit) {
    const missing = inputs.filter((i) => !of.has(i));
    if (missing.length > 0) {
      const [first] = of.values();
      const wanted = missing.map((i) => `“${split ? `${split}-` : ''}${fileNameOf(i.name)}.npy”`).join(', ');
      throw new DataError(
        `“${first.name}” is there, but ${wanted} ${missing.length > 1 ? 'are' : 'is'} not. Drop the arrays of all inputs together.`,
      );
    }
    const slots: Slot[] = [];
    const sizes = new Map<string, { size: number; file: string }>();
    for (const [input, file] of of) slots.push(await readSlot(file, input, isFree(inputs), sizes));
    checkCounts(slots);
    sets.set(split, slots);
  }
  return sets;
}

async function readSlot(
  file: NamedBlob,
  input: TensorInput,
  free: boolean,
  sizes: Map<string, { size: number; file: string }>,
): Promise<Slot> {
  const array = parseNpy(new Uint8Array(await file.arrayBuffer()), file.name);
  checkType(array, file.name, input);
  const { shape } = array;
  const { dims } = input;
  const shared = dims !== undefined && (dims.length === 0 || (free && typeof dims[0] === 'number'));
  const wrong = (why: string) =>
    new DataError(
      `“${file.name}” has shape (${shape.join(', ')}), but the input “${input.name}” takes ${formatShape(dims ?? [])}: ${why}.`,
    );
  if (!dims) {
    if (shape.length === 0) throw wrong('an axis of samples is missing');
    return { input, array, file: file.name, shared };
  }
  if (shape.length !== dims.length) throw wrong(`it needs ${dims.length} axes, not ${shape.length}`);
  dims.forEach((dim, axis) => {
    if (axis === 0 && !shared) {
      if (typeof dim === 'number' && shape[0] % dim !== 0)
        throw wrong(`the first axis must be a multiple of ${dim}`);
      return;
    }
    if (typeof dim === 'number' && shape[axis] !== dim) throw wrong(`axis ${axis} must be ${dim}`);
    if (typeof dim !== 'string') return;
    const before = sizes.get(dim);
    if (before && before.size !== shape[axis])
      throw wrong(`“${dim}” is ${before.size} in “${before.file}” and ${shape[axis]} here`);
    sizes.set(dim, { size: shape[axis], file: file.name });
  });
  return { input, array, file: file.name, shared };
}

function checkCounts(slots: readonly Slot[]): void {
  const counted = slots.filter((s) => !s.shared);
  const [first] = counted;
  if (!first) {
    throw new DataError(
      `None of the inputs counts samples: ${slots.map((s) => `“${s.input.name}”`).join(', ')}. Such a model cannot be measured.`,
    );
  }
  for (const { array, file } of counted) {
    if (array.shape[0] === first.array.shape[0]) continue;
    throw new DataError(
      `“${file}” has ${array.shape[0]} samples and “${first.file}” has ${first.array.shape[0]}. Give as many of each.`,
    );
  }
}

function countOf(slots: readonly Slot[]): number {
  return slots.find((s) => !s.shared)!.array.shape[0];
}

export function checkType({ dtype }: NpyArray, file: string, input: TensorInput): void {
  const type = dataTypeName(input.elemType) ?? `type ${input.elemType}`;
  if (!canFeed(input.elemType)) {
    throw new DataError(`The input “${input.name}” is of type ${type}, which cannot be fed from a file yet.`);
  }
  if (isWhole(input.elemType) && dtype.includes('f')) {
    throw new DataError(
      `“${file}” holds ${dtype}, but the input “${input.name}” takes whole numbers (${type}). Save array.astype("${type}").`,
    );
  }
}

function makeBatch(
  samples: readonly Sample[],
  output: readonly (number | string | null)[] | undefined,
): Batch {
  const [{ slots, index }] = samples;
  const feeds: Record<string, HostTensor> = {};
  const sizes = new Map<string, number>();
  for (const { input, array, shared } of slots) {
    const size = shared ? 0 : array.data.length / array.shape[0];
    const from = index * size;
    const values = shared ? array.data : array.data.subarray(from, from + samples.length * size);
    const dims = shared ? array.shape : [samples.length, ...array.shape.slice(1)];
    feeds[input.name] = tensorOf(input.elemType, dims, values as Values);
    input.dims?.forEach((dim, axis) => {
      if (typeof dim === 'string') sizes.set(dim, dims[axis]);
    });
  }
  return {
    feeds: feeds as Feeds,
    items: samples.length,
    targets: { kind: 'none', items: rowsOf(samples.length, output, sizes) },
  };
}

/** Rows over the output's last axis, where its other dimensions are known; else one a sample. */
function rowsOf(
  samples: number,
  output: readonly (number | string | null)[] | undefined,
  sizes: ReadonlyMap<string, number>,
): number {
  if (!output || output.length < 3) return samples;
  const inner = output.slice(1, -1).map((dim) => (typeof dim === 'string' ? sizes.get(dim) : dim));
  return inner.every((d) => typeof d === 'number') ? inner.reduce((n, d) => n * d, samples) : samples;
}
