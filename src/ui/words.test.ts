/** The page's words against what the pipeline does: `ui` may not import it, a test may. */
import { expect, test } from 'vitest';
import { BEST } from '../pipeline/recover-climbs.ts';
import { RUNG_IDS } from '../pipeline/recover-types.ts';
import { LADDER } from './words.ts';

test('the ladder has every rung once, and marks those that “best” leaves out', () => {
  const rungs = LADDER.flatMap((part) => part.rungs);
  expect(rungs.map(({ id }) => id).sort()).toEqual([...RUNG_IDS].sort());
  expect(rungs.filter(({ notInBest }) => !notInBest).map(({ id }) => id)).toEqual(BEST);
});
