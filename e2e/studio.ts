/**
 * The page object: drives the built page from outside, through its roles and accessible names only, and reads
 * exact numbers from `<data value>` and from the files that the page saves. Scripts use it through tsx as well as
 * the tests, so it imports Playwright's library and not its test runner.
 * Every call waits for the state that it asks for and throws the page's own sentence where an alert shows instead.
 * Layers are 0-based in execution order.
 */
import { statSync } from 'node:fs';
import { type Browser as Chromium, chromium, type Locator, type Page } from 'playwright';
import { ensureBrowser, launchArgs, testArgs } from './browser.ts';
import { dataValue, flat, installWatch, text } from './page-driver.ts';
import { RecipeDriver } from './recipe-driver.ts';
import { type PageServer, servePage } from './server.ts';
import { combinedScore, downloadNames, measureNames, methodNames, referenceNames } from './studio-names.ts';
import type {
  DownloadFormat,
  GenerateOptions,
  MergeOptions,
  PlanRow,
  ReferenceChoice,
  Saved,
  SimilarityKind,
  StudioOptions,
  Summary,
  SweepRow,
  VariantRow,
} from './studio-types.ts';

export type * from './studio-types.ts';

export class Studio extends RecipeDriver {
  /** Origin of every request, workers' included. `blob:` and `data:` URLs count as the origin that made them. */
  readonly requestOrigins = new Set<string>();
  /** Errors of the console and uncaught errors of the page. */
  readonly consoleErrors: string[] = [];
  readonly origin: string;
  readonly #browser: Chromium;
  readonly #server: PageServer;

  constructor(page: Page, browser: Chromium, server: PageServer) {
    super(page);
    this.#browser = browser;
    this.#server = server;
    this.origin = new URL(server.url).origin;
    page.context().on('request', (request) => {
      const url = new URL(request.url());
      if (url.protocol !== 'data:') this.requestOrigins.add(url.origin);
    });
    page.on('console', (message) => {
      if (message.type() === 'error') this.consoleErrors.push(message.text());
    });
    page.on('pageerror', (error) => this.consoleErrors.push(error.message));
  }

  async openSample(name: string): Promise<void> {
    await this.job(() => this.button(`Open sample ${name}`).click());
    await this.#summaryRegion().waitFor();
  }

  async openModel(paths: string[]): Promise<void> {
    await this.job(() => this.page.getByLabel('Model files', { exact: true }).setInputFiles(paths));
    await this.#summaryRegion().waitFor();
  }

  async openCalibration(paths: string[]): Promise<void> {
    await this.job(() => this.page.getByLabel('Calibration files', { exact: true }).setInputFiles(paths));
  }

  async summary(): Promise<Summary> {
    const region = this.#summaryRegion();
    await region.waitFor();
    const backend = await this.value(region, 'Backend');
    if (backend !== 'webgpu' && backend !== 'cpu')
      throw new Error(`The page names the backend "${backend}".`);
    const rows = await this.rows(region.getByRole('table', { name: 'FFN groups', exact: true })).all();
    const groups = await Promise.all(
      rows.map(async (row) => {
        const cells = row.getByRole('cell');
        return {
          name: await text(row.getByRole('rowheader')),
          layers: Number(await dataValue(cells.nth(0))),
          dModel: Number(await dataValue(cells.nth(1))),
          dFf: Number(await dataValue(cells.nth(2))),
        };
      }),
    );
    const refusals = region
      .getByRole('list', { name: 'Cannot be merged', exact: true })
      .getByRole('listitem');
    return {
      parameters: Number(await this.value(region, 'Parameters')),
      bytes: Number(await this.value(region, 'File size')),
      backend,
      groups,
      refusals: (await refusals.allTextContents()).map(flat),
    };
  }

  async measure(): Promise<void> {
    await this.job(() => this.button('Measure similarity').click());
    await this.page.getByRole('grid', { name: 'Similarity heatmap', exact: true }).waitFor();
  }

  /** The matrix shown, NaN where not measured. */
  async similarity(kind: SimilarityKind, group?: string): Promise<number[][]> {
    await this.#selectGroup(group);
    await this.choose('Similarity measure', measureNames[kind]);
    const file = await this.saved(() => this.button('Save matrix as CSV').click());
    if (!file.name.startsWith(`${kind}-`)) throw new Error(`Asked for ${kind}, the page saved ${file.name}.`);
    const [, ...rows] = linesOf(file.text);
    return rows.map((row) => row.split(',').slice(1).map(Number));
  }

