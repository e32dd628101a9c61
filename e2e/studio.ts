/**
 * The page object: drives the built page from outside, through its roles and accessible names only, and reads
 * exact numbers from `<data value>` and from the files that the page saves. Scripts use it through tsx as well as
 * the tests, so it imports Playwright's library and not its test runner.
 * Every call waits for the state that it asks for and throws the page's own sentence where an alert shows instead.
 * Limits: layers are 0-based in execution order; methods that the page does not have yet throw a sentence.
 */
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type BrowserContextOptions,
  type Browser as Chromium,
  chromium,
  type Download,
  type Locator,
  type Page,
} from 'playwright';
import { ensureBrowser, launchArgs } from './browser.ts';
import { type PageServer, servePage } from './server.ts';

export interface StudioOptions {
  /** `force` uses the WebGPU kernels even on a software adapter (inference stays on wasm there). */
  readonly gpu?: 'auto' | 'force' | 'off';
  readonly headless?: boolean;
  /** One thread makes timings comparable between machines. */
  readonly threads?: number;
  /** Viewport, colour scheme and the like. */
  readonly context?: BrowserContextOptions;
  /** Sub-path to serve under. */
  readonly base?: string;
}

export interface Summary {
  readonly parameters: number;
  readonly bytes: number;
  readonly backend: 'webgpu' | 'cpu';
  readonly groups: { name: string; layers: number; dModel: number; dFf: number }[];
  readonly refusals: string[];
}

export type SimilarityKind = 'cka' | 'cka-debiased' | 'aligned' | 'attention';
export type MergeMethod = 'permute' | 'vanilla' | 'copy' | 'ffn-drop' | 'layer-drop' | 'random';
export type ReferenceChoice = 'first' | 'middle' | 'last';
export type DownloadFormat = 'onnx' | 'safetensors' | 'recipe' | 'zip';

export interface MergeOptions {
  readonly method?: MergeMethod;
  readonly score?: string;
  readonly reference?: ReferenceChoice;
}

const measureNames: Record<SimilarityKind, string> = {
  cka: 'FFN outputs (CKA)',
  'cka-debiased': 'FFN outputs (debiased CKA)',
  aligned: 'Aligned correlation',
  attention: 'Attention outputs (CKA)',
};

const methodNames: Partial<Record<MergeMethod, string>> = {
  permute: 'Permute and average',
  vanilla: 'Average without permutation (vanilla)',
  copy: 'Copy the anchor',
};

const referenceNames: Record<ReferenceChoice, string> = { first: 'First', middle: 'Middle', last: 'Last' };

const downloadNames: Partial<Record<DownloadFormat, string>> = { onnx: 'Download ONNX' };

/** Jobs begun and alerts shown since the page was loaded; counted in the page, so that none is missed. */
interface Watch {
  jobs: number;
  alerts: number;
}

type WatchedWindow = Window & { layerfoldWatch: Watch };

/** Runs in the page before its own scripts. Names no function of its own: tsx would mark it with a helper of its own. */
function installWatch(): void {
  const watch: Watch = { jobs: 0, alerts: 0 };
  (window as unknown as WatchedWindow).layerfoldWatch = watch;
  const busy = 'main[aria-busy=true]';
  const alert = '[role=alert]';
  new MutationObserver((records) => {
    for (const { type, target, oldValue, addedNodes } of records) {
      if (type === 'attributes') {
        if (oldValue !== 'true' && (target as Element).matches(busy)) watch.jobs += 1;
        continue;
      }
      for (const node of addedNodes) {
        const element = node instanceof Element ? node : target;
        if (!(element instanceof Element)) continue;
        if (element.closest(alert) ?? element.querySelector(alert)) watch.alerts += 1;
        if (element === node && (element.matches(busy) || element.querySelector(busy))) watch.jobs += 1;
      }
    }
  }).observe(document, {
    subtree: true,
    childList: true,
    attributes: true,
    attributeFilter: ['aria-busy'],
    attributeOldValue: true,
  });
}

