/**
 * The open model as it runs: a session a block, FFN weights as inputs, sublayer values as outputs.
 *
 * Why: the original and every merged variant are served by the same sessions; a variant is only other weights, and
 * starts from what the original had kept just before the first layer that it changes (design.md, The open model).
 * Original weights are read from the file once and pinned.
 *
 * Known limits: values that cross between blocks are copied off and on the wasm heap where inference runs there.
 */
import type { Ffn, FfnGroup, WeightRole } from '../graph/ffn.ts';
import { liveName, type OpenBlock, planOpenGraph } from '../graph/open-graph.ts';
import type { FfnWeights, WeightMatrix } from '../merge/method.ts';
import type { OwnPlace } from '../merge/own.ts';
import { tensorBlob } from '../onnx/tensors.ts';
import { composeOnnx } from '../onnx/writer.ts';
import type {
  Feed,
  HostTensor,
  OutputTensor,
  PinnedTensor,
  Session,
  SessionFactory,
} from '../runtime/session.ts';
import { elementCount } from '../tensor/shape.ts';
import { featuresLast } from './features.ts';
import { liveShifts, shiftName } from './live-shifts.ts';
import type { OpenedModel } from './opened.ts';
import type { Job } from './progress.ts';
import { readWeight } from './read-weight.ts';
import { type Side, sideOf } from './side.ts';

/** Weights and shifts that differ from the original, by live input name. */
export type Overrides = ReadonlyMap<string, PinnedTensor>;

/** What differs from the original in a run. */
export interface Changes {
  readonly weights?: Overrides;
  /** Values that are replaced by another one: the stream after a dropped layer by the stream before it. */
  readonly replaced?: ReadonlyMap<string, string>;
}

export interface RunOptions {
  readonly changes?: Changes;
  /** Values of the original on the same feeds: blocks before the first change are not run. */
  readonly kept?: KeptValues;
}

type Feeds = Readonly<Record<string, HostTensor>>;

interface LiveBlock {
  readonly plan: OpenBlock;
  readonly session: Session;
}

/** Values of the original at the cuts, for one batch. */
export class KeptValues {
  readonly values: ReadonlyMap<string, OutputTensor>;
  readonly bytes: number;

  constructor(values: ReadonlyMap<string, OutputTensor>) {
    this.values = values;
    let bytes = 0;
    for (const { dims } of values.values()) bytes += dims.reduce((n, d) => n * d, 4);
    this.bytes = bytes;
  }

  release(): void {
    for (const value of this.values.values()) value.release();
  }
}

export class LiveModel {
  /** Blocks that were run since the model was opened; the sweep's cost. */
  blockRuns = 0;
  private readonly opened: OpenedModel;
  private readonly sides = new Map<FfnGroup, Side>();
  /** For scoring: nothing but what crosses and the score's output, so that the runtime may fuse what it can. */
  private readonly scoring: LazyBlocks;
  /** For looking inside: sublayer values are outputs too. */
  private readonly tapped: LazyBlocks;
  private readonly taps: ReadonlySet<string>;
  private readonly pinned: ReadonlyMap<string, PinnedTensor>;
  private readonly sessions: SessionFactory;
  private readonly featureAxes: ReadonlyMap<string, number>;

  private constructor(
    opened: OpenedModel,
    sessions: SessionFactory,
    taps: readonly string[],
    pinned: ReadonlyMap<string, PinnedTensor>,
  ) {
    const { groups } = opened.search;
    const shifts = liveShifts(opened);
    const plan = (names: readonly string[]) =>
      planOpenGraph(opened.model, opened.search, groups, names, shifts);
    this.opened = opened;
    this.sessions = sessions;
    this.taps = new Set(taps);
    this.pinned = pinned;
    this.scoring = new LazyBlocks(opened, sessions, plan([]));
    this.tapped = new LazyBlocks(opened, sessions, plan(taps));
    const ffns = opened.search.groups.flatMap((g) => g.ffns);
    this.featureAxes = new Map(ffns.flatMap((f) => [...(f.featureAxes ?? [])]));
  }

  /**
   * Reads and pins the original weights; sessions are made when something is first asked of them.
   * @throws OnnxError, RuntimeFailure
   */
  static async create(opened: OpenedModel, sessions: SessionFactory, job: Job): Promise<LiveModel> {
    const taps = opened.search.groups.flatMap((g) => g.ffns.flatMap(tapsOf));
    const pinned = new Map<string, PinnedTensor>();
    const live = new LiveModel(opened, sessions, taps, pinned);
    try {
      await pinOriginals(opened, live.scoring.plans, sessions, pinned, job);
      pinZeros(live.scoring.plans, sessions, pinned);
    } catch (error) {
      await live.release();
      throw error;
    }
    return live;
  }

  /** The side of an encoder–decoder that a group is on. */
  sideOf(group: FfnGroup): Side {
    const known = this.sides.get(group) ?? sideOf(group, this.opened.search.index);
    this.sides.set(group, known);
    return known;
  }

  get blockCount(): number {
    return this.scoring.plans.length;
  }

