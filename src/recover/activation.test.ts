/** Activations against values of SciPy in f64, and derivatives against central differences. */
import { describe, expect, test } from 'vitest';
import {
  activate,
  activationOfNumber,
  activationSlope,
  knownActivation,
  knownActivations,
} from './activation.ts';

// x·scipy.special.ndtr(x)
const GELU_ERF = [
  [-6, -5.919525870226167e-9],
  [-3.3, -0.0015952996698664656],
  [-1, -0.15865525393145707],
  [0.25, 0.14967658142073093],
  [1.7, 1.6242387133104768],
  [4.1, 4.099915304221659],
] as const;

describe('values', () => {
  test.each(GELU_ERF)('GELU (erf) of %d', (x, y) => {
    expect(Math.abs(activationOfNumber('gelu-erf', x) - y)).toBeLessThan(5e-11);
  });

  test('of the others at 1', () => {
    const at = (id: (typeof knownActivations)[number]) => activationOfNumber(id, 1);
    expect(at('gelu-tanh')).toBeCloseTo(0.8411919906082768, 12);
    expect(at('gelu-sigmoid')).toBeCloseTo(0.8457957659328212, 12);
    expect(at('silu')).toBeCloseTo(0.7310585786300049, 12);
    expect(at('tanh')).toBeCloseTo(0.7615941559557649, 12);
    expect(at('relu-squared')).toBe(1);
  });
});

test.each(knownActivations)('the derivative of %s', (id) => {
  const x = Float32Array.from({ length: 400 }, (_, i) => (i - 200) / 17 + 0.013);
  const slopes = activationSlope(id, x);
  const h = 1e-5;
  x.forEach((v, i) => {
    const expected = (activationOfNumber(id, v + h) - activationOfNumber(id, v - h)) / (2 * h);
    expect(Math.abs(slopes[i] - expected), `at ${v}`).toBeLessThan(1e-6 * Math.max(1, Math.abs(expected)));
  });
  expect(activate(id, x)[7]).toBeCloseTo(activationOfNumber(id, x[7]), 6);
});

test('an unknown formula is refused by its name', () => {
  expect(() => knownActivation({ id: 'other', label: 'Sin' })).toThrow('“Sin”');
});
