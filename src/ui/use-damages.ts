/** The sweep of one group as windows with their damage, best first, and the scale that they are drawn on. */
import { useMemo } from 'react';
import { type DamageScale, damageScale } from '../charts/sweep-map.ts';
import { damageOf } from '../store/metrics.ts';
import { useStudio } from '../store/react.ts';
import { rankedEntries } from '../store/sweep.ts';
import type { SweepEntry, SweepRun } from '../store/types.ts';

export interface WindowScore extends SweepEntry {
  readonly damage: number;
}

export interface Damages {
  readonly run: SweepRun;
  /** Best first. */
  readonly windows: readonly WindowScore[];
  readonly scale: DamageScale;
}

export function useDamages(groupId: string): Damages | null {
  const run = useStudio(({ sweeps }) => sweeps[groupId]);
  return useMemo(() => {
    if (!run) return null;
    const windows = rankedEntries(run).map((entry) => ({
      ...entry,
      damage: damageOf(run.metric.metric, entry),
    }));
    return { run, windows, scale: damageScale(windows.map(({ damage }) => damage)) };
  }, [run]);
}
