/** Proposals of several small groups, and asking for a size. */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from '@playwright/test';
import type { PlanRow, Studio } from './studio.ts';
import { relativeDifference } from './support/compare.ts';
import { dynamoModel, reference } from './support/fixtures.ts';
import { scoreFile } from './support/oracle.ts';
import { scratchFolder } from './support/scratch.ts';
import { test, tidy } from './support/shared-studio.ts';

const name = 'shakespeare-gpt2';
const removed = 4;

test.describe
  .serial(`the plan of ${name}`, () => {
    // Windows of up to four layers are swept, and proposals scored whole.
    test.setTimeout(300_000);
    let studio: Studio;
    let plans: PlanRow[];
    test.beforeAll(async ({ studioOf }) => {
      studio = await studioOf(name);
      await tidy(studio, name);
    });

    test('proposes disjoint groups that remove as many FFNs as asked, best first', async () => {
      plans = await studio.plan(removed);
      expect(plans.length).toBeGreaterThan(1);
      expect(plans.length).toBeLessThanOrEqual(10);
      expect(plans.map(({ score }) => score)).toEqual(plans.map(({ score }) => score).sort((a, b) => a - b));
      const { layers } = reference(name);
      for (const { groups, estimate } of plans) {
        expect(Number.isFinite(estimate)).toBe(true);
        expect(groups.reduce((sum, [first, last]) => sum + last - first, 0)).toBe(removed);
        const covered = groups.flatMap(([first, last]) =>
          Array.from({ length: last - first + 1 }, (_, k) => first + k),
        );
        expect(new Set(covered).size).toBe(covered.length);
        expect(covered.every((layer) => layer >= 0 && layer < layers)).toBe(true);
      }
      expect(new Set(plans.map(({ groups }) => JSON.stringify(groups))).size).toBe(plans.length);
    });

    test('is at least as good on the report split as the best single window of 5', async () => {
      await studio.usePlan(plans[0].groups);
      await studio.merge();
      const planned = await studio.evaluate();

      const [best] = await studio.sweep(removed + 1);
      await studio.clearWindows();
      await studio.pickWindow(best.first, best.last);
      await studio.merge();
      const single = await studio.evaluate();
      expect(planned.original).toBe(single.original);
      expect(planned.merged).toBeLessThanOrEqual(single.merged);
    });

    test('gives the best variant of at most the size asked for', async () => {
      const percent = 30;
      await studio.useBestOfSize(percent);
      const { merged } = await studio.evaluate();
      const path = join(scratchFolder(), 'sized.onnx');
      const { bytes } = await studio.download(path);
      const original = statSync(dynamoModel(name)).size;
      expect(bytes).toBeLessThanOrEqual(original * (1 - percent / 100));
      // One FFN less would not have been enough: no more than needed is given up.
      const { d_model: width, d_ff: units } = reference(name);
      expect(bytes + 4 * (2 * width * units + width + units)).toBeGreaterThan(original * (1 - percent / 100));
      expect(relativeDifference(await scoreFile(path, name), merged)).toBeLessThan(1e-4);
    });

    test('says so where a size cannot be reached', async () => {
      await expect(studio.useBestOfSize(90)).rejects.toThrow(/% smaller/);
      expect(studio.consoleErrors).toEqual([]);
    });
  });
