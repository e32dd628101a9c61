/** Three hidden units to put in order, with the output computed each time. */
import { useState } from 'react';
import { type Order, swapped, TOY_BOX, toyLines, toyPlaces, toyValues } from '../charts/permute-toy.ts';
import { formatSigned } from '../store/format.ts';
import { Button } from './button.tsx';

const START: Order = [0, 1, 2];
const NAMES = ['a', 'b', 'c'];

export function PermuteToy() {
  const [order, setOrder] = useState<Order>(START);
  const [along, setAlong] = useState(true);
  const { output } = toyValues(order, along);
  const original = toyValues(START, true).output;
  const same = output.every((value, index) => formatSigned(value) === formatSigned(original[index]));
  return (
    <div className="toy">
      <svg
        viewBox={`0 0 ${TOY_BOX.width} ${TOY_BOX.height}`}
        role="img"
        aria-label={`Hidden units in the order ${order.map((unit) => NAMES[unit]).join(', ')}`}
      >
        {toyLines(order, along).map(({ key, width, negative, unit, ...ends }) => (
          <line
            key={key}
            {...ends}
            strokeWidth={width}
            strokeDasharray={negative ? '5 4' : undefined}
            className={`toy-unit-${unit}`}
          />
        ))}
        {[...toyPlaces.inputs, ...toyPlaces.outputs].map(({ x, y }) => (
          <circle key={`${x} ${y}`} cx={x} cy={y} r="11" className="toy-end" />
        ))}
        {order.map((unit, place) => (
          <g
            key={unit}
            className={`toy-node toy-unit-${unit}`}
            style={{ transform: `translate(${toyPlaces.hidden[place].x}px, ${toyPlaces.hidden[place].y}px)` }}
          >
            <circle r="14" />
            <text y="5" textAnchor="middle">
              {NAMES[unit]}
            </text>
          </g>
        ))}
      </svg>
      <output className={same ? 'toy-output' : 'toy-output toy-changed'}>
        Output {output.map(formatSigned).join(' and ')}: {same ? 'as before.' : 'not as before.'}
      </output>
      <div className="toy-tools">
        <Button kind="quiet" onClick={() => setOrder(swapped(order, 0))}>
          Swap upper two
        </Button>
        <Button kind="quiet" onClick={() => setOrder(swapped(order, 1))}>
          Swap lower two
        </Button>
      </div>
      <label className="check-label toy-check">
        <input type="checkbox" checked={along} onChange={(event) => setAlong(event.target.checked)} />
        Outgoing weights go along
      </label>
    </div>
  );
}
