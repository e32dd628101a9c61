/**
 * Random models: what is read is what was built, no edit changes nothing, and edited bytes are those that the
 * independent encoder makes of the edited model.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type {
  AttributeValue,
  ElementType,
  GraphSpec,
  ModelSpec,
  TensorSpec,
} from '../testing/onnx-builder.ts';
import { buildModel, external, float, graph, input, node, tensor, wire } from '../testing/onnx-builder.ts';
import { openOnnx } from './reader.ts';
import { tensorBytes } from './tensors.ts';
import type {
  AttributeInfo,
  GraphInfo,
  ModelEdits,
  NewTensor,
  NodeEdit,
  OnnxModel,
  TensorInfo,
} from './types.ts';
import { composeOnnx } from './writer.ts';

const TYPES = { float: 1, int8: 3, int32: 6, int64: 7, bool: 9, float16: 10, double: 11 } as const;
const SIZES: Record<keyof typeof TYPES, number> = {
  float: 4,
  int8: 1,
  int32: 4,
  int64: 8,
  bool: 1,
  float16: 2,
  double: 8,
};
const RUNS = { numRuns: 150, seed: 20_26 };

const name = fc.string({ minLength: 1, maxLength: 12, unit: 'grapheme' });
const dims = fc.array(fc.integer({ min: 1, max: 4 }), { maxLength: 3 });
const elements = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1);
const type = fc.constantFrom(...(Object.keys(TYPES) as (keyof typeof TYPES)[]));

const unknown = fc
  .array(
    fc.oneof(
      fc
        .tuple(fc.integer({ min: 200, max: 5000 }), fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }))
        .map(([f, v]) => wire.varint(f, v)),
      fc
        .tuple(fc.integer({ min: 200, max: 2 ** 29 - 1 }), fc.uint8Array({ maxLength: 40 }))
        .map(([f, v]) => wire.bytes(f, v)),
      fc.integer({ min: 200, max: 900 }).map((f) => wire.fixed64(f, 77n)),
      fc.integer({ min: 200, max: 900 }).map((f) => wire.fixed32(f, 77)),
    ),
    { maxLength: 2 },
  )
  .map((fields) => wire.concat(...fields));

const tensorSpec: fc.Arbitrary<TensorSpec> = fc
  .tuple(name, type, dims, fc.constantFrom('raw', 'typed', 'unpacked', 'external'), fc.option(name), unknown)
  .chain(([called, kind, shape, style, doc, extra]) => {
    const more = { extra, ...(doc === null ? {} : { doc }) };
    if (style === 'external') {
      const length = elements(shape) * SIZES[kind];
      return fc.constant({
        ...external(called, kind, shape, { location: 'x.data', offset: 8, length }),
        ...more,
      });
    }
    const value = kind === 'bool' ? fc.integer({ min: 0, max: 1 }) : fc.integer({ min: 0, max: 127 });
    return fc
      .array(value, { minLength: elements(shape), maxLength: elements(shape) })
      .map((values) => ({ ...tensor(called, kind, shape, values, style as 'raw'), ...more }));
  });

const { graphSpec } = fc.letrec<{ attribute: AttributeValue; graphSpec: GraphSpec }>((tie) => ({
  attribute: fc.oneof(
    { maxDepth: 2, depthIdentifier: 'graph' },
    fc.maxSafeInteger(),
    fc.constantFrom(0.5, -1.25),
    name,
    fc.array(fc.integer()),
    fc.array(name, { minLength: 1 }),
    fc.array(fc.integer({ min: -9, max: 9 })).map((v) => float(v)),
    tensorSpec,
    tie('graphSpec').map((g) => graph(g)),
  ),
  graphSpec: fc.record(
    {
      name,
      nodes: fc.array(
        fc
          .tuple(
            name,
            fc.array(fc.oneof(name, fc.constant('')), { maxLength: 4 }),
            fc.array(name, { maxLength: 3 }),
            fc.dictionary(name, tie('attribute'), { maxKeys: 3, noNullPrototype: true }),
            fc.record({ name, domain: name, doc: name, extra: unknown }, { requiredKeys: [] }),
          )
          .map((args) => node(...args)),
        { maxLength: 5 },
      ),
      initializers: fc.array(tensorSpec, { maxLength: 4 }),
      inputs: fc
        .uniqueArray(name, { maxLength: 3 })
        .map((names) => names.map((n) => input(n, 'float', ['b', 4, null]))),
      outputs: fc.array(name, { maxLength: 2 }).map((names) => names.map((n) => input(n, 'int64'))),
      valueInfos: fc.array(name, { maxLength: 2 }).map((names) => names.map((n) => input(n))),
      extra: unknown,
    },
    { requiredKeys: ['name'] },
  ),
}));

const modelSpec: fc.Arbitrary<ModelSpec> = fc
  .tuple(
    graphSpec,
    fc.record({ prefix: unknown, suffix: unknown, opset: fc.integer({ min: 7, max: 24 }), producer: name }),
  )
  .map(([g, more]) => ({ ...g, ...more }));

const open = (bytes: Uint8Array) => openOnnx(new Blob([bytes as Uint8Array<ArrayBuffer>]));

describe('random models', () => {
  it('are read as they were built, and written as they were read', async () => {
    await fc.assert(
      fc.asyncProperty(modelSpec, fc.integer({ min: 0, max: 6 }), async (spec, padLengths) => {
        const bytes = buildModel({ ...spec, padLengths });
        const model = await open(bytes);
        expect(model.producerName).toBe(spec.producer);
        expect(model.opsets.get('')).toBe(spec.opset);
        expectGraph(model.graph, spec);
        await expectValues(model, spec);
        const file = composeOnnx(model, {});
        expect(Buffer.compare(Buffer.from(await file.toBlob().arrayBuffer()), bytes)).toBe(0);
      }),
      RUNS,
    );
  });

  it('are edited as the encoder would', async () => {
    await fc.assert(
      fc.asyncProperty(
        modelSpec,
        fc.array(fc.nat(9), { minLength: 8, maxLength: 8 }),
        tensorSpec,
        async (spec, dice, fresh) => {
          const model = await open(buildModel(spec));
          const { edits, edited } = randomEdits(model, spec, dice, fresh);
          const composed = composeOnnx(model, edits);
          const bytes = new Uint8Array(await composed.toBlob().arrayBuffer());
          expect(Buffer.compare(await composed.toBytes(), bytes)).toBe(0);
          expect(Buffer.compare(bytes, buildModel(edited))).toBe(0);
        },
      ),
      RUNS,
    );
  });

  it('are found again with additions', async () => {
    await fc.assert(
      fc.asyncProperty(modelSpec, async (spec) => {
        const model = await open(buildModel(spec));
        const data = Uint8Array.of(1, 2, 3, 4);
        const again = await openOnnx(
          composeOnnx(model, {
            addInitializers: [{ name: 'a name of its own', dataType: 1, dims: [1], data }],
            addOutputs: [{ name: 'another of its own', elemType: 1, dims: ['n', 2] }],
          }).toBlob(),
        );
        const { initializers, outputs, ...others } = spec;
        expectGraph({ ...again.graph, initializers: [], outputs: [] }, others);
        expect(again.graph.initializers).toHaveLength((initializers?.length ?? 0) + 1);
        expect(await tensorBytes(again, again.graph.initializers.at(-1)!)).toEqual(data);
        expect(again.graph.outputs.slice(outputs?.length ?? 0)).toMatchObject([{ dims: ['n', 2] }]);
      }),
      RUNS,
    );
  });
});

function expectGraph(read: GraphInfo, built: GraphSpec): void {
  const { nodes = [], initializers = [], inputs = [], outputs = [], valueInfos = [] } = built;
  expect(read.name).toBe(built.name);
  expect(read.nodes.map((n) => [n.opType, n.inputs, n.outputs, n.name, n.domain])).toEqual(
    nodes.map((n) => [n.op, n.inputs, n.outputs, n.name ?? '', n.domain ?? '']),
  );
  read.nodes.forEach((n, i) => {
    const expected = Object.entries(nodes[i].attributes);
    expect([...n.attributes.keys()]).toEqual(expected.map(([key]) => key));
    for (const [key, value] of expected) expectAttribute(n.attributes.get(key)!, value);
  });
  expect(read.initializers.length).toBe(initializers.length);
  read.initializers.forEach((t, i) => {
    expectTensor(t, initializers[i]);
  });
  const values = (list: readonly { name: string; dims?: readonly unknown[] }[]) =>
    list.map((v) => [v.name, v.dims]);
  expect(values(read.inputs)).toEqual(values(inputs));
  expect(values(read.outputs)).toEqual(values(outputs));
  expect(values(read.valueInfos)).toEqual(values(valueInfos));
}

function expectAttribute(read: AttributeInfo, built: AttributeValue): void {
  if (typeof built === 'number') expect(Number.isInteger(built) ? read.i : read.f).toBe(built);
  else if (typeof built === 'string') expect(read.s).toBe(built);
  else if (Array.isArray(built)) expect(read.strings ?? read.ints).toEqual(built);
  else if (typeof built === 'object' && 'kind' in built && built.kind === 'tensor')
    expectTensor(read.t!, built);
  else if (typeof built === 'object' && 'kind' in built && built.kind === 'float')
    expect(read.floats).toEqual(built.values);
  else expectGraph(read.g!, built as GraphSpec);
}

function expectTensor(read: TensorInfo, built: TensorSpec): void {
  expect([read.name, read.dims, read.dataType]).toEqual([
    built.name,
    built.dims,
    TYPES[built.type as keyof typeof TYPES],
  ]);
  const kinds = { raw: 'raw', typed: 'typed', unpacked: 'typed', external: 'external', none: 'empty' };
  expect(read.storage.kind).toBe(kinds[built.style]);
}

async function expectValues(model: OnnxModel, spec: ModelSpec): Promise<void> {
  for (const [i, built] of (spec.initializers ?? []).entries()) {
    if (built.style === 'external') continue;
    const bytes = await tensorBytes(model, model.graph.initializers[i]);
    const raw = await open(buildModel({ initializers: [{ ...built, style: 'raw' }] }));
    expect(bytes).toEqual(await tensorBytes(raw, raw.graph.initializers[0]));
  }
}

/** The same edits twice: for the writer, and on the specification. Even dice leave things alone. */
function randomEdits(model: OnnxModel, spec: ModelSpec, dice: number[], fresh: TensorSpec) {
  const tensors = new Map<TensorInfo, NewTensor | 'drop'>();
  const nodes = new Map<GraphInfo['nodes'][number], NodeEdit | 'drop'>();
  const roll = (i: number) => dice[i % dice.length];
  const count = elements(fresh.dims);
  const kind = fresh.type as keyof typeof TYPES;
  const written: NewTensor = {
    name: fresh.name,
    dataType: TYPES[kind],
    dims: fresh.dims,
    data: new Uint8Array(count * SIZES[kind]),
  };
  const replacement = (old: TensorSpec): TensorSpec => ({
    ...tensor(fresh.name, kind as ElementType, fresh.dims, new Array(count).fill(0)),
    ...(old.doc === undefined ? {} : { doc: old.doc }),
    ...(old.extra === undefined ? {} : { extra: old.extra }),
  });
  const dropInputs = new Set<string>();
  const edited: ModelSpec = {
    ...spec,
    initializers: spec.initializers?.flatMap((old, i) => {
      const info = model.graph.initializers[i];
      if (roll(i) % 2 === 0) return [old];
      tensors.set(info, roll(i) < 4 ? 'drop' : written);
      // Dims, type and name stand before and after the values in the file, as the encoder writes them.
      return roll(i) < 4 ? [] : [keepDims(old, replacement(old))];
    }),
    nodes: spec.nodes?.flatMap((old, i) => {
      const info = model.graph.nodes[i];
      if (roll(i + 3) % 2 === 0) return [old];
      if (roll(i + 3) < 4) {
        nodes.set(info, 'drop');
        return [];
      }
      const inputs = old.inputs.map((n, k) => (k % 2 === 0 ? `${n} renamed` : n));
      // Names longer than any of the model's.
      const outputs = old.outputs.map((n, k) => (k % 2 === 0 ? `output ${k} of node ${i}` : n));
      const added = roll(i) % 2 === 0 ? [] : [`added behind ${i}`, `and behind ${i}`];
      const inner = added.map((v) => ({ opType: 'Cast', name: v, inputs: inputs.slice(0, 1), outputs: [v] }));
      const attributes = new Map([['to', { i: -i }]]);
      nodes.set(info, { inputs, outputs, after: inner.map((n) => ({ ...n, domain: 'own', attributes })) });
      return [
        { ...old, inputs, outputs },
        ...inner.map((n) =>
          node('Cast', n.inputs, n.outputs, { to: BigInt(-i) }, { name: n.name, domain: 'own' }),
        ),
      ];
    }),
    inputs: spec.inputs?.filter((v, i) => {
      if (roll(i + 5) % 2 === 0) return true;
      dropInputs.add(v.name);
      return false;
    }),
  };
  const edits: ModelEdits = { tensors, nodes, dropInputs };
  return { edits, edited };
}

/** A scalar has no dims field whose place new dims could take: they go to the end of the tensor. */
function keepDims(old: TensorSpec, now: TensorSpec): TensorSpec {
  if (old.dims.length > 0 || now.dims.length === 0) return now;
  const fields = now.dims.map((d) => wire.varint(1, d));
  return {
    ...now,
    dims: [],
    extra: wire.concat(now.extra ?? new Uint8Array(0), ...fields),
    ...{ values: now.values },
  };
}
