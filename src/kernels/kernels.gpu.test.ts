import { algebraSuite } from '../testing/algebra-suite.ts';
import { kernelSuite } from '../testing/kernel-suite.ts';
import { trainingSuite } from '../testing/training-suite.ts';
import { requestGpu } from './webgpu/device.ts';
import { createWebGpuBackend, type WebGpuBackendOptions } from './webgpu/index.ts';

/** A missing adapter fails the tests: a skip must never look green. */
async function create(options: WebGpuBackendOptions = {}) {
  const gpu = await requestGpu();
  if (gpu.device === null) throw new Error(gpu.reason);
  return createWebGpuBackend(gpu.device, options);
}

for (const suite of [kernelSuite, algebraSuite, trainingSuite]) {
  suite('WebGPU backend', { create: () => create(), product: 1e-5, correlation: 1e-5 });

  suite('WebGPU backend, cut into small slices', {
    create: () => create({ maxFlopsPerSubmit: 20_000, maxBindingBytes: 70_000 }),
    product: 1e-5,
    correlation: 1e-5,
  });
}
