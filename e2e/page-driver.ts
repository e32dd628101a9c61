/**
 * Waiting, reading and saving on the built page: what the page object's calls are made of.
 * A job is waited for by what the page itself counts (jobs begun, alerts shown), so that a short one is not missed;
 * where an alert shows instead of a result, its sentence is thrown.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Download, Locator, Page } from 'playwright';

/** Jobs begun and alerts shown since the page was loaded; counted in the page, so that none is missed. */
interface Watch {
  jobs: number;
  alerts: number;
  /** Layout shifts that no press or key led to. */
  shifts: { value: number; at: number; what: string }[];
}

interface LayoutShift extends PerformanceEntry {
  readonly value: number;
  readonly hadRecentInput: boolean;
  readonly sources: readonly { readonly node: Node | null }[];
}

type WatchedWindow = Window & { layerfoldWatch: Watch };

/** Runs in the page before its own scripts. Names no function of its own: tsx would mark it with a helper of its own. */
export function installWatch(): void {
  const watch: Watch = { jobs: 0, alerts: 0, shifts: [] };
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
  new PerformanceObserver((list) => {
    for (const { value, startTime, hadRecentInput, sources } of list.getEntries() as LayoutShift[]) {
      const moved = sources.map(({ node }) => (node instanceof Element ? node.className : node?.textContent));
      if (!hadRecentInput) watch.shifts.push({ value, at: startTime, what: moved.join(', ') });
    }
  }).observe({ type: 'layout-shift', buffered: true });
}

export class PageDriver {
  readonly page: Page;

  constructor(page: Page) {
    this.page = page;
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

  /**
   * Cumulative layout shift: the largest sum over a burst (shifts less than a second apart, five seconds at most),
   * with what moved in it.
   * @param after milliseconds on the page's clock
   */
  async layoutShift(after: number): Promise<{ value: number; moved: string[] }> {
    const { shifts } = await this.watch();
    let worst: typeof shifts = [];
    let burst: typeof shifts = [];
    const sum = (list: typeof shifts) => list.reduce((total, { value }) => total + value, 0);
    for (const shift of shifts.filter(({ at }) => at > after)) {
      const goesOn = burst.length > 0 && shift.at - burst[burst.length - 1].at < 1000;
      burst = goesOn && shift.at - burst[0].at < 5000 ? [...burst, shift] : [shift];
      if (sum(burst) > sum(worst)) worst = burst;
    }
    return { value: sum(worst), moved: worst.map(({ value, what }) => `${value.toFixed(3)}: ${what}`) };
  }

  protected button(name: string): Locator {
    return this.page.getByRole('button', { name, exact: true });
  }

  protected region(name: string): Locator {
    return this.page.getByRole('region', { name, exact: true });
  }

  protected group(name: string): Locator {
    return this.page.getByRole('group', { name, exact: true });
  }

  protected table(name: string): Locator {
    return this.page.getByRole('table', { name, exact: true });
  }

  /** The rows of a table that have a name. */
  protected rows(table: Locator): Locator {
    return table.getByRole('row').filter({ has: this.page.getByRole('rowheader') });
  }

  protected async fill(label: string, value: number | string): Promise<void> {
    await this.page.getByLabel(label, { exact: true }).fill(String(value));
  }

  protected async choose(groupName: string, name: string): Promise<void> {
    const radios = this.page.getByRole('radiogroup', { name: groupName, exact: true });
    await radios.getByRole('radio', { name, exact: true }).check();
  }

  protected select(name: string): Locator {
    return this.page.getByRole('combobox', { name, exact: true });
  }

  protected value(within: Locator, label: string): Promise<string> {
    return dataValue(within.getByLabel(label, { exact: true }).first());
  }

  protected watch(): Promise<Watch> {
    return this.page.evaluate(() => ({ ...(window as unknown as WatchedWindow).layerfoldWatch }));
  }

  protected async isBusy(): Promise<boolean> {
    return (await this.page.getByRole('main').getAttribute('aria-busy')) === 'true';
  }

  /** Waits for a state that has no single element to wait for; the limit is that of the page's own waits. */
  protected async until(reached: () => Promise<boolean>, limitMs = 600_000): Promise<void> {
    const end = Date.now() + limitMs;
    while (!(await reached())) {
      if (Date.now() > end) throw new Error(`The page did not get there in ${limitMs / 1000} s.`);
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
  }

  protected idle(): Promise<void> {
    return this.until(async () => !(await this.isBusy()));
  }

  protected async throwErrors(): Promise<void> {
    const sentences = await this.errors();
    if (sentences.length > 0) throw new Error(sentences.join(' '));
  }

  /** Does what starts a job and waits for its end: a job begun and ended, or a sentence in its place. */
  protected async job(start: () => Promise<void>): Promise<void> {
    await this.idle();
    const before = await this.watch();
    await start();
    await this.until(async () => {
      const now = await this.watch();
      return (now.jobs > before.jobs || now.alerts > before.alerts) && !(await this.isBusy());
    });
    if ((await this.watch()).alerts > before.alerts) await this.throwErrors();
  }

  /** Does what changes the page at once and waits for that, or throws the page's sentence. */
  protected async change(start: () => Promise<void>, reached: () => Promise<boolean>): Promise<void> {
    const { alerts } = await this.watch();
    await start();
    await this.until(async () => {
      if ((await this.watch()).alerts > alerts) await this.throwErrors();
      return reached();
    });
  }

  /** The download that an action starts, or the page's sentence. */
  protected async startDownload(start: () => Promise<void>): Promise<Download> {
    await this.idle();
    let download: Download | undefined;
    const listen = (event: Download) => {
      download = event;
    };
    this.page.on('download', listen);
    try {
      await this.change(start, async () => download !== undefined);
    } finally {
      this.page.off('download', listen);
    }
    return download as unknown as Download;
  }

  protected async saved(start: () => Promise<void>): Promise<{ name: string; text: string }> {
    const download = await this.startDownload(start);
    const folder = mkdtempSync(join(tmpdir(), 'layerfold-saved-'));
    try {
      const path = join(folder, 'file');
      await download.saveAs(path);
      return { name: download.suggestedFilename(), text: readFileSync(path, 'utf8') };
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }
}

export function flat(sentence: string): string {
  return sentence.replace(/\s+/g, ' ').trim();
}

export async function text(locator: Locator): Promise<string> {
  return flat((await locator.textContent()) ?? '');
}

/** The exact value behind a number for people: that of the element itself or of the `<data>` in it. */
export async function dataValue(locator: Locator): Promise<string> {
  const value = await locator.evaluate((element) =>
    (element.matches('data') ? element : element.querySelector('data'))?.getAttribute('value'),
  );
  if (value === null || value === undefined) throw new Error(`No <data value> in ${locator}.`);
  return value;
}
