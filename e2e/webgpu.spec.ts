/**
 * The same numbers from the WebGPU kernels, forced onto the software adapter. It does about 0.6 GFLOPS, so only what
 * the kernels compute is run: similarity and correlation, no scores.
 */
import { expect, test } from '@playwright/test';
import { launchStudio } from './studio.ts';
import { matrixDifference, relativeDifference } from './support/compare.ts';
import { writeDeepModel } from './support/deep-model.ts';
import { reference, referenceMatrix, sampleNames } from './support/fixtures.ts';
import { breakGpuOnce } from './support/gpu-faults.ts';

test.describe.configure({ mode: 'parallel' });

for (const name of sampleNames) {
  test(`${name} on forced WebGPU`, async () => {
    test.setTimeout(300_000);
    const truth = reference(name);
    const [first, last] = truth.window;
    const studio = await launchStudio({ gpu: 'force' });
    try {
      await studio.openSample(name);
      expect((await studio.summary()).backend).toBe('webgpu');
      await studio.measure();
      for (const [kind, file] of [
        ['cka', 'cka-ffn-output'],
        ['attention', 'cka-attention-output'],
      ] as const) {
        const { worst, where } = matrixDifference(await studio.similarity(kind), referenceMatrix(name, file));
        expect(worst, `${kind}: ${where}`).toBeLessThan(1e-3);
      }
      for (let layer = first + 1; layer <= last; layer++) {
        const pair = `${first}-${layer}`;
        const { correlation, objective } = await studio.alignment(first, layer);
        const { worst, where } = matrixDifference(correlation, referenceMatrix(name, `correlation-${pair}`));
        expect(worst, `${pair}: ${where}`).toBeLessThan(1e-4);
        expect(relativeDifference(objective, truth.assignment_objective[pair]), pair).toBeLessThan(1e-4);
      }
      // A backend that fell back would have made all of this pass on the CPU.
      expect((await studio.summary()).backend).toBe('webgpu');
      expect(studio.consoleErrors).toEqual([]);
    } finally {
      await studio.close();
    }
  });
}

test('a GPU that is full, and one that stops in the middle of a job, are told with a remedy, and the same files go on where it was', async () => {
  const studio = await launchStudio({ gpu: 'force' });
  const { page } = studio;
  try {
    const files = await writeDeepModel(3);
    await studio.openModel(files);
    await studio.measure();
    const before = await studio.similarity('cka');
    await studio.pickWindow(0, 1);
    // Nobody catches what the runtime's own allocations do.
    await breakGpuOnce(page, 'full');
    await expect(studio.merge()).rejects.toThrow(/^The GPU is out of memory .* add \?gpu=off to the address/);
    await breakGpuOnce(page, 'lost');
    await expect(studio.merge()).rejects.toThrow(/^The GPU stopped.* Open the model again to go on\./);
    expect(await studio.similarity('cka'), 'what was measured is kept').toEqual(before);
    expect(await studio.lastSession()).toMatch(/^The engine stopped while you were working on deep\.onnx/);
    await studio.openModel(files);
    expect((await studio.summary()).backend, 'another device').toBe('webgpu');
    expect(await studio.similarity('cka'), 'what was measured is back').toEqual(before);
    expect((await studio.merge()).bytesSaved).toBeGreaterThan(0);
    await studio.measure();
    expect(matrixDifference(await studio.similarity('cka'), before).worst).toBeLessThan(1e-5);
  } finally {
    await studio.close();
  }
});
