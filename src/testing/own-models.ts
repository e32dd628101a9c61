/**
 * Models of the manifest for tests of what layers keep of their own (merge/own.ts): opened, saved, run from disk, and
 * an expectation that shares neither the tying nor the new nodes with `src/merge`: in the f32 model that is measured,
 * each layer gets matrices and biases of its own into which its changes are folded.
 */
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import * as ort from 'onnxruntime-node';
import type { Ffn, FfnWeight, WeightRole } from '../graph/ffn.ts';
import { weightShape } from '../graph/weights.ts';
import type { OwnPlace, ValueChange } from '../merge/own.ts';
import type { EditedFiles } from '../merge/write-back.ts';
import { tensorBytes } from '../onnx/tensors.ts';
import type { ModelEdits, NewTensor, NodeEdit, NodeInfo, TensorInfo } from '../onnx/types.ts';
import { composeOnnx } from '../onnx/writer.ts';
import { type OpenedModel, openModels } from '../pipeline/opened.ts';
import { savedFiles } from '../pipeline/saved.ts';
import { DataType } from '../tensor/dtype.ts';
import { type FileOnDisk, type NodeFeeds, type Outputs, run, runFiles, widened } from './model-runs.ts';
import type { Random } from './random.ts';

interface Expected {
  readonly files?: readonly string[];
  readonly dtype?: string;
  readonly groups: readonly unknown[];
}

const root = new URL('./', import.meta.url);
export const manifest: Readonly<Record<string, Expected>> = JSON.parse(
  readFileSync(new URL('models.json', root), 'utf8'),
);

const opened = new Map<string, Promise<OpenedModel>>();

/** A model of the manifest; opened once. */
export function openNamed(name: string): Promise<OpenedModel> {
  const known = opened.get(name) ?? openFiles(manifest[name].files ?? [`${name}.onnx`]);
  opened.set(name, known);
  return known;
}

function openFiles(paths: readonly string[]): Promise<OpenedModel> {
  const files = paths.map((p) => new File([readFileSync(new URL(`models/${p}`, root))], basename(p)));
  return openModels(
    files.filter((f) => f.name.endsWith('.onnx')),
    files,
  );
}

export function onDisk(opened: OpenedModel, edited?: EditedFiles): FileOnDisk[] {
  return savedFiles(opened, edited).map((f) => ({ name: f.name, blob: f.toBlob() }));
}

/** Runs the files of a model, with edits, as they would be on disk. */
export async function runSaved(
  opened: OpenedModel,
  feeds: NodeFeeds,
  edited?: EditedFiles,
): Promise<Outputs> {
  const files = onDisk(opened, edited);
  if (
    opened.mainFiles.some((f) => f.model.graph.initializers.some((t) => t.dataType === DataType.bfloat16))
  ) {
    // onnxruntime has no bfloat16 on a CPU: the files are opened again and run as they are measured.
    const again = files.map((f) => new File([f.blob], f.name));
    return run(await measuredBytes(await openModels(again, again)), widened(feeds));
  }
  return runFiles(
    files,
    opened.mainFiles.map((f) => f.fileName),
    feeds,
  );
}

/** The model that is measured, in one file, with edits. */
export async function measuredBytes({ model }: OpenedModel, edits: ModelEdits = {}): Promise<Uint8Array> {
  const tensors = new Map<TensorInfo, NewTensor | 'drop'>(edits.tensors);
  for (const tensor of model.graph.initializers) {
    if (tensor.storage.kind !== 'external' || tensors.has(tensor)) continue;
    const { name, dataType, dims } = tensor;
    tensors.set(tensor, { name, dataType, dims, data: await tensorBytes(model, tensor) });
  }
  const blob = composeOnnx(model, { ...edits, tensors }).toBlob();
  return new Uint8Array(await blob.arrayBuffer());
}

/** Random changes of every place given: scales near 1, small shifts, deltas of rank 2 where there can be one. */
export function randomChanges(
  random: Random,
  { dModel: d, dFf: n }: Ffn,
  places: ReadonlyMap<OwnPlace, { readonly delta: boolean }>,
): Map<OwnPlace, ValueChange> {
  const near = (size: number, centre: number, by: number) =>
    random.normals(size).map((v) => Math.fround(centre + by * v));
  return new Map(
    [...places].map(([place, { delta }]) => {
      const size = place === 'out' ? d : n;
      const inner = place === 'out' ? n : d;
      const change: ValueChange = {
        scale: near(size, 1, 0.2),
        shift: near(size, 0, 0.2),
        ...(delta && {
          delta: { rank: 2, a: near(2 * inner, 0, 0.4 / Math.sqrt(inner)), b: near(2 * size, 0, 0.5) },
        }),
      };
      return [place, change];
    }),
  );
}

/** A matrix as X multiplies it: [inputs × outputs] of units or features. */
class Matrix {
  readonly data: Float64Array;
  readonly rows: number;
  readonly cols: number;
  constructor(rows: number, cols: number) {
    [this.rows, this.cols, this.data] = [rows, cols, new Float64Array(rows * cols)];
  }
}

