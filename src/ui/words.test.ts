/** The page's words against what the pipeline does: `ui` may not import it, a test may. */
import { expect, test } from 'vitest';
import { BEST } from '../pipeline/recover-climbs.ts';
import { RUNG_IDS } from '../pipeline/recover-types.ts';
import { METHODS as RECIPE_METHODS } from '../recipe/schema.ts';
import { LADDER, METHODS } from './words.ts';

test('the ladder has every rung once, and marks those that “best” leaves out', () => {
  const rungs = LADDER.flatMap((part) => part.rungs);
  expect(rungs.map(({ id }) => id).sort()).toEqual([...RUNG_IDS].sort());
  expect(rungs.filter(({ notInBest }) => !notInBest).map(({ id }) => id)).toEqual(BEST);
});

test('every merge method can be chosen, once', () => {
  expect(METHODS.map(({ id }) => id)).toEqual(RECIPE_METHODS);
});
