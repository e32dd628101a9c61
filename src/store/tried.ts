/** The evaluated merges as points of quality against bytes, with the original as number 0. */
import type { TriedVariant } from './types.ts';

export function triedPoints(tried: readonly TriedVariant[]): { id: number; bytes: number; score: number }[] {
  const first = tried.at(0);
  if (!first) return [];
  const original = { id: 0, bytes: first.saving.bytesBefore, score: first.evaluation.original };
  const points = tried.map(({ id, saving, evaluation }) => ({
    id,
    bytes: saving.bytesAfter,
    score: evaluation.merged,
  }));
  return [original, ...points];
}
