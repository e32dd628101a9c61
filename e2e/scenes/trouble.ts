/** Without WebGPU, with a GPU that stops in the middle of a job, and without a network. */

import { writeDeepModel } from '../support/deep-model.ts';
import { breakGpuOnce } from '../support/gpu-faults.ts';
import { servePlainly } from '../support/plain-server.ts';
import type { Scene } from './shots.ts';

/** As in a browser that has none: the worker's script is told so before it looks. */
export const noWebGpu: Scene = {
  studio: { gpu: 'auto', context: { serviceWorkers: 'block' } },
  play: async (studio, take) => {
    const { page } = studio;
    await page.route(/studio\.worker[^/]*\.js/, async (route) => {
      const response = await route.fetch();
      const body = `Object.defineProperty(navigator, 'gpu', { value: undefined });\n${await response.text()}`;
      await route.fulfill({ response, body });
    });
    await page.reload();
    await studio.openSample('digits-vit');
    await take('01-no-webgpu', { steps: ['open'] });
  },
};

export const gpuLost: Scene = {
  studio: { gpu: 'force' },
  play: async (studio, take) => {
    const { page } = studio;
    await studio.openModel(await writeDeepModel(3));
    await studio.measure();
    await studio.pickWindow(0, 1);
    await breakGpuOnce(page, 'lost');
    await studio.merge().catch(() => undefined);
    await take('01-gpu-lost', { steps: ['open', 'merge'] });
  },
};

/** On a host that is switched off: its service worker has the page and what was opened. */
export const offline: Scene = {
  host: () => servePlainly('/some/where/'),
  play: async (studio, take, server) => {
    const { page } = studio;
    while (!(await page.evaluate(() => crossOriginIsolated).catch(() => false)))
      await page.waitForTimeout(200);
    await studio.openSample('digits-vit');
    await server?.close();
    await page.reload();
    await studio.openSample('digits-vit');
    await studio.openSample('shakespeare-gpt2').catch(() => undefined);
    await take('01-offline', { steps: ['open', 'calibrate'] });
  },
};
