/**
 * The original with inner values as outputs: what computes the constants of the plain graph, the values that come with
 * each batch, and the original's own output, in one run.
 */
import type { FfnSearch } from '../graph/ffn.ts';
import { planOpenGraph } from '../graph/open-graph.ts';
import { tensorBlob } from '../onnx/tensors.ts';
import type { OnnxModel } from '../onnx/types.ts';
import { composeOnnx } from '../onnx/writer.ts';
import type { HostTensor, Session, SessionFactory, TensorType } from '../runtime/session.ts';

export type Feeds = Readonly<Record<string, HostTensor>>;

export class TappedOriginal {
  private readonly session: Session;

  private constructor(session: Session) {
    this.session = session;
  }

  /**
   * @param taps values that can be asked for, beside the outputs of the graph
   * @throws OnnxError, RuntimeFailure
   */
  static async open(
    model: OnnxModel,
    search: FfnSearch,
    taps: readonly string[],
    sessions: SessionFactory,
  ): Promise<TappedOriginal> {
    const [plan] = planOpenGraph(model, search, [], taps);
    const bytes = await composeOnnx(model, plan.edits).toBytes();
    const externals = await Promise.all(
      plan.externals.map(async ({ path, tensor }) => ({ path, data: await tensorBlob(model, tensor) })),
    );
    return new TappedOriginal(await sessions.create(bytes, { externals }));
  }

  /** Values by name; an input of the graph is what was fed. @throws RuntimeFailure */
  async run(feeds: Feeds, names: readonly string[]): Promise<Map<string, HostTensor>> {
    const values = new Map<string, HostTensor>();
    const asked = new Set<string>();
    for (const name of names) {
      if (feeds[name]) values.set(name, feeds[name]);
      else asked.add(name);
    }
    if (asked.size === 0) return values;
    const read = new Set(this.session.inputNames);
    const mine = Object.fromEntries(Object.entries(feeds).filter(([name]) => read.has(name)));
    const outputs = await this.session.run(mine, [...asked]);
    try {
      for (const [name, output] of Object.entries(outputs)) {
        const data = await output.read();
        values.set(name, { type: output.type as TensorType, dims: output.dims, data });
      }
    } finally {
      for (const output of Object.values(outputs)) output.release();
    }
    return values;
  }

  release(): Promise<void> {
    return this.session.release();
  }
}
