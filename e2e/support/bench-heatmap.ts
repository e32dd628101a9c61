/**
 * How long the page works for one move of the pointer over a measured heatmap of 96 layers: from the event to React's
 * commit of what it changes, on the page's own clock; the frame is not in it. Beside it, all that the main thread did
 * for a move: laying out and painting too.
 */
import type { Studio } from '../studio.ts';
import { writeDeepModel } from './deep-model.ts';

const layers = 96;

/** Milliseconds. */
export interface MoveTimes {
  /** The 95th percentile of the handlers. */
  readonly handlers: number;
  /** The mean of all tasks of the main thread, the frame's among them. */
  readonly withFrame: number;
}

/** Moves across all cells of a row and a column, or along the diagonal with the button down. */
async function timeMoves(studio: Studio, kind: 'hover' | 'brush'): Promise<MoveTimes> {
  const { page } = studio;
  const square = page.locator('.heatmap-square');
  await square.scrollIntoViewIfNeeded();
  const box = await square.boundingBox();
  if (!box) throw new Error('The heatmap is not on the page.');
  const cell = box.width / layers;
  if (kind === 'brush') {
    await page.mouse.move(box.x + cell / 2, box.y + cell / 2);
    await page.mouse.down();
  }
  const devtools = await page.context().newCDPSession(page);
  await devtools.send('Performance.enable');
  const busySeconds = async () => {
    const { metrics } = await devtools.send('Performance.getMetrics');
    return metrics.find(({ name }) => name === 'TaskDuration')?.value ?? Number.NaN;
  };
  const before = await busySeconds();
  const times = await square.evaluate(
    async (element, { count, alongDiagonal }) => {
      const { left, top, width } = element.getBoundingClientRect();
      const spent: number[] = [];
      const channel = new MessageChannel();
      // React's own work for the event is queued as a message before this one.
      const after = () =>
        new Promise<void>((done) => {
          channel.port1.onmessage = () => done();
          channel.port2.postMessage(null);
        });
      for (let step = 0; step < 3 * count; step++) {
        const at = (index: number) => ((index + 0.5) * width) / count;
        const index = step % count;
        const [column, row] = alongDiagonal ? [index, index] : step < count ? [index, 3] : [50, index];
        const begun = performance.now();
        element.dispatchEvent(
          new PointerEvent('pointermove', {
            bubbles: true,
            pointerId: 1,
            pointerType: 'mouse',
            buttons: alongDiagonal ? 1 : 0,
            clientX: left + at(column),
            clientY: top + at(row),
          }),
        );
        await after();
        spent.push(performance.now() - begun);
        await new Promise((next) => requestAnimationFrame(next));
        // The callback runs before its frame is painted, a message after.
        await after();
      }
      return spent;
    },
    { count: layers, alongDiagonal: kind === 'brush' },
  );
  const withFrame = ((await busySeconds()) - before) * (1000 / times.length);
  await devtools.detach();
  if (kind === 'brush') {
    // Back to where the button went down: a click, and Escape gives it up.
    await page.mouse.up();
    await page.keyboard.press('Escape');
  }
  return { handlers: percentile(times, 0.95), withFrame };
}

function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
}

export async function heatmapMoves(studio: Studio): Promise<{ hover: MoveTimes; brush: MoveTimes }> {
  await studio.openModel(await writeDeepModel(layers));
  await studio.measure();
  return { hover: await timeMoves(studio, 'hover'), brush: await timeMoves(studio, 'brush') };
}