export class Studio {
  readonly page: Page;
  /** Origin of every request, workers' included. `blob:` and `data:` URLs count as the origin that made them. */
  readonly requestOrigins = new Set<string>();
  /** Errors of the console and uncaught errors of the page. */
  readonly consoleErrors: string[] = [];
  readonly origin: string;
  readonly #browser: Chromium;
  readonly #server: PageServer;

  constructor(page: Page, browser: Chromium, server: PageServer) {
    this.page = page;
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
    await this.#job(() => this.#button(`Open sample ${name}`).click());
    await this.#summaryRegion().waitFor();
  }

  async openModel(paths: string[]): Promise<void> {
    await this.#job(() => this.page.getByLabel('Model files', { exact: true }).setInputFiles(paths));
    await this.#summaryRegion().waitFor();
  }

  async openCalibration(paths: string[]): Promise<void> {
    await this.#job(() => this.page.getByLabel('Calibration files', { exact: true }).setInputFiles(paths));
  }

  async summary(): Promise<Summary> {
    const region = this.#summaryRegion();
    await region.waitFor();
    const backend = await this.#value(region, 'Backend');
    if (backend !== 'webgpu' && backend !== 'cpu')
      throw new Error(`The page names the backend "${backend}".`);
    const rows = await region
      .getByRole('table', { name: 'FFN groups', exact: true })
      .getByRole('row')
      .filter({ has: this.page.getByRole('rowheader') })
      .all();
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
      parameters: Number(await this.#value(region, 'Parameters')),
      bytes: Number(await this.#value(region, 'File size')),
      backend,
      groups,
      refusals: (await refusals.allTextContents()).map(flat),
    };
  }

  async measure(): Promise<void> {
    await this.#job(() => this.#button('Measure similarity').click());
    await this.#heatmap().waitFor();
  }

  /** The matrix shown, NaN where not measured. */
  async similarity(kind: SimilarityKind, group?: string): Promise<number[][]> {
    await this.#selectGroup(group);
    await this.#choose('Similarity measure', measureNames[kind]);
    const file = await this.#saved(() => this.#button('Save matrix as CSV').click());
    if (!file.name.startsWith(`${kind}-`)) throw new Error(`Asked for ${kind}, the page saved ${file.name}.`);
    const [, ...rows] = file.bytes.toString('utf8').trim().split(/\r?\n/);
    return rows.map((row) => row.split(',').slice(1).map(Number));
  }

  async alignment(
    i: number,
    j: number,
    group?: string,
  ): Promise<{ correlation: number[][]; permutation: number[]; objective: number }> {
    await this.#selectGroup(group);
    await this.page.getByLabel('Reference layer', { exact: true }).fill(String(i));
    await this.page.getByLabel('Other layer', { exact: true }).fill(String(j));
    await this.#job(() => this.#button('Align this pair').click());
    await this.page.getByRole('group', { name: 'Pair alignment', exact: true }).waitFor();
    const file = await this.#saved(() => this.#button('Save alignment as JSON').click());
    const { reference, layer, correlation, permutation, objective } = JSON.parse(file.bytes.toString('utf8'));
    if (reference !== i || layer !== j) {
      throw new Error(`Asked for layers ${i} and ${j}, the page saved ${reference} and ${layer}.`);
    }
    return { correlation, permutation, objective };
  }

  async pickWindow(first: number, last: number, group?: string): Promise<void> {
    await this.#selectGroup(group);
    await this.page.getByLabel('First layer', { exact: true }).fill(String(first));
    await this.page.getByLabel('Last layer', { exact: true }).fill(String(last));
    const alerts = (await this.#watch()).alerts;
    const picked = this.#button(`Remove window ${first}–${last}`);
    await this.#button('Pick window').click();
    await this.#until(async () => {
      if ((await this.#watch()).alerts > alerts) await this.#throwErrors();
      return picked.isVisible();
    });
    const saving = this.page.getByRole('group', { name: 'Predicted saving', exact: true });
    await saving.getByLabel('Parameters saved', { exact: true }).locator('data').first().waitFor();
    await this.#idle();
  }

  async clearWindows(): Promise<void> {
    const remove = this.page.getByRole('button', { name: /^Remove window / });
    if ((await remove.count()) === 0) return;
    await this.#button('Clear windows').click();
    await this.#until(async () => (await remove.count()) === 0);
    await this.#idle();
  }

  async merge(options: MergeOptions = {}): Promise<{ parametersSaved: number; bytesSaved: number }> {
    const method = methodNames[options.method ?? 'permute'];
    if (!method) throw new Error(`The page has no merge method "${options.method}" yet.`);
    if (options.score !== undefined) throw new Error('The page has no choice of merge score yet.');
    await this.#choose('Method', method);
    await this.#choose('Reference layer choice', referenceNames[options.reference ?? 'first']);
    await this.#job(() => this.#button('Merge').click());
    const result = this.page.getByRole('group', { name: 'Merge result', exact: true });
    await result.waitFor();
    return {
      parametersSaved: Number(await this.#value(result, 'Parameters saved')),
      bytesSaved: Number(await this.#value(result, 'Bytes saved')),
    };
  }

  /** On the report split; `samples` are scored tokens or images. */
  async evaluate(): Promise<{ metric: string; original: number; merged: number; samples: number }> {
    await this.#job(() => this.#button('Evaluate on the report split').click());
    const table = this.page.getByRole('table', { name: 'Original and merged', exact: true });
    await table.waitFor();
    const row = table.getByRole('row').filter({ has: this.page.getByRole('rowheader') });
    const cells = row.getByRole('cell');
    return {
      metric: (await text(row.getByRole('rowheader'))).toLowerCase(),
      original: Number(await dataValue(cells.nth(0))),
      merged: Number(await dataValue(cells.nth(1))),
      samples: Number(await this.#value(this.#region('Compare'), 'Scored samples')),
    };
  }

  /** Saves the current variant at `path`. */
  async download(path: string, options: { format?: DownloadFormat } = {}): Promise<{ bytes: number }> {
    const name = downloadNames[options.format ?? 'onnx'];
    if (!name) throw new Error(`The page cannot save "${options.format}" yet.`);
    const download = await this.#download(() => this.#button(name).click());
    await download.saveAs(path);
    await this.#idle();
    await this.#throwErrors();
    return { bytes: statSync(path).size };
  }

  /** The sentences shown. */
  async errors(): Promise<string[]> {
    const sentences = await this.page.getByRole('alert').evaluateAll((alerts) =>
      alerts.map((alert) => {
        const copy = alert.cloneNode(true) as Element;
        for (const button of copy.querySelectorAll('button')) button.remove();
        return copy.textContent ?? '';
      }),
    );
    return sentences.map(flat).filter(Boolean);
  }

  async close(): Promise<void> {
    await this.#browser.close();
    await this.#server.close();
  }

  #button(name: string): Locator {
    return this.page.getByRole('button', { name, exact: true });
  }

  #region(name: string): Locator {
    return this.page.getByRole('region', { name, exact: true });
  }

  #summaryRegion(): Locator {
    return this.#region('Model summary');
  }

  #heatmap(): Locator {
    return this.page.getByRole('grid', { name: 'Similarity heatmap', exact: true });
  }

  #value(within: Locator, label: string): Promise<string> {
    return dataValue(within.getByLabel(label, { exact: true }).first());
  }

