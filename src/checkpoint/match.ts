/**
 * Finds each weight of an ONNX file in its checkpoint, by content.
 *
 * Why: exporters rename, transpose, pack and deduplicate; to write a merge to the checkpoint, we must know which of its
 * tensors each weight came from. Candidates fit by shape, then by a sample, then by all their values (contents.ts).
 *
 * Several tensors may hold the same values (biases of zeros). Weights with one candidate are matched first; then, for
 * the others, the largest first, the tensor is preferred
 *   1. whose name shares the longest path (parts between dots) with that of the weight it stands `beside`,
 *   2. then, with any matched weight of the same `layer`: `h.3.mlp.c_proj.bias` beside `h.3.mlp.c_proj.weight`,
 *   3. then, that no other weight was matched to,
 *   4. then, the first by name, numbers in their order.
 * A tensor is matched to several weights where there is no other: layers that share it in the checkpoint.
 * Known limits: a tensor of which a weight is a part (packed in the checkpoint, apart in ONNX) is not found.
 */
import { Contents } from './contents.ts';
import type { StoredType } from './dtypes.ts';
import { type Block, type Candidate, halfBlocks, ShapeIndex, wholeBlock } from './shapes.ts';
import type { Checkpoint, CheckpointTensor } from './types.ts';

/** A weight of the ONNX file as a row-major matrix; a vector is [1 × n]. */
export interface MatchableWeight {
  readonly id: string;
  readonly rows: number;
  readonly cols: number;
  /** Its type in the ONNX file; f32 where absent. */
  readonly stored?: StoredType;
  /** The axis on which two of the checkpoint's tensors may stand side by side (packed gate and up). */
  readonly halves?: 'rows' | 'cols';
  /** Weights of one layer have the same key. */
  readonly layer?: string;
  /** For a bias, the id of the matrix that it belongs to. */
  readonly beside?: string;
  /** [rows × cols] values as f32. Called once, or twice where several tensors fit. */
  read(): Promise<Float32Array>;
}

export type TensorMatch = Candidate;

/** Where a weight is in the checkpoint. */
export type WeightMatch =
  | ({ readonly kind: 'whole' } & TensorMatch)
  /** The first and the second half of its rows or columns. */
  | {
      readonly kind: 'halves';
      readonly axis: 'rows' | 'cols';
      readonly halves: readonly [TensorMatch, TensorMatch];
    };

export interface MatchOptions {
  readonly signal?: AbortSignal;
  readonly onProgress?: (done: number, total: number) => void;
}

/** A weight's block and the tensors that may hold it. */
interface Open {
  readonly block: Block;
  readonly candidates: readonly Candidate[];
}

/**
 * Matches weights to tensors; weights that are not in the checkpoint are absent from the result.
 * Holds one weight and one window of a tensor at a time.
 * @throws CheckpointError where a file cannot be read
 */
export async function matchTensors(
  weights: readonly MatchableWeight[],
  checkpoint: Checkpoint,
  options: MatchOptions = {},
): Promise<Map<string, WeightMatch>> {
  const matcher = new Matcher(checkpoint, options.signal);
  const ambiguous: MatchableWeight[] = [];
  let done = 0;
  const advance = () => options.onProgress?.(++done, weights.length);
  for (const weight of weights) {
    if (await matcher.tryMatch(weight, 'if clear')) advance();
    else ambiguous.push(weight);
  }
  ambiguous.sort((a, b) => b.rows * b.cols - a.rows * a.cols);
  for (const weight of ambiguous) {
    await matcher.tryMatch(weight, 'by preference');
    advance();
  }
  return new Map(
    weights.flatMap(({ id }) => (matcher.matches.has(id) ? [[id, matcher.matches.get(id)!]] : [])),
  );
}

class Matcher {
  readonly matches = new Map<string, WeightMatch>();
  private readonly shapes: ShapeIndex;
  private readonly contents = new Contents();
  private readonly claimed = new Set<CheckpointTensor>();
  private readonly namesOfLayer = new Map<string, string[]>();

  constructor(
    checkpoint: Checkpoint,
    private readonly signal?: AbortSignal,
  ) {
    this.shapes = new ShapeIndex(checkpoint.tensors.values());
  }

