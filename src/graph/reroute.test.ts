/** Leaving parts of a graph out: what goes, what must stay. */
import { describe, expect, test } from 'vitest';
import { FileEdits } from '../merge/file-edits.ts';
import { openOnnx } from '../onnx/reader.ts';
import type { OnnxModel } from '../onnx/types.ts';
import { composeOnnx } from '../onnx/writer.ts';
import { buildModel, f32, ffnModel, input, node, output } from '../testing/ffn-models.ts';
import { findFfns } from './ffn.ts';
import { indexGraph } from './index-graph.ts';
import { layerSpans } from './layers.ts';
import { isPure } from './orphans.ts';
import { reroute } from './reroute.ts';

const open = (bytes: Uint8Array<ArrayBuffer>) => openOnnx(new Blob([bytes]));

/** x + body(x) → z → Relu → y, with the nodes of the body given; `z` is an output, too, where asked. */
async function residual(body: ReturnType<typeof node>[], outputs: readonly string[] = ['y']) {
  const shape = ['n', 2];
  return open(
    buildModel({
      opset: 20,
      inputs: [input('x', 'float', shape)],
      outputs: outputs.map((name) => output(name, 'float', shape)),
      initializers: [f32('w', [2, 2], [1, 2, 3, 4]), f32('b', [2], [5, 6])],
      nodes: [...body, node('Add', ['x', 'h'], ['z']), node('Relu', ['z'], ['y'])],
    }),
  );
}

async function rerouted(model: OnnxModel, moves: Record<string, string>) {
  const { renamed, zeros } = reroute(indexGraph(model.graph), new Map(Object.entries(moves)));
  const edits = new FileEdits(model);
  for (const zero of zeros) edits.add(zero.name, zero);
  for (const [node, names] of renamed) {
    names.forEach((name, i) => {
      edits.rename(node, i, name);
    });
  }
  const { graph } = await openOnnx(composeOnnx(model, edits.finish(isPure)).toBlob());
  return {
    ops: graph.nodes.map((n) => `${n.opType}(${n.inputs.join()})`),
    initializers: graph.initializers.map((t) => t.name),
  };
}

describe('reroute', () => {
  test('drops what only the part left out needed, chains of it and shared constants', async () => {
    const model = await residual([
      node('MatMul', ['x', 'w'], ['m']),
      node('Sigmoid', ['m'], ['s']),
      node('Add', ['s', 'b'], ['h']),
    ]);
    expect(await rerouted(model, { z: 'x' })).toEqual({ ops: ['Relu(x)'], initializers: [] });
  });

  test('keeps random operators and what another output needs', async () => {
    const random = await residual([node('RandomNormalLike', ['x'], ['r']), node('Mul', ['r', 'b'], ['h'])]);
    expect(await rerouted(random, { z: 'x' })).toEqual({
      ops: ['RandomNormalLike(x)', 'Relu(x)'],
      // Unread before: not ours to take.
      initializers: ['w'],
    });
    const cached = await residual(
      [node('MatMul', ['x', 'w'], ['m']), node('Mul', ['m', 'b'], ['h'])],
      ['y', 'm'],
    );
    expect(await rerouted(cached, { z: 'x' })).toEqual({
      ops: ['MatMul(x,w)', 'Relu(x)'],
      initializers: ['w'],
    });
  });

  test('an Add that is an output of the model stays, and adds zero', async () => {
    const model = await residual([node('MatMul', ['x', 'w'], ['h'])], ['y', 'z']);
    expect(await rerouted(model, { z: 'x' })).toEqual({
      ops: ['Add(x,layerfold.zero.1)', 'Relu(x)'],
      initializers: ['b', 'layerfold.zero.1'],
    });
    const other = await residual([node('Neg', ['x'], ['h'])], ['y', 'h']);
    expect(() => reroute(indexGraph(other.graph), new Map([['h', 'x']]))).toThrow(/output of the model/);
  });
});

test('the layers of a stack end where the next begin', async () => {
  const search = await findFfns(await open(ffnModel({ layers: 3 })));
  const spans = layerSpans(search.groups[0], search);
  expect(spans[0]!.input).toBe('x');
  expect(spans[1]!.input).toBe(spans[0]!.output);
  expect(spans[2]!.output).toBe(search.groups[0].ffns[2].residual!.output);
});
