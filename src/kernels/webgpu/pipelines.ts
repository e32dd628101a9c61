/**
 * Compute pipelines, compiled once a device and shader; a shader that does not compile says where.
 */
import { GpuError } from '../errors.ts';

/** A shader as its driver imports it. */
export interface Shader {
  /** Basename of the file in shaders/. */
  readonly name: string;
  readonly source: string;
}

const caches = new WeakMap<GPUDevice, PipelineCache>();

/** The one cache of a device. */
export function pipelinesOf(device: GPUDevice): PipelineCache {
  let cache = caches.get(device);
  if (cache === undefined) {
    cache = new PipelineCache(device);
    caches.set(device, cache);
  }
  return cache;
}

export class PipelineCache {
  private readonly device: GPUDevice;
  private readonly pipelines = new Map<string, Promise<GPUComputePipeline>>();

  constructor(device: GPUDevice) {
    this.device = device;
  }

  /** @throws GpuError with the compiler's messages, each with its line of the source. */
  get(shader: Shader): Promise<GPUComputePipeline> {
    let pipeline = this.pipelines.get(shader.name);
    if (pipeline === undefined) {
      pipeline = this.compile(shader);
      this.pipelines.set(shader.name, pipeline);
    }
    return pipeline;
  }

  private async compile({ name, source }: Shader): Promise<GPUComputePipeline> {
    const { device } = this;
    // Pushed and popped without waiting between, since others use the same device and its stack of scopes.
    device.pushErrorScope('validation');
    const module = device.createShaderModule({ label: name, code: source });
    const scope = device.popErrorScope();
    const created = device.createComputePipelineAsync({ label: name, layout: 'auto', compute: { module } });
    created.catch(() => {});
    const { messages } = await module.getCompilationInfo();
    const errors = messages.filter(({ type }) => type === 'error');
    const invalid = await scope;
    if (errors.length > 0 || invalid !== null) {
      const lines = source.split('\n');
      const told = errors.map(
        ({ lineNum, linePos, message }) =>
          `${lineNum}:${linePos} ${message}\n  ${lines[lineNum - 1]?.trim() ?? ''}`,
      );
      throw new GpuError(`${name}.wgsl does not compile:\n${told.join('\n') || invalid?.message}`);
    }
    try {
      return await created;
    } catch (error) {
      throw new GpuError(`No pipeline for ${name}.wgsl: ${error instanceof Error ? error.message : error}`);
    }
  }
}

/** The value of `const NAME = 64u;` in a shader, so that sizes are stated there and nowhere else. */
export function shaderConstant({ name, source }: Shader, constant: string): number {
  const match = new RegExp(`const ${constant} = (\\d+)u;`).exec(source);
  if (match === null) throw new GpuError(`${name}.wgsl does not state ${constant}.`);
  return Number(match[1]);
}
