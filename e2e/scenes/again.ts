/** What is done again: recipes saved, loaded and refused, the link, the report, and the session after a reload. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { quickModel } from '../support/quick-model.ts';
import { scratchFolder } from '../support/scratch.ts';
import { pressed, type Scene } from './shots.ts';

export const again: Scene = {
  play: async (studio, take) => {
    const { page } = studio;
    const at = (name: string) => join(scratch, name);
    const scratch = scratchFolder();
    const files = quickModel();
    const last = { steps: ['download'] };
    await studio.openModel(files);
    await studio.measure();
    await studio.sweep(2);
    await studio.pickWindow(1, 3);
    await studio.merge();
    await studio.recover({ rungs: ['R3'] });
    await studio.evaluate();
    await studio.runBaselines();
    await studio.download(at('it.layerfold.json'), { format: 'recipe' });
    await take('01-recipe-saved', last);
    const link = await studio.shareLink();
    await take('02-link', last);
    await studio.saveReport(at('report.html'), 'HTML');
    writeFileSync(at('bad.layerfold.json'), '{"layerfold": 1, "plan": {"method": "glue"}}');
    await studio.loadRecipe(at('bad.layerfold.json')).catch(() => undefined);
    await take('03-recipe-refused', last);
    await studio.clearWindows();
    await studio.loadRecipe(at('it.layerfold.json'));
    await take('04-recipe-loaded', { steps: ['merge', 'download'] });
    // Kept a second after the last change.
    await page.waitForTimeout(2000);
    await page.evaluate((hash) => {
      location.hash = hash;
    }, new URL(link).hash);
    await page.reload();
    await studio.lastSession();
    await page.getByRole('region', { name: 'Recipe to apply', exact: true }).waitFor();
    await take('05-last-session-and-link');
    await pressed(page, 'Dismiss the recipe');
    await studio.openSample('digits-vit');
    await take('06-another-model-than-the-last', { steps: ['open'] });
    await studio.openModel(files);
    await take('07-session-back');
    const address = page.url();
    await page.goto(pathToFileURL(at('report.html')).href);
    await take('08-report');
    await page.goto(address);
  },
};