  #watch(): Promise<Watch> {
    return this.page.evaluate(() => ({ ...(window as unknown as WatchedWindow).layerfoldWatch }));
  }

  async #isBusy(): Promise<boolean> {
    return (await this.page.getByRole('main').getAttribute('aria-busy')) === 'true';
  }

  /** Waits for a state that has no single element to wait for; the limit is that of the page's own waits. */
  async #until(reached: () => Promise<boolean>, limitMs = 600_000): Promise<void> {
    const end = Date.now() + limitMs;
    while (!(await reached())) {
      if (Date.now() > end) throw new Error(`The page did not get there in ${limitMs / 1000} s.`);
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
  }

  #idle(): Promise<void> {
    return this.#until(async () => !(await this.#isBusy()));
  }

  async #throwErrors(): Promise<void> {
    const sentences = await this.errors();
    if (sentences.length > 0) throw new Error(sentences.join(' '));
  }

  /** Does what starts a job and waits for its end: a job begun and ended, or a sentence in its place. */
  async #job(start: () => Promise<void>): Promise<void> {
    await this.#idle();
    const before = await this.#watch();
    await start();
    await this.#until(async () => {
      const now = await this.#watch();
      return (now.jobs > before.jobs || now.alerts > before.alerts) && !(await this.#isBusy());
    });
    if ((await this.#watch()).alerts > before.alerts) await this.#throwErrors();
  }

  async #selectGroup(group: string | undefined): Promise<void> {
    if (group === undefined) return;
    const select = this.page.getByRole('combobox', { name: 'FFN group', exact: true });
    if ((await select.count()) > 0) await select.selectOption({ label: group });
  }

  async #choose(groupName: string, name: string): Promise<void> {
    const radios = this.page.getByRole('radiogroup', { name: groupName, exact: true });
    await radios.getByRole('radio', { name, exact: true }).check();
  }

  /** The download that an action starts, or the page's sentence. */
  async #download(start: () => Promise<void>): Promise<Download> {
    await this.#idle();
    const alerts = (await this.#watch()).alerts;
    let download: Download | undefined;
    const listen = (event: Download) => {
      download = event;
    };
    this.page.on('download', listen);
    try {
      await start();
      await this.#until(async () => {
        if ((await this.#watch()).alerts > alerts) await this.#throwErrors();
        return download !== undefined;
      });
    } finally {
      this.page.off('download', listen);
    }
    return download as Download;
  }

  async #saved(start: () => Promise<void>): Promise<{ name: string; bytes: Buffer }> {
    const download = await this.#download(start);
    const folder = mkdtempSync(join(tmpdir(), 'layerfold-saved-'));
    try {
      const path = join(folder, 'file');
      await download.saveAs(path);
      return { name: download.suggestedFilename(), bytes: readFileSync(path) };
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }
}

