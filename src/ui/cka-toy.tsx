/** Two clouds of points, the second to be turned, scaled and mixed with another, and their CKA. */
import { useState } from 'react';
import { ckaToy, type ToyPoint } from '../charts/cka-toy.ts';
import { formatSimilarity } from '../store/format.ts';

export function CkaToyView() {
  const [turn, setTurn] = useState(40);
  const [size, setSize] = useState(70);
  const [mix, setMix] = useState(0);
  const { first, second, cka } = ckaToy(turn, size / 100, mix / 100);
  return (
    <div className="toy">
      <div className="toy-clouds">
        <Cloud points={first} name="One layer" />
        <Cloud points={second} name="Another" />
      </div>
      <output className="toy-output">CKA {formatSimilarity(cka)}</output>
      <Slider label="Turn" unit="degrees" max={360} value={turn} onChange={setTurn} />
      <Slider label="Size" unit="percent" max={130} min={30} value={size} onChange={setSize} />
      <Slider label="Other points" unit="percent" max={100} value={mix} onChange={setMix} />
    </div>
  );
}

function Cloud({ points, name }: { points: readonly ToyPoint[]; name: string }) {
  return (
    <figure>
      <svg viewBox="-1.5 -1.5 3 3" aria-hidden="true" focusable="false">
        {points.map(({ x, y }, index) => (
          <circle
            key={index}
            cx={x}
            cy={-y}
            r="0.07"
            style={{ ['--part' as string]: `${(100 * index) / points.length}%` }}
          />
        ))}
      </svg>
      <figcaption>{name}</figcaption>
    </figure>
  );
}

interface SliderProps {
  readonly label: string;
  readonly unit: string;
  readonly min?: number;
  readonly max: number;
  readonly value: number;
  readonly onChange: (value: number) => void;
}

function Slider({ label, unit, min = 0, max, value, onChange }: SliderProps) {
  return (
    <label className="toy-slider">
      <span>{label}</span>
      <input
        type="range"
        min={min}
        max={max}
        value={value}
        aria-valuetext={`${value} ${unit}`}
        onChange={(event) => onChange(Number(event.target.value))}
      />
    </label>
  );
}