/** What a layer computes with: the weights of an FFN in plain matrices, and how they go back. */
class Folding {
  private readonly matrices = new Map<FfnWeight, Matrix>();
  /** Shifts of values of FFNs that have no bias there. */
  readonly loose = new Map<string, Float64Array>();

  constructor(
    private readonly opened: OpenedModel,
    private readonly ffn: Ffn,
    values: ReadonlyMap<WeightRole, Float32Array>,
  ) {
    for (const weight of ffn.weights) {
      const { rows, cols } = weightShape(weight);
      const data = values.get(weight.role)!;
      const isVector = rows === 1;
      const flip = !isVector && inputsLast(weight);
      const m = new Matrix(flip ? cols : rows, flip ? rows : cols);
      data.forEach((v, i) => {
        m.data[flip ? (i % cols) * rows + Math.floor(i / cols) : i] = v;
      });
      this.matrices.set(weight, m);
    }
  }

  weight(role: WeightRole): FfnWeight | undefined {
    return this.ffn.weights.find((w) => w.role === role);
  }

  /** v′ of a linear map's output: its columns from `offset` on, and its bias, change. */
  change(
    role: WeightRole,
    biasRole: WeightRole,
    value: string,
    offset: number,
    size: number,
    by: ValueChange,
  ) {
    const weight = this.weight(role)!;
    const m = this.matrices.get(weight)!;
    const alpha = weight.node.attributes.get('alpha')?.f ?? 1;
    const { scale, shift, delta } = by;
    for (let r = 0; r < m.rows; r++) {
      for (let c = 0; c < size; c++) {
        const at = r * m.cols + offset + c;
        m.data[at] *= scale?.[c] ?? 1;
        for (let k = 0; k < (delta?.rank ?? 0); k++)
          m.data[at] += (delta!.a[r * delta!.rank + k] * delta!.b[k * size + c]) / alpha;
      }
    }
    this.bias(biasRole, value, offset, size, (v, c) => v * (scale?.[c] ?? 1), shift);
  }

  /** H′ = H ⊙ scale + shift, folded into what multiplies it. */
  changeHidden({ scale, shift }: ValueChange): void {
    const weight = this.weight('w_out')!;
    const m = this.matrices.get(weight)!;
    const alpha = weight.node.attributes.get('alpha')?.f ?? 1;
    const moved = new Float64Array(m.cols);
    for (let r = 0; r < m.rows; r++) {
      for (let c = 0; c < m.cols; c++) {
        moved[c] += (shift?.[r] ?? 0) * m.data[r * m.cols + c] * alpha;
        m.data[r * m.cols + c] *= scale?.[r] ?? 1;
      }
    }
    this.bias('b_out', this.ffn.output, 0, m.cols, (v) => v, moved);
  }

  private bias(
    role: WeightRole,
    value: string,
    offset: number,
    size: number,
    scaled: (v: number, c: number) => number,
    shift?: ArrayLike<number>,
  ): void {
    const weight = this.weight(role);
    const beta = weight?.node.attributes.get('beta')?.f ?? 1;
    const known = this.loose.get(value) ?? new Float64Array(size);
    const data = weight ? this.matrices.get(weight)!.data : known;
    const from = weight ? offset : 0;
    for (let c = 0; c < size; c++)
      data[from + c] = scaled(data[from + c], c) + (shift?.[c] ?? 0) / (weight ? beta : 1);
    if (!weight) this.loose.set(value, known);
  }

  /** Values in the shape that the nodes see. */
  values(): Map<FfnWeight, Float32Array> {
    return new Map(
      [...this.matrices].map(([weight, m]) => {
        if (m.rows === 1 || !inputsLast(weight)) return [weight, Float32Array.from(m.data)];
        const { rows, cols } = m;
        return [
          weight,
          Float32Array.from(
            { length: rows * cols },
            (_, i) => m.data[(i % rows) * cols + Math.floor(i / rows)],
          ),
        ];
      }),
    );
  }

  /** Where up, or the gate, begins in the columns of a packed projection. */
  halfOf(value: string): number {
    const { index } = this.opened.search;
    const node = index.producers.get(value)!;
    if (node.opType === 'Split') return node.outputs.indexOf(value) * this.ffn.dFf;
    // The bounds of slices may be computed; the first half is cut first.
    const cuts = index.usesOf(node.inputs[0]).filter((u) => u.node.opType === 'Slice');
    return this.ffn.dFf * cuts.findIndex((u) => u.node === node);
  }
}

/** Whether a matrix as its node sees it has its inputs in the columns: [outputs × inputs]. */
function inputsLast({ role, hiddenAxis }: FfnWeight): boolean {
  return role === 'w_out' ? hiddenAxis !== 0 : hiddenAxis === 0;
}