function flat(sentence: string): string {
  return sentence.replace(/\s+/g, ' ').trim();
}

async function text(locator: Locator): Promise<string> {
  return flat((await locator.textContent()) ?? '');
}

/** The exact value behind a number for people: that of the element itself or of the `<data>` in it. */
async function dataValue(locator: Locator): Promise<string> {
  const value = await locator.evaluate((element) =>
    (element.matches('data') ? element : element.querySelector('data'))?.getAttribute('value'),
  );
  if (value === null || value === undefined) throw new Error(`No <data value> in ${locator}.`);
  return value;
}

/** Builds where needed, serves the built page, and opens it in Chromium. */
export async function launchStudio(options: StudioOptions = {}): Promise<Studio> {
  const executable = ensureBrowser();
  const server = await servePage(options.base);
  const browser = await chromium.launch({
    executablePath: executable.path,
    headless: options.headless ?? true,
    args: launchArgs,
  });
  try {
    // A context of its own: axe opens a second page in it.
    const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, ...options.context });
    const page = await context.newPage();
    const studio = new Studio(page, browser, server);
    await page.addInitScript(installWatch);
    const query = new URLSearchParams({ gpu: options.gpu ?? 'auto', save: 'download' });
    if (options.threads !== undefined) query.set('threads', String(options.threads));
    await page.goto(`${server.url}?${query}`);
    await page.getByLabel('Model files', { exact: true }).waitFor({ state: 'attached' });
    return studio;
  } catch (error) {
    await browser.close();
    await server.close();
    throw error;
  }
}
