/**
 * jax-js in a browser, on wasm with its threads and on the software WebGPU adapter: the output, the loss and the
 * gradient of a small graph, against f64 arithmetic written out here.
 */
import { describe, expect, test, vi } from 'vitest';
import { PLAIN_OPSET, PlainBuilder } from '../../differentiate/builder.ts';
import { geluTanh } from '../../differentiate/operators/elementwise.ts';
import { requestGpu } from '../../kernels/webgpu/device.ts';
import { encodeModel } from '../../onnx/new-model.ts';
import { DataType } from '../../tensor/dtype.ts';
import { expectClose } from '../../testing/compare.ts';
import { createRandom } from '../../testing/random.ts';
import type { Parameters, PlainModel, TrainingBatch } from '../differentiable.ts';
import { loadJaxFactory } from './jax.ts';

const [T, D, N, V] = [5, 4, 6, 7];
const random = createRandom(17);
const frozen = random.normals(N * V);
const x = random.normals(T * D);
const start: Parameters = new Map([
  ['w', random.normals(D * N)],
  ['b', random.normals(N)],
]);

/** softmax over gelu(x·w + b)·frozen */
function smallModel(): PlainModel {
  const b = new PlainBuilder();
  const parameters = [
    { name: 'w', dims: [D, N] },
    { name: 'b', dims: [N] },
  ];
  const fed = [{ name: 'x', dims: [T, D], type: 'float32' as const }];
  const [w, bias] = parameters;
  const hidden = geluTanh(b, b.add(b.matmul(fed[0], w), bias));
  b.output(b.probed(b.matmul(hidden, b.floats([N, V], frozen))), 'y');
  const onnx = encodeModel({
    opset: PLAIN_OPSET,
    nodes: b.nodes,
    initializers: b.tensors,
    inputs: [...parameters, ...b.probes, ...fed].map(({ name, dims }) => ({
      name,
      dims,
      elemType: DataType.float,
    })),
    outputs: [{ name: 'y', dims: [T, V], elemType: DataType.float }],
  });
  return { onnx, parameters, probes: b.probes, fed, output: { name: 'y', dims: [T, V] } };
}

function outputOf(parameters: Parameters): number[] {
  const [w, b] = [parameters.get('w')!, parameters.get('b')!];
  const y: number[] = [];
  for (let t = 0; t < T; t++) {
    const hidden = Array.from({ length: N }, (_, n) => {
      let z: number = b[n];
      for (let d = 0; d < D; d++) z += x[t * D + d] * w[d * N + n];
      return 0.5 * z * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (z + 0.044715 * z ** 3)));
    });
    for (let v = 0; v < V; v++) y.push(hidden.reduce((s, h, n) => s + h * frozen[n * V + v], 0));
  }
  return y;
}

const classes = Int32Array.from({ length: T }, (_, t) => (3 * t) % V);
const weights = Float32Array.of(0.3, 0, 0.3, 0.2, 0.2);
function lossAt(parameters: Parameters): number {
  const y = outputOf(parameters);
  let loss = 0;
  for (let t = 0; t < T; t++) {
    const row = y.slice(t * V, (t + 1) * V);
    loss -= weights[t] * (row[classes[t]] - Math.log(row.reduce((s, v) => s + Math.exp(v), 0)));
  }
  return loss;
}

describe.each(['wasm', 'webgpu'] as const)('on %s', (device) => {
  test('output, loss and gradient', async () => {
    // On the GPU that everything else runs on: one device.
    const shared = device === 'webgpu' ? (await requestGpu()).device : null;
    const made = shared && vi.spyOn(shared, 'createBuffer');
    const factory = await (shared ? loadJaxFactory(device, shared) : loadJaxFactory(device));
    expect(factory.provider).toBe(device);
    const model = await factory.create(smallModel());
    const batch: TrainingBatch = {
      fed: { x: { type: 'float32', dims: [T, D], data: x } },
      target: { label: { weights, classes } },
    };
    expectClose(await model.output(start, batch.fed), outputOf(start), { absolute: 1e-4 });
    expect(await model.loss(start, batch)).toBeCloseTo(lossAt(start), 4);
    for (let pass = 0; pass < 2; pass++) {
      const { loss, gradients } = await model.valueAndGrad(start, batch);
      expect(loss).toBeCloseTo(lossAt(start), 4);
      for (const [name, gradient] of gradients) {
        const values = Float64Array.from(start.get(name)!);
        const wanted = Array.from(values, (v, i) => {
          const at = (h: number) => {
            const moved = values.slice();
            moved[i] = v + h;
            return lossAt(new Map<string, never>([...start, [name, moved]] as never));
          };
          return (at(1e-4) - at(-1e-4)) / 2e-4;
        });
        expectClose(gradient, wanted, { absolute: 2e-4 });
      }
    }
    if (device === 'webgpu') expect(made).toHaveBeenCalled();
    model.release();
  });
});
