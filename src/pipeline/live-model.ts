/**
 * The open model as it runs: one session whose FFN weights are inputs and whose sublayer values are outputs.
 *
 * Why: the original and every merged variant are served by the same session; a variant is only other weights
 * (design.md, The open model). Original weights are read from the file once and pinned.
 *
 * Known limits: the whole graph runs for every batch; blocks that start from a kept hidden state come later.
 */
import type { FfnGroup, FfnWeight, WeightRole } from '../graph/ffn.ts';
import { liveName, planOpenGraph } from '../graph/open-graph.ts';
import type { FfnWeights, WeightMatrix } from '../merge/method.ts';
import { readFloats, tensorBlob } from '../onnx/tensors.ts';
import { composeOnnx } from '../onnx/writer.ts';
import type { HostTensor, OutputTensor, PinnedTensor, Session, SessionFactory } from '../runtime/session.ts';
import type { OpenedModel } from './opened.ts';
import type { Job } from './progress.ts';

/** Weights that differ from the original, by live input name. */
export type Overrides = ReadonlyMap<string, PinnedTensor>;

export class LiveModel {
  private readonly opened: OpenedModel;
  private readonly session: Session;
  private readonly pinned: Map<string, PinnedTensor>;
  private readonly sessions: SessionFactory;

  private constructor(
    opened: OpenedModel,
    session: Session,
    sessions: SessionFactory,
    pinned: Map<string, PinnedTensor>,
  ) {
    this.opened = opened;
    this.session = session;
    this.sessions = sessions;
    this.pinned = pinned;
  }

  /**
   * Makes the session. Taps are the pre-activations, FFN outputs and attention outputs of all groups.
   * @throws OnnxError, RuntimeFailure
   */
  static async create(opened: OpenedModel, sessions: SessionFactory, job: Job): Promise<LiveModel> {
    const { groups } = opened.search;
    const taps = groups.flatMap((g) => g.ffns.flatMap(tapsOf));
    const plan = planOpenGraph(opened.model, opened.search, groups, taps);
    job.announce('Opening the model for measuring');
    const bytes = new Uint8Array(await composeOnnx(opened.model, plan.edits).toBlob().arrayBuffer());
    const externals = await Promise.all(
      plan.externals.map(async ({ path, tensor }) => ({
        path,
        data: await tensorBlob(opened.model, tensor),
      })),
    );
    await job.check();
    const session = await sessions.create(bytes, { externals, keepOnDevice: [...new Set(taps)] });
    const pinned = new Map<string, PinnedTensor>();
    const byTensor = new Map<string, PinnedTensor>();
    for (const live of plan.live) {
      await job.check();
      const { tensor, transposed } = live.weight.source;
      // An exporter may share one tensor between layers: pin it once.
      const key = `${tensor.body.start}:${transposed}`;
      let pin = byTensor.get(key);
      if (!pin) {
        const { data } = await readWeight(opened, live.weight);
        pin = sessions.pin({ type: 'float32', dims: live.weight.source.dims, data });
        byTensor.set(key, pin);
      }
      pinned.set(live.name, pin);
    }
    return new LiveModel(opened, session, sessions, pinned);
  }

  /** Runs a batch with the original weights, or with those of a variant. The caller releases the outputs. */
  run(
    feeds: Readonly<Record<string, HostTensor>>,
    outputs: readonly string[],
    overrides?: Overrides,
  ): Promise<Record<string, OutputTensor>> {
    const all: Record<string, HostTensor | PinnedTensor> = { ...feeds };
    for (const [name, pin] of this.pinned) all[name] = overrides?.get(name) ?? pin;
    return this.session.run(all, [...new Set(outputs)]);
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

  /** The weights of one FFN, read from the file. */
  async weightsOf(group: FfnGroup, layer: number): Promise<FfnWeights> {
    const weights = new Map<WeightRole, WeightMatrix>();
    for (const weight of group.ffns[layer].weights)
      weights.set(weight.role, await readWeight(this.opened, weight));
    return weights;
  }

  async release(): Promise<void> {
    for (const pin of new Set(this.pinned.values())) pin.release();
    await this.session.release();
  }
}

/** The values that a session gives out for one FFN. */
export function tapsOf(ffn: {
  preActivation: string;
  gatePreActivation?: string;
  output: string;
  attentionOutput?: string;
}): string[] {
  return [ffn.preActivation, ffn.gatePreActivation, ffn.output, ffn.attentionOutput].filter(
    (v) => v !== undefined,
  );
}

async function readWeight(opened: OpenedModel, weight: FfnWeight): Promise<WeightMatrix> {
  const { tensor, transposed, dims } = weight.source;
  const stored = await readFloats(opened.model, tensor);
  const rows = dims.length === 2 ? dims[0] : 1;
  const cols = dims.at(-1)!;
  return { weight, rows, cols, data: transposed ? transpose(stored, cols, rows) : stored };
}

/** [rows × cols] to [cols × rows]. */
function transpose(values: Float32Array, rows: number, cols: number): Float32Array {
  const out = new Float32Array(values.length);
  for (let r = 0; r < rows; r++) for (let c = 0; c < cols; c++) out[c * rows + r] = values[r * cols + c];
  return out;
}