  /**
   * Makes the sessions that give these outputs and says so, one by one; without it a run makes them, untold.
   * @throws OnnxError, RuntimeFailure, AbortError
   */
  async prepare(outputs: readonly string[], job: Job): Promise<void> {
    await this.blocksFor(new Set(outputs)).open(job);
  }

  /** Runs a batch and gives the outputs named, which the caller releases. */
  async run(
    feeds: Feeds,
    outputs: readonly string[],
    options: RunOptions = {},
  ): Promise<Record<string, OutputTensor>> {
    const wanted = new Set(outputs);
    const made = await this.execute(feeds, wanted, options);
    for (const [name, value] of made) if (!wanted.has(name)) value.release();
    for (const name of outputs) if (!made.has(name) && feeds[name]) made.set(name, asOutput(feeds[name]));
    return this.asked(outputs, made);
  }

  /** Runs the original on a batch and keeps what crosses between blocks; the caller releases both. */
  async keep(
    feeds: Feeds,
    outputs: readonly string[],
  ): Promise<{ kept: KeptValues; outputs: Record<string, OutputTensor> }> {
    const crossing = this.scoring.plans.flatMap((p) => p.crossing);
    const made = await this.execute(feeds, new Set([...outputs, ...crossing]), {});
    const asked = this.asked(outputs, made);
    for (const name of outputs) made.delete(name);
    return { kept: new KeptValues(made), outputs: asked };
  }

  /** Pins merged weights for every layer that shares them. */
  override(
    group: FfnGroup,
    layers: readonly number[],
    values: ReadonlyMap<WeightRole, Float32Array>,
  ): Overrides {
    const overrides = new Map<string, PinnedTensor>();
    for (const weight of group.ffns[layers[0]].weights) {
      const data = values.get(weight.role);
      if (!data) continue;
      const pin = this.sessions.pin({ type: 'float32', dims: weight.source.dims, data });
      for (const layer of layers) overrides.set(liveName(group.id, layer, weight.role), pin);
    }
    return overrides;
  }

  /** Pins the shift of a value of one FFN, where its file has no bias. */
  shift(group: FfnGroup, layer: number, place: OwnPlace, data: Float32Array): Overrides {
    const name = shiftName(group.id, layer, place);
    const dims = this.pinned.get(name)?.dims;
    if (!dims) throw new Error(`The open model has no place for “${name}”.`);
    return new Map([[name, this.sessions.pin({ type: 'float32', dims, data })]]);
  }

  /** The weights of one FFN, read from the file. */
  async weightsOf(group: FfnGroup, layer: number): Promise<FfnWeights> {
    const weights = new Map<WeightRole, WeightMatrix>();
    for (const weight of group.ffns[layer].weights) {
      weights.set(weight.role, await readWeight(this.opened, weight));
    }
    return weights;
  }

  async release(): Promise<void> {
    for (const pin of new Set(this.pinned.values())) pin.release();
    await this.scoring.release();
    await this.tapped.release();
  }

  private blocksFor(wanted: ReadonlySet<string>): LazyBlocks {
    return [...wanted].some((name) => this.taps.has(name)) ? this.tapped : this.scoring;
  }

  /** The values asked for; features of convolutions are brought to the last axis, as everything else has them. */
  private asked(
    names: readonly string[],
    made: ReadonlyMap<string, OutputTensor>,
  ): Record<string, OutputTensor> {
    return Object.fromEntries(
      names.map((name) => {
        const axis = this.featureAxes.get(name);
        const value = made.get(name)!;
        return [name, axis === undefined ? value : featuresLast(value, axis)];
      }),
    );
  }

  /** Runs the blocks that are needed; every value made is in the result, released by the caller. */
  private async execute(
    feeds: Feeds,
    wanted: ReadonlySet<string>,
    { changes = {}, kept }: RunOptions,
  ): Promise<Map<string, OutputTensor>> {
    const made = new Map<string, OutputTensor>();
    const blocks = await this.blocksFor(wanted).open();
    const plans = blocks.map((b) => b.plan);
    const last = plans.findLastIndex((p) => p.outputs.some((name) => wanted.has(name)));
    const first = kept ? firstBlock(plans, changes, kept, wanted) : 0;
    const lookUp = (name: string): Feed => {
      const replaced = changes.replaced?.get(name);
      if (replaced !== undefined) return lookUp(replaced);
      const value = feeds[name] ?? made.get(name) ?? kept?.values.get(name);
      if (!value) throw new Error(`No value of “${name}” reaches the block that reads it.`);
      return value;
    };
    try {
      for (let b = first; b <= last; b++) {
        const { plan, session } = blocks[b];
        const all: Record<string, Feed> = {};
        for (const name of plan.inputs) all[name] = lookUp(name);
        for (const { name } of [...plan.live, ...plan.shifts])
          all[name] = changes.weights?.get(name) ?? this.pinned.get(name)!;
        const crossing = b < last ? plan.crossing : [];
        const names = new Set([...crossing, ...plan.outputs.filter((name) => wanted.has(name))]);
        const outputs = await session.run(all, [...names]);
        this.blockRuns++;
        for (const [name, value] of Object.entries(outputs)) made.set(name, value);
      }
      return made;
    } catch (error) {
      for (const value of made.values()) value.release();
      throw error;
    }
  }
}

