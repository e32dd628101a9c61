/** Images of the report split with what both models take them for. */
import { useEffect, useRef } from 'react';
import { formatPercent } from '../store/format.ts';
import type { ImageExample } from '../store/types.ts';

export function Predicted({ items }: { items: readonly ImageExample[] }) {
  const changed = items.filter(({ original, merged }) => original.label !== merged.label).length;
  return (
    <div className="predicted">
      <p className="note">
        {changed === 0
          ? `Both models guess the same on all ${items.length}.`
          : `The guess changed on ${changed} of ${items.length}; those are marked.`}
      </p>
      <ul className="predicted-list" aria-label="Predictions on images">
        {items.map((item, index) => (
          <Prediction key={index} item={item} />
        ))}
      </ul>
    </div>
  );
}

function Prediction({ item }: { item: ImageExample }) {
  const { label, original, merged } = item;
  const changed = original.label !== merged.label;
  return (
    <li className={changed ? 'predicted-changed' : undefined}>
      <Picture item={item} />
      <dl>
        <dt>Truth</dt>
        <dd>{label}</dd>
        <dt>Original</dt>
        <dd className={original.label === label ? undefined : 'guess-wrong'}>
          {original.label} <span className="muted">{formatPercent(original.probability)}</span>
        </dd>
        <dt>Merged</dt>
        <dd className={merged.label === label ? undefined : 'guess-wrong'}>
          {merged.label} <span className="muted">{formatPercent(merged.probability)}</span>
        </dd>
      </dl>
    </li>
  );
}

function Picture({ item }: { item: ImageExample }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const { width, height, pixels, label } = item;
  useEffect(() => {
    const context = canvas.current?.getContext('2d');
    context?.putImageData(new ImageData(new Uint8ClampedArray(pixels), width, height), 0, 0);
  }, [width, height, pixels]);
  return (
    <canvas ref={canvas} width={width} height={height} role="img" aria-label={`Image of class ${label}`} />
  );
}
