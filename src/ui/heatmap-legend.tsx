/** The colours of the heatmap and the values that they stand for. */
import { heatmapScale, legendPosition, legendStops, tickText } from '../charts/heatmap.ts';
import { useStudio } from '../store/react.ts';
import type { SimilarityMatrix } from '../store/types.ts';

const STOPS = legendStops();

export function HeatmapLegend({ matrix }: { matrix: SimilarityMatrix }) {
  const stretch = useStudio(({ view }) => view.stretch);
  const scale = heatmapScale(matrix, stretch);
  return (
    <div className="legend" aria-hidden="true">
      <svg
        className="legend-ramp"
        viewBox="0 0 100 4"
        preserveAspectRatio="none"
        focusable="false"
        aria-hidden="true"
      >
        <defs>
          <linearGradient id="legend-gradient">
            {STOPS.map(({ offset, color }) => (
              <stop key={offset} offset={offset} stopColor={color} />
            ))}
          </linearGradient>
        </defs>
        <rect width="100" height="4" fill="url(#legend-gradient)" />
      </svg>
      <div className="legend-ticks">
        {scale.ticks.map((value) => (
          <span key={value} style={{ left: `${legendPosition(scale, value, 100)}%` }}>
            {tickText(value)}
          </span>
        ))}
      </div>
    </div>
  );
}
