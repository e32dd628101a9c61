/** The sweep over the heatmap: along the diagonal, how much each window of one width costs. */
import { diagonalStrip } from '../charts/sweep-map.ts';
import { useStudio } from '../store/react.ts';
import type { GroupSummary } from '../store/types.ts';
import { useDamages } from './use-damages.ts';

export function HeatmapStrip({ group }: { group: GroupSummary }) {
  const width = useStudio(({ view }) => view.stripWidth);
  const damages = useDamages(group.id);
  if (!damages || width === null) return null;
  const { windows, scale } = damages;
  return (
    <svg
      className={group.layers > 24 ? 'heatmap-strip strip-fine' : 'heatmap-strip'}
      viewBox={`0 0 ${group.layers} ${group.layers}`}
      aria-hidden="true"
      focusable="false"
    >
      {diagonalStrip(windows, width, group.layers).map(({ first, points, damage }) => (
        <polygon key={first} points={points} fill={scale.color(damage)} vectorEffect="non-scaling-stroke" />
      ))}
    </svg>
  );
}
