/**
 * Gradients of merged models through jax-js, against finite differences that onnxruntime computes on the open model
 * (which shares nothing with the plain graph), on the files of two exporters and of three other architectures.
 */
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import type { WeightRole } from '../graph/weights.ts';
import type { TiedFfn } from '../merge/write-back.ts';
import { LiveModel, type Overrides } from '../pipeline/live-model.ts';
import { type OpenedModel, openModels } from '../pipeline/opened.ts';
import { Job } from '../pipeline/progress.ts';
import { readWeight } from '../pipeline/read-weight.ts';
import type { DifferentiableFactory, LossTarget, Parameters } from '../runtime/differentiable.ts';
import { loadNodeJaxFactory } from '../runtime/jax/node.ts';
import { loadNodeFactory } from '../runtime/ort/node.ts';
import type { HostTensor, SessionFactory } from '../runtime/session.ts';
import { expectClose } from '../testing/compare.ts';
import { createRandom } from '../testing/random.ts';
import { dependence } from './dependence.ts';
import { liveParameters, withParameters } from './parameters.ts';
import { TappedOriginal } from './tapped.ts';
import { TrainingModel } from './training-model.ts';

const int64 = (dims: number[], at: (i: number) => number): HostTensor => ({
  type: 'int64',
  dims,
  data: BigInt64Array.from({ length: dims.reduce((n, d) => n * d, 1) }, (_, i) => BigInt(at(i))),
});
const tokens = (name: string, vocabulary: number, dims = [2, 7]) => ({
  [name]: int64(dims, (i) => (i * 7 + 3) % vocabulary),
});
/** The second item is two shorter. */
const padded = (name: string, dims = [2, 7]) => ({
  [name]: int64(dims, (i) => (i < 2 * dims[1] - 2 ? 1 : 0)),
});
const image = (): Record<string, HostTensor> => ({
  pixel_values: { type: 'float32', dims: [2, 1, 28, 28], data: createRandom(3).normals(2 * 28 * 28) },
});

interface Case {
  readonly files: readonly string[];
  readonly feeds: Readonly<Record<string, HostTensor>>;
  /** Layers that are tied, of each group. */
  readonly layers: readonly (readonly number[])[];
  readonly loss: 'classes' | 'features';
}

const sample = (name: string) => `public/samples/${name}/model.onnx`;
const torchscript = (name: string) => `src/testing/fixtures/${name}/model-torchscript.onnx`;
const small = (name: string) => `src/testing/models/${name}`;

const cases: Readonly<Record<string, Case>> = {
  'shakespeare-gpt2, dynamo': {
    files: [sample('shakespeare-gpt2')],
    feeds: tokens('input_ids', 65),
    layers: [[9, 10]],
    loss: 'classes',
  },
  'shakespeare-gpt2, TorchScript': {
    files: [torchscript('shakespeare-gpt2')],
    feeds: { ...tokens('input_ids', 65), ...padded('attention_mask') },
    layers: [[9, 10]],
    loss: 'classes',
  },
  'digits-vit, dynamo': {
    files: [sample('digits-vit')],
    feeds: image(),
    layers: [[9, 10]],
    loss: 'classes',
  },
  'digits-vit, TorchScript': {
    files: [torchscript('digits-vit')],
    feeds: image(),
    layers: [[9, 10]],
    loss: 'classes',
  },
  'llama, gated': {
    files: [small('llama-dynamo.onnx')],
    feeds: tokens('input_ids', 20),
    layers: [[0, 1, 2]],
    loss: 'classes',
  },
  'bert, encoder only': {
    files: [small('bert-dynamo.onnx')],
    feeds: { ...tokens('input_ids', 20, [2, 5]), ...padded('attention_mask', [2, 5]) },
    layers: [[0, 2]],
    loss: 'features',
  },
  'marian, encoder and decoder': {
    files: [small('marian-pair/encoder_model.onnx'), small('marian-pair/decoder_model.onnx')],
    feeds: {
      ...tokens('input_ids', 20),
      ...padded('attention_mask'),
      ...tokens('decoder_input_ids', 20, [2, 5]),
    },
    layers: [
      [0, 1],
      [0, 1],
    ],
    loss: 'classes',
  },
};

async function open({ files }: Case): Promise<OpenedModel> {
  const blobs = files.map((path) => new File([readFileSync(path)], basename(path)));
  return openModels(blobs, blobs);
}

