/**
 * The sweep and the plan on the fixture, against the reference sweep of PyTorch; and what a resumed sweep costs.
 */
import { expect, test } from 'vitest';
import { openSample, readReference } from '../testing/studio-in-node.ts';
import type { Progress, SweepRequest } from './types.ts';

test('a sweep finds the reference scores, can be cancelled, and resumes without doing anything twice', async () => {
  const ref = await readReference('shakespeare-gpt2');
  const { studio, opened } = await openSample('shakespeare-gpt2');
  const [group] = opened.model.groups;
  const request: SweepRequest = {
    groupId: group.id,
    widths: [3],
    method: 'permute',
    reference: 'first',
    score: 'default',
  };
  await studio.measure();
  const seen: string[] = [];
  const controller = new AbortController();
  const watch = ({ partial }: Progress) => {
    if (partial?.sweep) seen.push(`${partial.sweep.first}-${partial.sweep.last}`);
    if (seen.length === 4) controller.abort(new DOMException('Cancelled.', 'AbortError'));
  };
  await expect(studio.sweep(request, { signal: controller.signal, onProgress: watch })).rejects.toThrow(
    'Cancelled',
  );
  expect(seen).toEqual(['0-2', '1-3', '2-4', '3-5']);

  const result = await studio.sweep(request);
  expect(result.entries).toHaveLength(10);
  const again = result.entries.filter((e) => seen.includes(`${e.first}-${e.last}`));
  expect(again.map((e) => e.blockRuns)).toEqual([0, 0, 0, 0]);
  for (const entry of result.entries) {
    const expected = ref.sweep_on_select.find(
      (w: { first: number; last: number }) => w.first === entry.first && w.last === entry.last,
    );
    expect(Math.abs(entry.value / expected.permute - 1)).toBeLessThan(5e-3);
    // Blocks before the window are not run again.
    if (entry.blockRuns > 0) expect(entry.blockRuns).toBeLessThan(result.plainBlockRuns);
  }
  const best = ref.sweep_on_select
    .filter((w: { first: number; last: number }) => w.last - w.first === 2)
    .sort((a: { permute: number }, b: { permute: number }) => a.permute - b.permute)[0];
  expect([result.entries[0].first, result.entries[0].last]).toEqual([best.first, best.last]);
  const cka = result.predictions.find((p) => p.measure === 'cka')!;
  expect(cka.count).toBe(10);
  expect(cka.rho).toBeGreaterThanOrEqual(-1);
  expect(cka.rho).toBeLessThanOrEqual(1);
  const twice = await studio.sweep(request);
  expect(twice.entries.reduce((n, e) => n + e.blockRuns, 0)).toBe(0);
  expect(twice.entries.map((e) => e.value)).toEqual(result.entries.map((e) => e.value));
  await studio.dispose();
}, 180_000);
