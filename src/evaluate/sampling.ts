/**
 * The next token from one row of logits: the likeliest, or drawn with a seed.
 *
 * Drawing: one uniform number a token against the cumulative softmax in order of ids, all in f64, so that two models
 * with the same seed meet the same luck, and the same model gives the same text in every runtime whose logits agree.
 * Numbers come from SplitMix64 (Steele, Lea, Flood, “Fast splittable pseudorandom number generators”, OOPSLA 2014):
 * 64 bits of state, the upper 53 bits of each output as a number in [0, 1).
 *
 * Known limits: no top-k and no top-p; big integers make a draw slow (a microsecond), beside a run of a model nothing.
 */
import { softmax } from '../tensor/softmax.ts';
import { argmax } from './softmax.ts';

/** Uniform numbers in [0, 1). @param seed a whole number; negative ones are taken modulo 2^64 */
export function createUniform(seed: number): () => number {
  let state = BigInt.asUintN(64, BigInt(seed));
  return () => {
    state = BigInt.asUintN(64, state + 0x9e3779b97f4a7c15n);
    let z = state;
    z = BigInt.asUintN(64, (z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n);
    z = BigInt.asUintN(64, (z ^ (z >> 27n)) * 0x94d049bb133111ebn);
    return Number((z ^ (z >> 31n)) >> 11n) / 2 ** 53;
  };
}

/**
 * @param logits one row, [vocabulary]
 * @param temperature 0 takes the largest logit, of equal ones the lowest id; else logits are divided by it
 * @throws RangeError where the logits are not numbers
 */
export function pickToken(logits: Float32Array, temperature: number, uniform: () => number): number {
  const probabilities = softmax(logits, 0, logits.length, temperature || 1);
  if (Number.isNaN(probabilities[0])) {
    throw new RangeError('The model gave outputs that are not numbers, so no next token can be chosen.');
  }
  if (temperature === 0) return argmax(logits, 0, logits.length);
  const threshold = uniform();
  let sum = 0;
  let last = 0;
  for (let id = 0; id < probabilities.length; id++) {
    if (probabilities[id] === 0) continue;
    sum += probabilities[id];
    if (sum > threshold) return id;
    last = id;
  }
  // Rounding may leave the sum a little below 1.
  return last;
}

/** The `count` likeliest ids of a row with their probabilities, likeliest first, equal ones by id. */
export function likeliest(logits: Float32Array, count: number): { id: number; probability: number }[] {
  const probabilities = softmax(logits, 0, logits.length);
  return Array.from(probabilities, (probability, id) => ({ id, probability }))
    .sort((a, b) => b.probability - a.probability || a.id - b.id)
    .slice(0, count);
}