/** The sessions of the blocks, made when they are first needed. */
class LazyBlocks {
  readonly plans: readonly OpenBlock[];
  private readonly opened: OpenedModel;
  private readonly sessions: SessionFactory;
  private blocks: Promise<readonly LiveBlock[]> | null = null;

  constructor(opened: OpenedModel, sessions: SessionFactory, plans: readonly OpenBlock[]) {
    this.opened = opened;
    this.sessions = sessions;
    this.plans = plans;
  }

  /** @throws OnnxError, RuntimeFailure, AbortError; a later call tries again */
  open(job?: Job): Promise<readonly LiveBlock[]> {
    this.blocks ??= this.make(job).catch((error: unknown) => {
      this.blocks = null;
      throw error;
    });
    return this.blocks;
  }

  async release(): Promise<void> {
    const blocks = await this.blocks;
    this.blocks = null;
    for (const { session } of blocks ?? []) await session.release();
  }

  private async make(job?: Job): Promise<LiveBlock[]> {
    const blocks: LiveBlock[] = [];
    try {
      for (const plan of this.plans) {
        job?.announce(`Opening the model, part ${blocks.length + 1} of ${this.plans.length}`);
        await job?.check();
        blocks.push({ plan, session: await openBlock(this.opened, plan, this.sessions) });
      }
      return blocks;
    } catch (error) {
      for (const { session } of blocks) await session.release();
      throw error;
    }
  }
}

/** The first block that must run: the first changed or asked-for one whose inputs are all kept. */
function firstBlock(
  plans: readonly OpenBlock[],
  changes: Changes,
  kept: KeptValues,
  wanted: ReadonlySet<string>,
): number {
  const changed = plans.findIndex(
    (plan) =>
      [...plan.live, ...plan.shifts].some((l) => changes.weights?.has(l.name)) ||
      plan.crossing.some((name) => changes.replaced?.has(name)) ||
      plan.outputs.some((name) => wanted.has(name)),
  );
  let first = Math.max(0, changed);
  const available = (b: number) => {
    const later = new Set(plans.slice(b).flatMap((plan) => plan.inputs));
    return plans
      .slice(0, b)
      .every((plan) => plan.crossing.every((name) => !later.has(name) || kept.values.has(name)));
  };
  while (first > 0 && !available(first)) first--;
  return first;
}

async function openBlock(opened: OpenedModel, plan: OpenBlock, sessions: SessionFactory): Promise<Session> {
  const bytes = await composeOnnx(opened.model, plan.edits).toBytes();
  const externals = await Promise.all(
    plan.externals.map(async ({ path, tensor }) => ({ path, data: await tensorBlob(opened.model, tensor) })),
  );
  const scored = opened.scoreOutput?.name;
  return sessions.create(bytes, {
    externals,
    keepOnDevice: plan.outputs.filter((name) => name !== scored),
  });
}

async function pinOriginals(
  opened: OpenedModel,
  plans: readonly OpenBlock[],
  sessions: SessionFactory,
  pinned: Map<string, PinnedTensor>,
  job: Job,
): Promise<void> {
  const byTensor = new Map<string, PinnedTensor>();
  for (const { name, weight } of plans.flatMap((p) => p.live)) {
    await job.check();
    const { tensor, transposed, dims } = weight.source;
    // An exporter may share one tensor between layers: pin it once.
    const key = `${tensor.body.start}:${transposed}`;
    let pin = byTensor.get(key);
    if (!pin) {
      const { data } = await readWeight(opened, weight);
      pin = sessions.pin({ type: 'float32', dims, data });
      byTensor.set(key, pin);
    }
    pinned.set(name, pin);
  }
}

/** What is fed may be asked for as well: an FFN may read an input of the model. */
function asOutput({ type, dims, data }: HostTensor): OutputTensor {
  return { type, dims, read: async () => data, release: () => {} };
}

/** Shifts are zero in the original; one tensor serves all of a shape. */
function pinZeros(
  plans: readonly OpenBlock[],
  sessions: SessionFactory,
  pinned: Map<string, PinnedTensor>,
): void {
  const byShape = new Map<string, PinnedTensor>();
  for (const { name, dims } of plans.flatMap((p) => p.shifts)) {
    const shape = dims.join();
    const zeros =
      byShape.get(shape) ??
      sessions.pin({ type: 'float32', dims, data: new Float32Array(elementCount(dims)) });
    byShape.set(shape, zeros);
    pinned.set(name, zeros);
  }
}

/** The values that a session gives out for one FFN. */
export function tapsOf(ffn: Ffn): string[] {
  const { input, preActivation, gatePreActivation, hidden, output, attentionOutput } = ffn;
  const taps = [input, preActivation, gatePreActivation, hidden, output, attentionOutput];
  return taps.filter((v) => v !== undefined);
}
