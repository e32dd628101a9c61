/**
 * A merged model made ready for tuning: the plain graph of what its live weights reach, opened by a differentiable
 * runtime, and the original beside it, which gives what the graph reads and the output to come near to.
 *
 * Why one shape: the plain graph has all sizes in it. Batches of another shape have no place in it (`fits`); a caller
 * picks the most frequent shape, or opens another model.
 */
import type { FfnSearch } from '../graph/ffn.ts';
import type { TiedFfn } from '../merge/write-back.ts';
import type { OnnxModel } from '../onnx/types.ts';
import type {
  DifferentiableFactory,
  DifferentiableModel,
  PlainModel,
  TrainingBatch,
} from '../runtime/differentiable.ts';
import type { HostTensor, SessionFactory } from '../runtime/session.ts';
import { dependence } from './dependence.ts';
import { type LiveParameters, liveParameters } from './parameters.ts';
import { plainGraph } from './plain-graph.ts';
import { type Feeds, TappedOriginal } from './tapped.ts';

export interface TrainingSource {
  /** The flat model. */
  readonly model: OnnxModel;
  readonly search: FfnSearch;
  /** What is tied and tuned, with values. */
  readonly sets: readonly TiedFfn[];
  /** The value that the loss is taken of: logits, or features. */
  readonly output: string;
  /** Feeds of the shape that batches will have. */
  readonly example: Feeds;
}

/** What the original gives for a batch. */
export interface OriginalBatch {
  readonly fed: TrainingBatch['fed'];
  /** Its output [N × V]. */
  readonly output: Float32Array;
}

export class TrainingModel {
  readonly differentiable: DifferentiableModel;
  readonly plain: PlainModel;
  readonly start: LiveParameters['inputs'];
  private readonly original: TappedOriginal;
  private readonly shapes: ReadonlyMap<string, string>;

  private constructor(
    original: TappedOriginal,
    plain: PlainModel,
    differentiable: DifferentiableModel,
    live: LiveParameters,
    example: Feeds,
  ) {
    this.original = original;
    this.plain = plain;
    this.differentiable = differentiable;
    this.start = live.inputs;
    this.shapes = new Map(Object.entries(example).map(([name, t]) => [name, t.dims.join()]));
  }

  /**
   * @throws RangeError in a sentence where an operator cannot be differentiated or nothing is to be tuned; OnnxError,
   *   RuntimeFailure
   */
  static async open(
    source: TrainingSource,
    sessions: SessionFactory,
    differentiables: DifferentiableFactory,
  ): Promise<TrainingModel> {
    const { model, search, sets, output, example } = source;
    const live = liveParameters(sets);
    const part = dependence(search.index, new Set(live.reads.keys()), output);
    const taps = [...part.frontier.keys()];
    const original = await TappedOriginal.open(model, search, taps, sessions);
    try {
      const values = await original.run(example, taps);
      const plain = await plainGraph({ model, index: search.index, live, part, values, output });
      return new TrainingModel(original, plain, await differentiables.create(plain), live, example);
    } catch (error) {
      await original.release();
      throw error;
    }
  }

  /** Whether a batch has the shape that the graph was made for. */
  fits(feeds: Feeds): boolean {
    const names = Object.keys(feeds);
    return (
      names.length === this.shapes.size &&
      names.every((name) => this.shapes.get(name) === feeds[name].dims.join())
    );
  }

  /** Runs the original on a batch. @throws RuntimeFailure; RangeError for another shape */
  async originalOn(feeds: Feeds): Promise<OriginalBatch> {
    if (!this.fits(feeds)) throw new RangeError('The batch has another shape than the graph was made for.');
    const { fed, output } = this.plain;
    const values = await this.original.run(feeds, [...fed.map((f) => f.name), output.name]);
    const read = Object.fromEntries(fed.map(({ name }): [string, HostTensor] => [name, values.get(name)!]));
    return { fed: read, output: values.get(output.name)!.data as Float32Array };
  }

  async release(): Promise<void> {
    this.differentiable.release();
    await this.original.release();
  }
}