  async alignment(
    i: number,
    j: number,
    group?: string,
  ): Promise<{ correlation: number[][]; permutation: number[]; objective: number }> {
    await this.#selectGroup(group);
    await this.fill('Reference layer', i);
    await this.fill('Other layer', j);
    await this.job(() => this.button('Align this pair').click());
    await this.group('Pair alignment').waitFor();
    const file = await this.saved(() => this.button('Save alignment as JSON').click());
    const { reference, layer, correlation, permutation, objective } = JSON.parse(file.text);
    if (reference !== i || layer !== j) {
      throw new Error(`Asked for layers ${i} and ${j}, the page saved ${reference} and ${layer}.`);
    }
    return { correlation, permutation, objective };
  }

  async pickWindow(first: number, last: number, group?: string): Promise<void> {
    await this.#selectGroup(group);
    await this.fill('First layer', first);
    await this.fill('Last layer', last);
    await this.#pick(() => this.button('Pick window').click(), `Remove window ${first}–${last}`);
  }

  /** Layers that need not be adjacent. */
  async pickLayers(layers: readonly number[], group?: string): Promise<void> {
    await this.#selectGroup(group);
    const list = layers.join(', ');
    await this.fill('Layers', list);
    await this.#pick(() => this.button('Pick these layers').click(), `Remove layers ${list}`);
  }

  async clearWindows(): Promise<void> {
    const remove = this.page.getByRole('button', { name: /^Remove (window|layers) / });
    if ((await remove.count()) === 0) return;
    await this.button('Clear windows').click();
    await this.until(async () => (await remove.count()) === 0);
    await this.idle();
  }

  async merge(options: MergeOptions = {}): Promise<Saved> {
    await this.chooseMerge(options);
    await this.job(() => this.button('Merge').click());
    return this.#mergeResult();
  }

  /** Only the choices, which sweeps and plans use too. */
  async chooseMerge(options: MergeOptions = {}): Promise<void> {
    const { method = 'permute', reference, score, seed } = options;
    await this.choose('Method', methodNames[method]);
    await this.#chooseReference(reference);
    await this.#chooseScore(score);
    if (seed !== undefined) await this.fill('Random seed', seed);
  }

  /** With the metric chosen, on the report split; `samples` are scored tokens or images. */
  async evaluate(): Promise<{ metric: string; original: number; merged: number; samples: number }> {
    await this.job(() => this.button('Evaluate on the report split').click());
    const table = this.table('Original and merged');
    await table.waitFor();
    const row = this.rows(table);
    const cells = row.getByRole('cell');
    return {
      metric: (await text(row.getByRole('rowheader'))).toLowerCase(),
      original: Number(await dataValue(cells.nth(0))),
      merged: Number(await dataValue(cells.nth(1))),
      samples: Number(await this.value(this.region('Compare'), 'Scored samples')),
    };
  }

  /** The metric of evaluations, sweeps and plans, by its name on the page. */
  async chooseMetric(name: string, options: { stride?: number } = {}): Promise<void> {
    await this.select('Metric').selectOption({ label: name });
    if (options.stride !== undefined) await this.fill('Stride', options.stride);
    await this.idle();
  }

  /** Windows of k layers on the select split, with the method and score that are chosen; best first. */
  async sweep(k: number, group?: string): Promise<{ first: number; last: number; score: number }[]> {
    const rows = await this.sweepRange(k, k, group);
    return rows.map(({ first, last, value }) => ({ first, last, score: value }));
  }

  /** The same for a range of widths, with all that the page tells of each. */
  async sweepRange(narrowest: number, widest: number, group?: string): Promise<SweepRow[]> {
    await this.fillSweep(narrowest, widest, group);
    await this.job(() => this.button('Sweep all windows').click());
    const widths = ({ first, last }: SweepRow) => last - first + 1;
    return (await this.sweepRows()).filter((row) => widths(row) >= narrowest && widths(row) <= widest);
  }

  async fillSweep(narrowest: number, widest: number, group?: string): Promise<void> {
    await this.#selectGroup(group);
    await this.fill('Narrowest window', narrowest);
    await this.fill('Widest window', widest);
  }

