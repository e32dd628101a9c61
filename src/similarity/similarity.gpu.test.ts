import { requestGpu } from '../kernels/webgpu/device.ts';
import { createWebGpuBackend } from '../kernels/webgpu/index.ts';
import { similaritySuite } from '../testing/similarity-suite.ts';

similaritySuite('similarity on WebGPU', {
  create: async () => {
    const gpu = await requestGpu();
    if (gpu.device === null) throw new Error(gpu.reason);
    return createWebGpuBackend(gpu.device);
  },
  cka: 1e-5,
  correlation: 1e-5,
});
