/** Damage as a short bar with its standard error, and the number beside it; a bar beyond the scale has an open end. */
import type { ReactNode } from 'react';
import type { DamageScale } from '../charts/sweep-map.ts';

export interface DamageBarProps {
  readonly scale: DamageScale;
  readonly damage: number;
  readonly error: number;
  readonly children: ReactNode;
}

export function DamageBar({ scale, damage, error, children }: DamageBarProps) {
  const percent = (value: number) => `${100 * scale.share(value)}%`;
  const beyond = scale.beyond(damage);
  return (
    <span className="damage">
      <span className="damage-track" aria-hidden="true">
        <span
          className={beyond ? 'damage-fill damage-beyond' : 'damage-fill'}
          style={{ width: percent(damage) }}
        />
        {!beyond && error > 0 && (
          <span
            className="damage-error"
            style={{ left: percent(damage - error), right: `calc(100% - ${percent(damage + error)})` }}
          />
        )}
      </span>
      <data value={String(damage)}>{children}</data>
    </span>
  );
}