/** Layers tied by plain averages. */
async function averaged(opened: OpenedModel, { layers }: Case): Promise<TiedFfn[]> {
  return Promise.all(
    layers.map(async (chosen, k): Promise<TiedFfn> => {
      const group = opened.search.groups[k];
      const values = new Map<WeightRole, Float32Array>();
      for (const { role } of group.ffns[chosen[0]].weights) {
        const each: Float32Array[] = [];
        for (const layer of chosen) {
          const weight = group.ffns[layer].weights.find((w) => w.role === role)!;
          each.push((await readWeight(opened, weight)).data);
        }
        values.set(
          role,
          each[0].map((_, i) => each.reduce((sum, v) => sum + v[i], 0) / each.length),
        );
      }
      return { group, layers: chosen, values };
    }),
  );
}

/** What onnxruntime gives for the merged model. */
class Reference {
  constructor(
    readonly live: LiveModel,
    readonly output: string,
    readonly feeds: Case['feeds'],
  ) {}

  async run(sets: readonly TiedFfn[]): Promise<Float32Array> {
    const weights = new Map<string, Overrides extends ReadonlyMap<string, infer P> ? P : never>();
    for (const { group, layers, values, own } of sets) {
      layers.forEach((layer, i) => {
        const mine = new Map([...values!, ...(own?.[i].weights ?? [])]);
        for (const [name, pin] of this.live.override(group, [layer], mine)) weights.set(name, pin);
      });
    }
    const made = await this.live.run(this.feeds, [this.output], { changes: { weights } });
    const values = (await made[this.output].read()).slice() as Float32Array;
    for (const value of Object.values(made)) value.release();
    for (const pin of new Set(weights.values())) pin.release();
    return values;
  }
}

/** A loss in f64, written out from its definition. */
function lossOf(output: Float32Array, width: number, { distribution, label, features }: LossTarget): number {
  let loss = 0;
  for (let r = 0; r < output.length / width; r++) {
    const row = Array.from(output.subarray(r * width, (r + 1) * width));
    const highest = Math.max(...row);
    const sum = row.reduce((s, v) => s + Math.exp(v - highest), 0);
    const logs = row.map((v) => v - highest - Math.log(sum));
    if (distribution) {
      const { weights, probabilities, rest } = distribution;
      let others = 0;
      logs.forEach((log, c) => {
        const p = probabilities[r * width + c];
        if (p > 0) loss += weights[r] * p * (Math.log(p) - log);
        else others += Math.exp(log);
      });
      if (rest[r] > 0) loss += weights[r] * rest[r] * (Math.log(rest[r]) - Math.log(others));
    }
    if (label) loss -= label.weights[r] * logs[label.classes[r]];
    if (features) {
      row.forEach((v, c) => {
        loss += features.weights[r] * (v - features.values[r * width + c]) ** 2;
      });
    }
  }
  return loss;
}

/** Random targets, so that gradients are large: three quarters of the classes kept, the others one bucket. */
function targetFor(rows: number, width: number, loss: Case['loss']): LossTarget {
  const random = createRandom(11);
  const weights = Float32Array.from({ length: rows }, (_, r) => (r % 3 === 2 ? 0 : 1 / rows));
  if (loss === 'features') return { features: { weights, values: random.normals(rows * width) } };
  const probabilities = new Float32Array(rows * width);
  const rest = new Float32Array(rows);
  for (let r = 0; r < rows; r++) {
    const draws = Array.from(random.normals(width), Math.exp);
    const sum = draws.reduce((s, v) => s + v, 0);
    draws.forEach((v, c) => {
      if (c % 4 === 1) rest[r] += v / sum;
      else probabilities[r * width + c] = v / sum;
    });
  }
  const classes = Int32Array.from({ length: rows }, () => random.integer(width));
  return {
    distribution: { weights, probabilities, rest },
    label: { weights: weights.slice().reverse(), classes },
  };
}

const moved = (parameters: Parameters, name: string, along: Float32Array, by: number): Parameters =>
  new Map([...parameters, [name, parameters.get(name)!.map((v, i) => v + by * along[i])]]);
const norm = (v: Float32Array) => Math.sqrt(v.reduce((sum, x) => sum + x * x, 0));
const dot = (a: Float32Array, b: Float32Array) => a.reduce((sum, x, i) => sum + x * b[i], 0);
const unit = (v: Float32Array) => {
  const size = norm(v);
  return v.map((x) => x / size);
};

let sessions: SessionFactory;
let jax: DifferentiableFactory;
beforeAll(async () => {
  jax = await loadNodeJaxFactory();
  sessions = await loadNodeFactory();
});

