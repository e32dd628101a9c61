/**
 * The one door to jax-js: a plain graph as a function that it differentiates, on wasm or WebGPU.
 *
 * Loaded on demand, in a worker or in Node: the library is not part of what the page loads first. The whole step
 * (forward, loss, gradient) is traced once and compiled into kernels; later calls only run them.
 *
 * Known limits: one graph a shape. Without worker threads (Node, a page that is not isolated) a step blocks the thread
 * that it runs on until it ends.
 */
import type { numpy as Numpy } from '@jax-js/jax';
import type {
  DifferentiableFactory,
  DifferentiableModel,
  LossTarget,
  Parameters,
  PlainModel,
  TrainingBatch,
} from '../differentiable.ts';
import { type HostTensor, RuntimeFailure } from '../session.ts';
import { lossOf, type TargetArrays } from './loss.ts';

type Array = Numpy.Array;
type Arrays = Record<string, Array>;
export type Jax = typeof import('@jax-js/jax');

/** The GPU that the library was given: it keeps the first one for good. */
let given: GPUDevice | undefined;

/**
 * @param asked WebGPU only where there is a real adapter; wasm is taken after a shared GPU was lost and another one came
 * @param shared the GPU that everything else runs on, so that there is one device; absent: one of its own
 * @throws RuntimeFailure where the device cannot be had
 */
export async function loadJaxFactory(
  asked: 'wasm' | 'webgpu',
  shared?: GPUDevice,
): Promise<DifferentiableFactory> {
  const device = shared && given && given !== shared ? 'wasm' : asked;
  if (device === 'webgpu') given ??= shared;
  const [jax, { ONNXModel }] = await Promise.all([import('@jax-js/jax'), import('@jax-js/onnx')]);
  const devices = await (shared && device === 'webgpu'
    ? offering(shared, () => jax.init(device))
    : jax.init(device));
  if (!devices.includes(device)) {
    throw new RuntimeFailure('other', `Tuning cannot run on ${device} here.`, `devices: ${devices.join()}`);
  }
  return {
    provider: device,
    create: async (plain) => {
      try {
        // Arrays are made where the default is at that moment, and there is one default for all models.
        jax.defaultDevice(device);
        return new JaxModel(jax, device, new ONNXModel(plain.onnx), plain);
      } catch (error) {
        throw failureOf(error);
      }
    },
  };
}

/**
 * Runs what asks the browser for a GPU, and gives it this one. The library takes no device from outside, but asks for an
 * adapter, reads its limits and features and requests a device with no more than those: all of which a device has too.
 */
async function offering<T>(shared: GPUDevice, run: () => Promise<T>): Promise<T> {
  const { gpu } = navigator;
  const { limits, features } = shared;
  const adapter = { limits, features, requestDevice: async () => shared };
  Object.defineProperty(gpu, 'requestAdapter', { configurable: true, value: async () => adapter });
  try {
    return await run();
  } finally {
    // The browser's own is on the prototype.
    Reflect.deleteProperty(gpu, 'requestAdapter');
  }
}

class JaxModel implements DifferentiableModel {
  private readonly jax: Jax;
  private readonly device: 'wasm' | 'webgpu';
  private readonly model: { dispose(): void };
  private readonly plain: PlainModel;
  private readonly step;
  private readonly value;
  private readonly forward;

  constructor(
    jax: Jax,
    device: 'wasm' | 'webgpu',
    model: { run(inputs: Arrays): Arrays; dispose(): void },
    plain: PlainModel,
  ) {
    this.jax = jax;
    this.device = device;
    this.model = model;
    this.plain = plain;
    const { name, dims } = plain.output;
    const width = dims.at(-1) ?? 1;
    const forward = (parameters: Arrays, probes: Arrays, fed: Arrays): Array =>
      model.run({ ...parameters, ...probes, ...fed })[name].reshape([-1, width]);
    const loss = (parameters: Arrays, probes: Arrays, fed: Arrays, target: TargetArrays): Array =>
      lossOf(jax, forward(parameters, probes, fed), target);
    this.forward = jax.jit(forward);
    this.value = jax.jit(loss);
    this.step = jax.jit(jax.valueAndGrad(loss, { argnums: [0, 1] }));
  }