  /** All windows scored so far with the settings chosen, of any width, as the page saves them. */
  async sweepRows(): Promise<SweepRow[]> {
    const file = await this.saved(() => this.button('Save sweep as CSV').click());
    if (!file.name.startsWith('sweep-')) throw new Error(`Asked for the sweep, the page saved ${file.name}.`);
    const [header, ...rows] = linesOf(file.text);
    const names = header.split(',');
    return rows.map((row) => {
      const entries = row.split(',').map((field, column) => [names[column], Number(field)]);
      return Object.fromEntries(entries) as SweepRow;
    });
  }

  /** `recover`: each proposal is refitted by R3 too, and ranked by its score with it. */
  async plan(removed: number, options: { recover?: boolean } = {}): Promise<PlanRow[]> {
    await this.fill('FFNs to remove', removed);
    await this.#refitProposals(options.recover ?? false);
    await this.job(() => this.button('Propose groups').click());
    const file = await this.saved(() => this.button('Save plans as JSON').click());
    const plans: { sets: number[][]; estimate: number; value: number; recovered?: { value: number } }[] =
      JSON.parse(file.text);
    return plans.map(({ sets, estimate, value, recovered }) => ({
      groups: sets.map((layers) => [layers[0], layers[layers.length - 1]]),
      estimate,
      score: value,
      ...(recovered && { recovered: recovered.value }),
    }));
  }

  /** Takes the proposal of that place in the list, from 0: picks its groups; a refitted one is merged and refitted. */
  async applyPlan(index: number): Promise<void> {
    const row = this.rows(this.table('Proposed plans')).nth(index);
    const use = row.getByRole('button', { name: /^Use plan / });
    const refitted = (await row.getByRole('cell').count()) > 5;
    if (refitted) return this.job(() => use.click());
    const [first] = (await text(row.getByRole('rowheader'))).split(', ');
    await this.#pick(() => use.click(), `Remove window ${first}`, true);
  }

  /** Takes the proposal of these groups, as `applyPlan` does. */
  async usePlan(groups: readonly (readonly [number, number])[]): Promise<void> {
    const name = groups.map(([first, last]) => `${first}–${last}`).join(', ');
    const headers = this.rows(this.table('Proposed plans')).getByRole('rowheader');
    const index = (await headers.allTextContents()).indexOf(name);
    if (index < 0) throw new Error(`The page proposes no plan of ${name}.`);
    await this.applyPlan(index);
  }

  /** Has the page pick and merge the best variant that is that much smaller. */
  async useBestOfSize(percentSmaller: number, options: { recover?: boolean } = {}): Promise<Saved> {
    await this.fill('Percent smaller', percentSmaller);
    await this.#refitProposals(options.recover ?? false);
    await this.job(() => this.button('Find the best of that size').click());
    return this.#mergeResult();
  }

  /** Scores every baseline at the same number of removed FFNs. */
  async runBaselines(): Promise<void> {
    await this.job(() => this.button('Run all baselines').click());
  }

  async variantsTried(): Promise<VariantRow[]> {
    const rows = await this.rows(this.table('Variants tried')).all();
    return Promise.all(
      rows.map(async (row) => ({
        name: await text(row.getByRole('rowheader')),
        values: await row
          .locator('data')
          .evaluateAll((elements) => elements.map((element) => Number(element.getAttribute('value')))),
      })),
    );
  }

  /** What the original and the current variant write after the prompt. */
  async compareOutputs(options: GenerateOptions): Promise<{ original: string; merged: string }> {
    await this.fill('Prompt', options.prompt);
    await this.fill('Tokens to write', options.tokens);
    await this.fill('Temperature', options.temperature ?? 0);
    await this.fill('Seed', options.seed ?? 0);
    await this.job(() => this.button('Compare outputs').click());
    const written = async (name: string) =>
      (await this.page.getByLabel(name, { exact: true }).textContent()) ?? '';
    return { original: await written('Original text'), merged: await written('Merged text') };
  }