describe.each(Object.entries(cases))('%s', (_, example) => {
  test('outputs are onnxruntime’s and gradients its finite differences', async () => {
    const opened = await open(example);
    const output = opened.scoreOutput!.name;
    const sets = await averaged(opened, example);
    const training = await TrainingModel.open(
      { ...opened, sets, output, example: example.feeds },
      sessions,
      jax,
    );
    const live = await LiveModel.create(opened, sessions, new Job());
    const reference = new Reference(live, output, example.feeds);
    const start: Parameters = new Map(training.start.map((p) => [p.name, p.start]));
    const { fed } = await training.originalOn(example.feeds);

    const wanted = await reference.run(sets);
    const scale = wanted.reduce((most, v) => Math.max(most, Math.abs(v)), 0);
    const given = await training.differentiable.output(start, fed);
    expectClose(given, wanted, { absolute: 2e-4 * scale });

    const width = training.plain.output.dims.at(-1)!;
    const target = targetFor(wanted.length / width, width, example.loss);
    const { loss, gradients } = await training.differentiable.valueAndGrad(start, { fed, target });
    expect(loss).toBeCloseTo(lossOf(wanted, width, target), 3);
    const lossAt = async (p: Parameters) =>
      lossOf(await reference.run(withParameters(sets, p)), width, target);
    const random = createRandom(5);
    for (const [name, gradient] of gradients) {
      const h = 5e-3 * Math.max(1, norm(start.get(name)!));
      // Along the gradient, and mixed with a random direction, which sees what the first cannot.
      const noise = random.normals(gradient.length);
      const mixed = unit(unit(gradient).map((v, i) => v + noise[i] / Math.sqrt(noise.length)));
      for (const along of [unit(gradient), mixed]) {
        const up = await lossAt(moved(start, name, along, h));
        const down = await lossAt(moved(start, name, along, -h));
        const measured = (up - down) / (2 * h);
        expect(Math.abs(measured - dot(gradient, along)), name).toBeLessThan(0.02 * norm(gradient) + 2e-5);
      }
    }
    await training.release();
    await live.release();
  });
});

test.each(['shakespeare-gpt2, TorchScript', 'marian, encoder and decoder'])(
  '%s: what is fixed is the same for all feeds of a shape, and only what must be is fed',
  async (name) => {
    const example = cases[name];
    const opened = await open(example);
    const output = opened.scoreOutput!.name;
    const { reads } = liveParameters(await averaged(opened, example));
    const { frontier } = dependence(opened.search.index, new Set(reads.keys()), output);
    const fixed = [...frontier].filter(([, kind]) => kind === 'fixed').map(([n]) => n);
    const fed = [...frontier].filter(([, kind]) => kind === 'fed').map(([n]) => n);
    const original = await TappedOriginal.open(opened.model, opened.search, [...frontier.keys()], sessions);
    const other = Object.fromEntries(
      Object.entries(example.feeds).map(([key, t]) => {
        const ids = Array.from(t.data as BigInt64Array, (v) => (v + 1n) % 20n);
        return [key, { ...t, data: BigInt64Array.from(key.includes('mask') ? ids.map(() => 1n) : ids) }];
      }),
    );
    const [first, second] = [example.feeds, other].map((feeds) => original.run(feeds, [...frontier.keys()]));
    const same = (n: string, a: Map<string, HostTensor>, b: Map<string, HostTensor>) =>
      a.get(n)!.dims.join() === b.get(n)!.dims.join() &&
      a.get(n)!.data.every((v: number | bigint, i: number) => v === b.get(n)!.data[i]);
    const [a, b] = [await first, await second];
    expect(fixed.filter((n) => !same(n, a, b))).toEqual([]);
    expect(fed.filter((n) => same(n, a, b))).toEqual([]);
    expect(fixed.length).toBeGreaterThan(5);
    await original.release();
  },
);

test('the gradient of a tied weight is the sum over its uses', async () => {
  const example = cases['llama, gated'];
  const opened = await open(example);
  const output = opened.scoreOutput!.name;
  const sets = await averaged(opened, example);
  const own = sets.map((set) => ({ ...set, own: set.layers.map(() => ({ weights: set.values! })) }));
  const results = [];
  for (const form of [sets, own]) {
    const source = { ...opened, sets: form, output, example: example.feeds };
    const training = await TrainingModel.open(source, sessions, jax);
    const { fed } = await training.originalOn(example.feeds);
    const [rows, width] = [14, training.plain.output.dims.at(-1)!];
    const start: Parameters = new Map(training.start.map((p) => [p.name, p.start]));
    const target = targetFor(rows, width, 'classes');
    results.push((await training.differentiable.valueAndGrad(start, { fed, target })).gradients);
    await training.release();
  }
  const [tied, each] = results;
  for (const [name, gradient] of tied) {
    const role = name.split('/').at(-1);
    const parts = [...each].filter(([n]) => n.endsWith(`/${role}`)).map(([, g]) => g);
    expect(parts.length).toBe(3);
    const sum = gradient.map((_, i) => parts.reduce((s, g) => s + g[i], 0));
    expectClose(gradient, sum, { absolute: 1e-5 * norm(gradient) });
  }
});