  /** False where the weight has to wait until others are matched. */
  async tryMatch(weight: MatchableWeight, when: 'if clear' | 'by preference'): Promise<boolean> {
    this.signal?.throwIfAborted();
    const { rows, cols, halves: axis } = weight;
    const whole = wholeBlock(rows, cols);
    const halves = axis ? halfBlocks(rows, cols, axis) : [];
    if (![whole, ...halves].some((block) => this.shapes.candidates(block).length > 0)) return true;
    const values = await weight.read();
    const open = await this.openFor(weight, values, whole);
    if (open.candidates.length > 1 && when === 'if clear') return false;
    const match = await this.choose(weight, values, open);
    if (match) {
      this.record(weight, { kind: 'whole', ...match });
      return true;
    }
    if (!axis || halves.length === 0) return true;
    const both = [
      await this.openFor(weight, values, halves[0]),
      await this.openFor(weight, values, halves[1]),
    ];
    if (both.some(({ candidates }) => candidates.length === 0)) return true;
    if (both.some(({ candidates }) => candidates.length > 1) && when === 'if clear') return false;
    const first = await this.choose(weight, values, both[0], 0);
    const second = first && (await this.choose(weight, values, both[1], 1, first.tensor));
    if (first && second) this.record(weight, { kind: 'halves', axis, halves: [first, second] });
    return true;
  }

  /** The tensors that fit a block by shape and by the sample. */
  private async openFor(weight: MatchableWeight, values: Float32Array, block: Block): Promise<Open> {
    const candidates: Candidate[] = [];
    for (const candidate of this.shapes.candidates(block)) {
      this.signal?.throwIfAborted();
      if (await this.contents.looksLike(values, block, candidate, weight.stored ?? 'float32')) {
        candidates.push(candidate);
      }
    }
    return { block, candidates };
  }

  /**
   * The preferred one among those that are equal in all their values.
   * @param half which half of a packed weight the block is; `taken` is the tensor of the first
   */
  private async choose(
    weight: MatchableWeight,
    values: Float32Array,
    { block, candidates }: Open,
    half?: 0 | 1,
    taken?: CheckpointTensor,
  ): Promise<Candidate | undefined> {
    const beside = tensorsOf(weight.beside === undefined ? undefined : this.matches.get(weight.beside));
    // The bias of a packed matrix is packed in the same order.
    const anchors = half !== undefined && beside.length === 2 ? [beside[half]] : beside;
    const siblings = (weight.layer !== undefined && this.namesOfLayer.get(weight.layer)) || [];
    const names = anchors.map(({ name }) => name);
    const ranked = candidates
      .map((candidate) => {
        const { tensor } = candidate;
        const rank = [
          commonPath(tensor.name, names),
          commonPath(tensor.name, siblings),
          this.claimed.has(tensor) || tensor === taken ? 0 : 1,
        ];
        return { candidate, rank };
      })
      .sort((a, b) => {
        const k = a.rank.findIndex((value, i) => value !== b.rank[i]);
        return k >= 0
          ? b.rank[k] - a.rank[k]
          : byName.compare(a.candidate.tensor.name, b.candidate.tensor.name);
      });
    for (const { candidate } of ranked) {
      if (await this.contents.equals(values, block, candidate, weight.stored ?? 'float32', this.signal)) {
        return candidate;
      }
    }
    return undefined;
  }

  private record(weight: MatchableWeight, match: WeightMatch): void {
    this.matches.set(weight.id, match);
    for (const tensor of tensorsOf(match)) {
      this.claimed.add(tensor);
      if (weight.layer === undefined) continue;
      const names = this.namesOfLayer.get(weight.layer);
      if (names) names.push(tensor.name);
      else this.namesOfLayer.set(weight.layer, [tensor.name]);
    }
  }
}

const byName = new Intl.Collator('en', { numeric: true });

/** The tensors that hold a weight: one, two or (of no match) none. */
export function tensorsOf(match: WeightMatch | undefined): readonly CheckpointTensor[] {
  if (!match) return [];
  return match.kind === 'whole' ? [match.tensor] : match.halves.map(({ tensor }) => tensor);
}

/** The most leading parts that a name shares with one of others. */
function commonPath(name: string, others: readonly string[]): number {
  const parts = name.split('.');
  return Math.max(
    0,
    ...others.map((other) => {
      const theirs = other.split('.');
      const differs = parts.findIndex((part, k) => part !== theirs[k]);
      return differs < 0 ? parts.length : differs;
    }),
  );
}
