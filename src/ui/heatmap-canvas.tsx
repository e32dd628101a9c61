/** The canvas of the heatmap, redrawn when its matrix, scale, theme or size changes. */
import { useEffect, useRef, useState } from 'react';
import { drawHeatmap, HEATMAP_INK, heatmapScale } from '../charts/heatmap.ts';
import { useStudio } from '../store/react.ts';
import type { SimilarityMatrix } from '../store/types.ts';

const FONT = 'ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace';

export function HeatmapCanvas({ matrix }: { matrix: SimilarityMatrix }) {
  const theme = useStudio(({ view }) => view.theme);
  const stretch = useStudio(({ view }) => view.stretch);
  const canvas = useRef<HTMLCanvasElement>(null);
  const [side, setSide] = useState(0);

  useEffect(() => {
    const element = canvas.current;
    if (!element) return;
    const observer = new ResizeObserver(([entry]) => setSide(Math.round(entry.contentRect.width)));
    observer.observe(element);
    return () => observer.disconnect();
  }, []);

  useEffect(() => {
    const context = canvas.current?.getContext('2d');
    if (!context || side === 0) return;
    const pixelRatio = window.devicePixelRatio;
    context.canvas.width = side * pixelRatio;
    context.canvas.height = side * pixelRatio;
    const scale = heatmapScale(matrix, stretch);
    drawHeatmap(context, matrix, scale, { side, pixelRatio, ink: HEATMAP_INK[theme], font: FONT });
  }, [matrix, stretch, theme, side]);

  return (
    <div aria-hidden="true">
      <canvas ref={canvas} className="heatmap-canvas" />
    </div>
  );
}
