/**
 * Finding the GPU.
 *
 * Why: one device serves inference and kernels, so it is asked for once, with all that the adapter can do: the
 * largest buffers and workgroups, and shader-f16, subgroups and timestamp-query where present. Whoever asks owns
 * the device. Where there is none, the answer is a sentence for people.
 */

/** What of an adapter's limits a device must be asked for, or gets the small default. */
const RAISED_LIMITS = [
  'maxBufferSize',
  'maxStorageBufferBindingSize',
  'maxStorageBuffersPerShaderStage',
  'maxComputeWorkgroupStorageSize',
  'maxComputeInvocationsPerWorkgroup',
  'maxComputeWorkgroupSizeX',
  'maxComputeWorkgroupSizeY',
  'maxComputeWorkgroupSizeZ',
  'maxComputeWorkgroupsPerDimension',
] as const;

const WANTED_FEATURES: readonly GPUFeatureName[] = ['shader-f16', 'subgroups', 'timestamp-query'];

export interface GpuFound {
  readonly device: GPUDevice;
  readonly adapterInfo: {
    readonly vendor: string;
    readonly architecture: string;
    readonly description: string;
  };
  /** A software adapter: it computes, but slower than the CPU backend. */
  readonly isFallback: boolean;
}

export interface GpuMissing {
  readonly device: null;
  /** A sentence: why there is no GPU. */
  readonly reason: string;
}

export interface GpuOptions {
  readonly powerPreference?: GPUPowerPreference;
  /** `navigator.gpu` by default. */
  readonly gpu?: GPU;
}

/** Never throws: a failure is a reason. */
export async function requestGpu(options: GpuOptions = {}): Promise<GpuFound | GpuMissing> {
  const missing = (reason: string): GpuMissing => ({ device: null, reason });
  const gpu = options.gpu ?? (globalThis.navigator as { gpu?: GPU } | undefined)?.gpu;
  if (!gpu) return missing('This browser has no WebGPU, or the page is not served over HTTPS.');
  try {
    const { powerPreference = 'high-performance' } = options;
    const adapter = await gpu.requestAdapter({ powerPreference });
    if (!adapter)
      return missing('The browser has WebGPU but offers no adapter: the graphics driver may be blocked.');
    const requiredLimits: Record<string, number> = {};
    for (const name of RAISED_LIMITS) requiredLimits[name] = adapter.limits[name];
    const device = await adapter.requestDevice({
      label: 'Layerfold',
      requiredFeatures: WANTED_FEATURES.filter((feature) => adapter.features.has(feature)),
      requiredLimits,
    });
    // Safari may lack `info`, and browsers differ in where they say that an adapter is a fallback.
    const info: Partial<GPUAdapterInfo> = adapter.info ?? {};
    const { vendor = '', architecture = '', description = '' } = info;
    const old = (adapter as { isFallbackAdapter?: boolean }).isFallbackAdapter;
    return {
      device,
      adapterInfo: { vendor, architecture, description },
      isFallback: info.isFallbackAdapter === true || old === true || architecture === 'swiftshader',
    };
  } catch (error) {
    return missing(`The GPU could not be opened: ${error instanceof Error ? error.message : String(error)}`);
  }
}
