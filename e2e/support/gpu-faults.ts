/** What a GPU does to the next thing that is made on it: it has no memory left, or it stops. */
import type { Page } from '@playwright/test';

/** In the engine's worker: the runtime's own threads sleep, and would never answer. */
export async function breakGpuOnce(page: Page, fault: 'full' | 'lost'): Promise<void> {
  for (const worker of page.workers().filter((each) => each.url().includes('studio.worker')))
    await worker.evaluate((kind) => {
      if (!('GPUDevice' in self)) return;
      const { prototype } = GPUDevice;
      const create = prototype.createBuffer;
      prototype.createBuffer = function (...given) {
        prototype.createBuffer = create;
        if (kind === 'lost') this.destroy();
        else {
          const error = new GPUOutOfMemoryError('Not enough memory left.');
          this.dispatchEvent(new GPUUncapturedErrorEvent('uncapturederror', { error }));
        }
        return create.apply(this, given);
      };
    }, fault);
}