  /** Saves the current variant at `path`, in a format that the page offers for the open model. */
  async download(path: string, options: { format?: DownloadFormat } = {}): Promise<{ bytes: number }> {
    const { format = 'onnx' } = options;
    if (format === 'recipe') return this.saveRecipe(path);
    const names = downloadNames[format];
    const formats = this.page.getByRole('radiogroup', { name: 'File format', exact: true });
    const choice = formats.getByRole('radio', { name: names.format, exact: true });
    if ((await choice.count()) === 0) throw new Error(`The page does not offer "${format}" for this model.`);
    await choice.check();
    const download = await this.startDownload(() => this.button(names.button).click());
    await download.saveAs(path);
    await this.idle();
    await this.throwErrors();
    return { bytes: statSync(path).size };
  }

  async close(): Promise<void> {
    await this.#browser.close();
    await this.#server.close();
  }

  #summaryRegion(): Locator {
    return this.region('Model summary');
  }

  #refitProposals(refit: boolean): Promise<void> {
    return this.page
      .getByRole('checkbox', { name: 'Refit each proposal (R3)', exact: true })
      .setChecked(refit);
  }

  async #pick(start: () => Promise<void>, removal: string, mayBePicked = false): Promise<void> {
    // Sets of several groups may have the same name; a plan may hold what is picked already.
    const remove = this.button(removal);
    const before = mayBePicked ? 0 : await remove.count();
    await this.change(start, async () => (await remove.count()) > before);
    const saving = this.group('Predicted saving').getByLabel('Parameters saved', { exact: true });
    await saving.locator('data').first().waitFor();
    await this.idle();
  }

  async #mergeResult(): Promise<Saved> {
    const result = this.group('Merge result');
    await result.waitFor();
    return {
      parametersSaved: Number(await this.value(result, 'Parameters saved')),
      bytesSaved: Number(await this.value(result, 'Bytes saved')),
    };
  }

  /** Methods that drop have no reference layer: there it may be missing, unless it is asked for. */
  async #chooseReference(reference: ReferenceChoice | undefined): Promise<void> {
    const radios = this.page.getByRole('radiogroup', { name: 'Reference layer choice', exact: true });
    const radio = radios.getByRole('radio', { name: referenceNames[reference ?? 'first'], exact: true });
    const offered = (await radio.count()) > 0 && (await radio.isEnabled());
    if (offered || reference !== undefined) await radio.check();
  }

  /** As for the reference: methods without an alignment may offer no score. */
  async #chooseScore(score: string | undefined): Promise<void> {
    const select = this.select('Alignment score');
    const offered = (await select.count()) > 0 && (await select.isEnabled());
    if (!offered && score === undefined) return;
    const asked = scoreKey(score === 'combined' ? combinedScore : (score ?? 'default'));
    const values = await select
      .getByRole('option')
      .evaluateAll((options) => options.map((option) => (option as HTMLOptionElement).value));
    const value = values.find((offer) => scoreKey(offer) === asked);
    if (value === undefined) {
      throw new Error(`The page has no alignment score "${score}": it has ${values.join(', ')}.`);
    }
    await select.selectOption(value);
  }

  async #selectGroup(group: string | undefined): Promise<void> {
    if (group === undefined) return;
    const select = this.select('FFN group');
    if ((await select.count()) > 0) await select.selectOption({ label: group });
  }
}

/** Terms in one order, so that the order asked for does not matter. */
function scoreKey(score: string): string {
  return score.split('+').sort().join('+');
}

function linesOf(file: string): string[] {
  return file.trim().split(/\r?\n/);
}

/** Builds where needed, serves the built page, and opens it in Chromium. */
export async function launchStudio(options: StudioOptions = {}): Promise<Studio> {
  const inTest = process.env.TEST_WORKER_INDEX !== undefined;
  const executable = ensureBrowser();
  const server = options.server ?? (await servePage(options.base));
  const browser = await chromium.launch({
    executablePath: executable.path,
    headless: options.headless ?? true,
    args: inTest ? testArgs : launchArgs,
  });
  try {
    // A context of its own: axe opens a second page in it.
    const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, ...options.context });
    const page = await context.newPage();
    const studio = new Studio(page, browser, server);
    await page.addInitScript(installWatch);
    const query = new URLSearchParams({ gpu: options.gpu ?? 'auto', save: 'download' });
    const { threads = inTest ? 1 : 'all' } = options;
    if (threads !== 'all') query.set('threads', String(threads));
    await page.goto(`${server.url}?${query}`);
    await page.getByLabel('Model files', { exact: true }).waitFor({ state: 'attached' });
    return studio;
  } catch (error) {
    await browser.close();
    await server.close();
    throw error;
  }
}
