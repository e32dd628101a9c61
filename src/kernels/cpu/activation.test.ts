/** The tabled activations against their formulas, between the points of the table, at its ends and far out. */
import { expect, it } from 'vitest';
import { ACTIVATION_NAMES } from '../algebra.ts';
import { activation, FORMULAS } from './activation.ts';

it.each(ACTIVATION_NAMES)('%s is read as its formula says', (name) => {
  const z = Float32Array.from({ length: 20_001 }, (_, k) => (k - 10_000) / 1000.3);
  z.set([-8, 8, -8.001, 7.9999995, 0, -0, 100, -100]);
  for (const derivative of [false, true]) {
    const out = new Float32Array(z.length);
    activation(out, name, derivative, z, []);
    const exact = z.map(FORMULAS[name][derivative ? 'slope' : 'value']);
    let worst = 0;
    for (let k = 0; k < z.length; k++) {
      worst = Math.max(worst, Math.abs(out[k] - exact[k]) / Math.max(1, Math.abs(exact[k])));
    }
    expect(worst).toBeLessThan(derivative ? 1.5e-7 : 6e-8);
  }
});

it.each(ACTIVATION_NAMES)('%s does not hide what is not a number', (name) => {
  const out = new Float32Array(1);
  activation(out, name, false, Float32Array.of(Number.NaN), []);
  expect(out[0]).toBeNaN();
});
