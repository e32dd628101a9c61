/** A report of the fake studio in which everything was done, and some names are hostile. */
import { type ReportParts, reportOf } from '../store/report.ts';
import type { StudioFacts } from '../store/types.ts';
import { sampleRecipe } from './recipes.ts';
import { opened } from './studio-setup.ts';

export const reportParts: ReportParts = {
  app: '0.1.0',
  date: '24 November 2026, 13:00 UTC',
  files: [{ name: 'shakespeare-gpt2.onnx', bytes: 10_117_531, sha256: '0123456789abcdef'.repeat(4) }],
  data: {
    key: 'fedcba9876543210'.repeat(4),
    kind: 'text',
    contextLength: 128,
    files: ['calibrate.txt', 'select.txt', 'report.txt'],
  },
  recipe: sampleRecipe(),
  browser: 'Chromium 156',
};

/** The facts after a whole session. */
export async function workedFacts(): Promise<StudioFacts> {
  const { now } = await opened();
  await now().measure();
  await now().runSweep(2, 4);
  await now().proposePlans(3);
  for (const [first, last] of [
    [1, 2],
    [4, 7],
    [8, 11],
  ] as const) {
    now().clearWindows();
    now().pickWindow(first, last);
    if (first === 8) now().pickWindow(2, 3);
    await now().runMerge();
    await now().evaluate();
  }
  return now();
}

export async function sampleReport(
  change: (facts: StudioFacts) => StudioFacts = (facts) => facts,
  parts = reportParts,
) {
  return reportOf(change(await workedFacts()), parts)!;
}