  async valueAndGrad(parameters: Parameters, { fed, target }: TrainingBatch) {
    return this.guarded(async () => {
      const [value, [gradients, probes]] = this.step(...this.operands(parameters, fed), this.target(target));
      this.jax.tree.dispose(probes);
      const read = new Map<string, Float32Array>();
      for (const { name } of this.plain.parameters) read.set(name, await floats(gradients[name]));
      const [loss] = await floats(value);
      return { loss, gradients: read };
    });
  }

  async loss(parameters: Parameters, { fed, target }: TrainingBatch): Promise<number> {
    return this.guarded(async () => {
      const [loss] = await floats(this.value(...this.operands(parameters, fed), this.target(target)));
      return loss;
    });
  }

  async output(parameters: Parameters, fed: TrainingBatch['fed']): Promise<Float32Array> {
    return this.guarded(() => floats(this.forward(...this.operands(parameters, fed))));
  }

  release(): void {
    for (const compiled of [this.forward, this.value, this.step]) compiled.dispose();
    this.model.dispose();
  }

  private async guarded<T>(run: () => Promise<T>): Promise<T> {
    try {
      return await run();
    } catch (error) {
      throw failureOf(error);
    }
  }

  private operands(parameters: Parameters, fed: TrainingBatch['fed']): [Arrays, Arrays, Arrays] {
    const { numpy } = this.jax;
    this.jax.defaultDevice(this.device);
    const probes: Arrays = {};
    for (const { name, dims } of this.plain.probes) probes[name] = numpy.zeros([...dims]);
    return [this.weights(parameters), probes, this.inputs(fed)];
  }

  private weights(parameters: Parameters): Arrays {
    const arrays: Arrays = {};
    for (const { name, dims } of this.plain.parameters)
      arrays[name] = this.array(parameters.get(name)!, dims);
    return arrays;
  }

  private inputs(fed: TrainingBatch['fed']): Arrays {
    const arrays: Arrays = {};
    for (const { name, dims } of this.plain.fed) arrays[name] = this.fed(fed[name], dims);
    return arrays;
  }

  private fed({ type, data }: HostTensor, dims: readonly number[]): Array {
    const { numpy } = this.jax;
    if (type === 'float32') return this.array(data as Float32Array, dims);
    const ints = Int32Array.from(data as ArrayLike<number | bigint> as ArrayLike<number>, Number);
    const made = numpy.array(ints, { shape: [...dims], dtype: numpy.int32 });
    return type === 'bool' ? numpy.notEqual(made, 0) : made;
  }

  private target({ distribution, label, features }: LossTarget): TargetArrays {
    const rows = (v: Float32Array) => this.array(v, [v.length]);
    const table = (v: Float32Array, n: number) => this.array(v, [n, v.length / n]);
    return {
      ...(distribution && {
        distribution: {
          weights: rows(distribution.weights),
          rest: rows(distribution.rest),
          probabilities: table(distribution.probabilities, distribution.rest.length),
        },
      }),
      ...(label && {
        label: {
          weights: rows(label.weights),
          classes: this.jax.numpy.array(label.classes as Int32Array<ArrayBuffer>, {
            shape: [label.classes.length, 1],
            dtype: this.jax.numpy.int32,
          }),
        },
      }),
      ...(features && {
        features: {
          weights: rows(features.weights),
          values: table(features.values, features.weights.length),
        },
      }),
    };
  }

  private array(data: Float32Array, dims: readonly number[]): Array {
    return this.jax.numpy.array(data as Float32Array<ArrayBuffer>, {
      shape: [...dims],
      dtype: this.jax.numpy.float32,
    });
  }
}

async function floats(array: Array): Promise<Float32Array> {
  return (await array.data()) as Float32Array;
}

/** The library's failures in a sentence. */
function failureOf(error: unknown): RuntimeFailure {
  const details = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  if (/memory|allocat/i.test(details)) {
    return new RuntimeFailure(
      'out-of-memory',
      'There is not enough memory to tune with batches of this size; use smaller ones.',
      details,
    );
  }
  const operator = /Unsupported ONNX operation: (\w+)/.exec(details)?.[1];
  if (operator) {
    return new RuntimeFailure(
      'unsupported-operator',
      `The operator ${operator} cannot be differentiated here.`,
      details,
    );
  }
  return new RuntimeFailure('other', 'The gradient could not be computed.', details);
}
