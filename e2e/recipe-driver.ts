/** Recipes, reports and the last session on the built page. */
import { statSync } from 'node:fs';
import { RecoverDriver } from './recover-driver.ts';

export class RecipeDriver extends RecoverDriver {
  /** Merges by a recipe file; the variant that it makes is the current one. */
  async loadRecipe(path: string): Promise<void> {
    await this.job(() => this.page.getByLabel('Recipe file', { exact: true }).setInputFiles(path));
  }

  /** The link to share, as the page shows it. */
  async shareLink(): Promise<string> {
    await this.job(() => this.button('Copy share link').click());
    return this.page.getByLabel('Share link', { exact: true }).inputValue();
  }

  /** Carries out the recipe of the link that the page was opened with. */
  async applyRecipe(): Promise<void> {
    await this.job(() => this.button('Apply the recipe').click());
  }

  /** Saves the report at `path`. */
  async saveReport(path: string, kind: 'HTML' | 'Markdown'): Promise<{ bytes: number }> {
    return this.#save(path, `Save report (${kind})`);
  }

  /** What the page tells of the last session; waits for it. */
  async lastSession(): Promise<string> {
    const card = this.region('Last session');
    await card.waitFor();
    return (await card.textContent()) ?? '';
  }

  /** Has the page forget the last session; waits for it to be told. */
  async forgetSession(): Promise<void> {
    await this.button('Forget the last session').click();
    await this.region('Last session').waitFor({ state: 'detached' });
  }

  protected saveRecipe(path: string): Promise<{ bytes: number }> {
    return this.#save(path, 'Save recipe');
  }

  async #save(path: string, button: string): Promise<{ bytes: number }> {
    const download = await this.startDownload(() => this.button(button).click());
    await download.saveAs(path);
    await this.idle();
    await this.throwErrors();
    return { bytes: statSync(path).size };
  }
}