/** The measured model where layers have weights of their own, with changes folded into them. */
export async function foldedBytes(
  opened: OpenedModel,
  layers: readonly {
    readonly ffn: Ffn;
    readonly values: ReadonlyMap<WeightRole, Float32Array>;
    readonly changes: ReadonlyMap<OwnPlace, ValueChange>;
  }[],
): Promise<Uint8Array> {
  const nodes = new Map<NodeInfo, NodeEdit>();
  const addInitializers: NewTensor[] = [];
  const tensor = (data: Float32Array, dims: readonly number[]) => {
    const name = `test.${addInitializers.length}`;
    addInitializers.push({
      name,
      dataType: DataType.float,
      dims,
      data: new Uint8Array(data.buffer, 0, data.byteLength),
    });
    return name;
  };
  for (const { ffn, values, changes } of layers) {
    const folding = new Folding(opened, ffn, values);
    const packed = ffn.gated && !folding.weight('w_gate');
    const at = (value: string) => (packed ? folding.halfOf(value) : 0);
    const [up, gate, hidden, out] = (['in', 'gate', 'hidden', 'out'] as const).map((p) => changes.get(p));
    if (up) folding.change('w_in', 'b_in', ffn.preActivation, at(ffn.preActivation), ffn.dFf, up);
    if (gate) {
      const [w, b] = packed ? (['w_in', 'b_in'] as const) : (['w_gate', 'b_gate'] as const);
      folding.change(w, b, ffn.gatePreActivation!, at(ffn.gatePreActivation!), ffn.dFf, gate);
    }
    // The delta of Y starts from H as changed.
    if (out) folding.change('w_out', 'b_out', ffn.output, 0, ffn.dModel, out);
    if (hidden) folding.changeHidden(hidden);
    for (const [weight, data] of folding.values()) {
      const inputs = [...(nodes.get(weight.node)?.inputs ?? weight.node.inputs)];
      inputs[weight.input] = tensor(data, weight.source.dims);
      nodes.set(weight.node, { ...nodes.get(weight.node), inputs });
    }
    for (const [value, shift] of folding.loose) {
      const node = opened.search.index.producers.get(value)!;
      const known = nodes.get(node);
      const outputs = (known?.outputs ?? node.outputs).map((v) => (v === value ? `test/${v}` : v));
      const ones = new Array<number>(-1 - (ffn.featureAxes?.get(value) ?? -1)).fill(1);
      const operand = tensor(Float32Array.from(shift), [shift.length, ...ones]);
      const add = { opType: 'Add', name: '', inputs: [`test/${value}`, operand], outputs: [value] };
      nodes.set(node, { ...known, outputs, after: [...(known?.after ?? []), add] });
    }
  }
  return measuredBytes(opened, { nodes, addInitializers });
}

const LENGTH = 4;
const ids = [5, 9, 14, 7, 3, 11];

/**
 * Logits of the last of a few tokens: computed at once, and from a cache of the tokens before, by the files that have
 * one (the other branch of an If, a decoder's second file).
 */
export async function lastLogits(
  opened: OpenedModel,
  edited?: EditedFiles,
): Promise<readonly [Outputs, Outputs]> {
  const sessions = new Map<string, ort.InferenceSession>();
  for (const { name, blob } of onDisk(opened, edited)) {
    const bytes = new Uint8Array(await blob.arrayBuffer());
    sessions.set(
      name,
      await ort.InferenceSession.create(bytes, { logSeverityLevel: 3, intraOpNumThreads: 1 }),
    );
  }
  const find = (...parts: string[]) =>
    [...sessions].find(([name]) => parts.some((part) => name.startsWith(part)))?.[1];
  const ints = (values: readonly number[]) =>
    new ort.Tensor('int64', BigInt64Array.from(values, BigInt), [1, values.length]);
  const encoder = find('encoder_model');
  const mask = ints(ids.map(() => 1));
  const states =
    encoder && Object.values(await encoder.run({ input_ids: ints(ids), attention_mask: mask }))[0];
  const decode = async (from: number, to: number, past: Record<string, ort.Tensor>) => {
    const session = from > 0 ? find('decoder_with_past', 'decoder_model_merged') : find('decoder_model');
    const given: Record<string, ort.Tensor> = {
      input_ids: ints(ids.slice(from, to)),
      attention_mask: ints(ids.slice(0, to).map(() => 1)),
      position_ids: ints(ids.map((_, i) => i).slice(from, to)),
      encoder_attention_mask: mask,
      ...(states && { encoder_hidden_states: states }),
      use_cache_branch: new ort.Tensor('bool', [from > 0], [1]),
      ...past,
    };
    const empty = new ort.Tensor('float32', new Float32Array(0), [1, 2, 0, 8]);
    const made = await session!.run(
      Object.fromEntries(session!.inputNames.map((name) => [name, given[name] ?? empty])),
    );
    const cache = Object.entries(made).filter(([name]) => name.startsWith('present'));
    const logits = (made.logits.data as Float32Array).slice(-made.logits.dims.at(-1)!);
    return {
      logits: { logits },
      cache: Object.fromEntries(cache.map(([n, t]) => [n.replace('present', 'past_key_values'), t])),
    };
  };
  const whole = await decode(0, LENGTH, {});
  const before = await decode(0, LENGTH - 1, {});
  const cached = await decode(LENGTH - 1, LENGTH, before.cache);
  for (const session of sessions.values()) await session.release();
  return [whole.logits, cached.logits];
}
