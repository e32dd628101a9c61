import { kernelSuite } from '../testing/kernel-suite.ts';
import { requestGpu } from './webgpu/device.ts';
import { createWebGpuBackend, type WebGpuBackendOptions } from './webgpu/index.ts';

/** A missing adapter fails the tests: a skip must never look green. */
async function create(options: WebGpuBackendOptions = {}) {
  const gpu = await requestGpu();
  if (gpu.device === null) throw new Error(gpu.reason);
  return createWebGpuBackend(gpu.device, options);
}

kernelSuite('WebGPU backend', { create: () => create(), product: 1e-5, correlation: 1e-5 });

kernelSuite('WebGPU backend, cut into small slices', {
  create: () => create({ maxFlopsPerSubmit: 20_000, maxBindingBytes: 70_000 }),
  product: 1e-5,
  correlation: 1e-5,
});
