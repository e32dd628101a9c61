/**
 * An FFN of two inputs, three hidden units and two outputs that is really computed: y = W2 relu(W1 x + b1) + b2. Its
 * hidden units can be put in another order, with their outgoing weights (columns of W2) or, to show why that matters,
 * without. Plain numbers out: values, and the lines between units in a box 280 wide and 150 high.
 */

/** The unit at each place: a permutation of 0, 1, 2. */
export type Order = readonly [number, number, number];

export const TOY_BOX = { width: 280, height: 150 };

const INPUT = [0.8, -0.6];
/** A row a hidden unit. */
const UP = [
  [1.2, -0.7],
  [0.5, -0.9],
  [0.9, 0.4],
];
const UP_BIAS = [0.1, -0.2, 0.3];
/** A column a hidden unit. */
const DOWN = [
  [0.9, -1.1, 0.5],
  [-0.4, 0.7, 1.3],
];
const DOWN_BIAS = [0.2, -0.1];

export interface ToyValues {
  /** By place. */
  readonly hidden: readonly number[];
  readonly output: readonly number[];
}

/** `along`: the outgoing weights go with their units, as a permutation of an FFN has it. */
export function toyValues(order: Order, along: boolean): ToyValues {
  const hidden = order.map((unit) => {
    const sum = UP[unit].reduce((total, weight, input) => total + weight * INPUT[input], UP_BIAS[unit]);
    return Math.max(0, sum);
  });
  const output = DOWN.map((row, index) =>
    hidden.reduce(
      (total, value, place) => total + row[along ? order[place] : place] * value,
      DOWN_BIAS[index],
    ),
  );
  return { hidden, output };
}

export function swapped([a, b, c]: Order, place: 0 | 1): Order {
  return place === 0 ? [b, a, c] : [a, c, b];
}

export interface ToyLine {
  readonly key: string;
  readonly x1: number;
  readonly y1: number;
  readonly x2: number;
  readonly y2: number;
  /** Of the line, by the size of the weight. */
  readonly width: number;
  readonly negative: boolean;
  /** The hidden unit that the weight belongs to. */
  readonly unit: number;
}

const LEFT_X = 24;
const MIDDLE_X = 130;
const RIGHT_X = 236;

export const toyPlaces = {
  inputs: [45, 105].map((y) => ({ x: LEFT_X, y })),
  hidden: [25, 75, 125].map((y) => ({ x: MIDDLE_X, y })),
  outputs: [45, 105].map((y) => ({ x: RIGHT_X, y })),
};

export function toyLines(order: Order, along: boolean): ToyLine[] {
  return toyPlaces.hidden.flatMap((at, place) => {
    const unit = order[place];
    const leaving = along ? unit : place;
    return [
      ...toyPlaces.inputs.map((from, input) => line(`in ${unit} ${input}`, from, at, UP[unit][input], unit)),
      ...toyPlaces.outputs.map((to, output) =>
        line(`out ${leaving} ${output}`, at, to, DOWN[output][leaving], leaving),
      ),
    ];
  });
}

interface Point {
  readonly x: number;
  readonly y: number;
}

function line(key: string, from: Point, to: Point, weight: number, unit: number): ToyLine {
  return {
    key,
    x1: from.x,
    y1: from.y,
    x2: to.x,
    y2: to.y,
    width: 1 + 3 * Math.abs(weight),
    negative: weight < 0,
    unit,
  };
}
