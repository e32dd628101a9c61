/**
 * Compares a block of a weight with a checkpoint's tensor by their values, and reads of the tensor what that takes.
 *
 * Why: names say nothing across exporters; values do. A sample of a few runs of elements tells almost all tensors
 * apart; only what passes it is read whole, in windows, once. Small tensors are kept, as biases of zeros fit several.
 *
 * Equal is: rounding the checkpoint's value to the ONNX file's type gives the ONNX value; or, for a checkpoint in a
 * narrower type, rounding the ONNX value to that type gives the checkpoint's. One of the two holds for all elements.
 * In float16 files values under 2⁻²² of one sign are equal, as common converters raise what is under 1e-7 to that.
 * Known limits: scaled or otherwise converted weights are not found.
 */
import { elementCount } from '../tensor/shape.ts';
import { type FloatDtype, rounderTo, type StoredType } from './dtypes.ts';
import { readRange } from './reader.ts';
import { type Block, type Candidate, positionOf } from './shapes.ts';
import type { CheckpointTensor } from './types.ts';

const RUNS = 8;
const RUN_LENGTH = 16;
/** Elements that are read and compared at a time. */
const WINDOW = 1 << 20;
/** Tensors of at most this many elements are kept once read, up to the second number in all. */
const SMALL = 1 << 14;
const KEPT = 1 << 22;
const TINY = 2 ** -22;

/** A run of consecutive elements of a tensor. */
interface Run {
  readonly from: number;
  readonly values: Float32Array;
}

/** Which of the two roundings still hold. */
interface Rules {
  /** Rounds the checkpoint's value to the ONNX file's type. */
  toStored: ((value: number) => number) | null;
  /** Rounds the ONNX value to the checkpoint's type. */
  toDtype: ((value: number) => number) | null;
  readonly tiny: number;
}

export class Contents {
  private readonly samples = new Map<CheckpointTensor, readonly Run[]>();
  private readonly small = new Map<CheckpointTensor, Float32Array>();
  private kept = 0;

  /** Whether the sampled elements agree. @param values the weight's whole matrix */
  async looksLike(values: Float32Array, block: Block, candidate: Candidate, stored: StoredType) {
    const rules = rulesOf(candidate.tensor, stored);
    for (const run of await this.sampleOf(candidate.tensor)) {
      if (!agrees(run, values, block, candidate.transposed, rules)) return false;
    }
    return true;
  }

  /** Whether all elements agree. @param values the weight's whole matrix */
  async equals(
    values: Float32Array,
    block: Block,
    candidate: Candidate,
    stored: StoredType,
    signal?: AbortSignal,
  ): Promise<boolean> {
    const { tensor, transposed } = candidate;
    const rules = rulesOf(tensor, stored);
    const count = elementCount(tensor.shape);
    for (let from = 0; from < count; from += WINDOW) {
      signal?.throwIfAborted();
      const run = { from, values: await this.read(tensor, from, Math.min(count, from + WINDOW)) };
      if (!agrees(run, values, block, transposed, rules)) return false;
    }
    return true;
  }

  private async sampleOf(tensor: CheckpointTensor): Promise<readonly Run[]> {
    const known = this.samples.get(tensor);
    if (known) return known;
    const count = elementCount(tensor.shape);
    const runs: Run[] = [];
    if (count <= RUNS * RUN_LENGTH) runs.push({ from: 0, values: await this.read(tensor, 0, count) });
    else {
      for (let k = 0; k < RUNS; k++) {
        // From the first element to the last; between them at places that no row length divides evenly.
        const from = Math.floor(((count - RUN_LENGTH) * k) / (RUNS - 1));
        runs.push({ from, values: await this.read(tensor, from, from + RUN_LENGTH) });
      }
    }
    this.samples.set(tensor, runs);
    return runs;
  }

  private async read(tensor: CheckpointTensor, from: number, to: number): Promise<Float32Array> {
    const count = elementCount(tensor.shape);
    if (count > SMALL) return readRange(tensor, from, to);
    const known = this.small.get(tensor);
    if (known) return known.subarray(from, to);
    if (this.kept + count > KEPT) return readRange(tensor, from, to);
    this.kept += count;
    const values = await readRange(tensor, 0, count);
    this.small.set(tensor, values);
    return values.subarray(from, to);
  }
}

function rulesOf(tensor: CheckpointTensor, stored: StoredType): Rules {
  const dtype = tensor.dtype as FloatDtype;
  const isNarrow = dtype === 'F16' || dtype === 'BF16';
  return {
    toStored: rounderTo(stored),
    toDtype: isNarrow ? rounderTo(dtype) : null,
    tiny: stored === 'float16' ? TINY : 0,
  };
}

/** Compares a run; a rule that fails is given up for the rest of the tensor. */
function agrees(run: Run, values: Float32Array, block: Block, transposed: boolean, rules: Rules): boolean {
  const { toStored, toDtype, tiny } = rules;
  let storedHolds = toStored !== null;
  let dtypeHolds = toDtype !== null;
  for (let k = 0; k < run.values.length; k++) {
    const theirs = run.values[k];
    const ours = values[positionOf(block, transposed, run.from + k)];
    if (ours === theirs) continue;
    if (Number.isNaN(ours) && Number.isNaN(theirs)) continue;
    if (storedHolds && toStored!(theirs) !== ours && !bothTiny(ours, theirs, tiny)) storedHolds = false;
    if (dtypeHolds && toDtype!(ours) !== theirs) dtypeHolds = false;
    if (!storedHolds && !dtypeHolds) return false;
  }
  if (!storedHolds) rules.toStored = null;
  if (!dtypeHolds) rules.toDtype = null;
  return storedHolds || dtypeHolds;
}

const bothTiny = (a: number, b: number, tiny: number) =>
  Math.abs(a) < tiny && Math.abs(b) < tiny && a * b >= 0;
