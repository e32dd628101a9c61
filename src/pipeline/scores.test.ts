/**
 * Alignment scores on a fixture: sums of terms lose less than the paper's score by as much as our trials found.
 */
import { expect, test } from 'vitest';
import { openSample } from '../testing/studio-in-node.ts';
import type { ScoreChoice } from './types.ts';

const SUM: ScoreChoice = ['preactivation', 'input-weights', 'output-weights'];

test('shakespeare-gpt2, window 3–6: the paper’s score, and with the cosines of the weights', async () => {
  const { studio, opened } = await openSample('shakespeare-gpt2');
  const sets = [{ groupId: opened.model.groups[0].id, layers: [3, 4, 5, 6] }];
  const reportOf = async (score: ScoreChoice) => {
    await studio.merge({ sets, method: 'permute', reference: 'first', score });
    return (await studio.evaluate('report')).merged;
  };
  expect(Math.abs((await reportOf('default')) / 5.424 - 1)).toBeLessThan(5e-3);
  expect(await reportOf(SUM)).toBeLessThan(5.36);
  await studio.dispose();
}, 60_000);
