/** The recover step on the built page: asking for a run, reading what it came to, and undoing it. */
import { dataValue, PageDriver } from './page-driver.ts';
import { rungNames, tuneNames } from './studio-names.ts';
import type { Recovered, RecoveredScores, RecoverOptions, Rung, RungRow } from './studio-types.ts';

export class RecoverDriver extends PageDriver {
  /** Recovers the current merge by chosen rungs, or the best in a time; gives every rung that was tried, in order. */
  async recover(options: RecoverOptions = {}): Promise<RungRow[]> {
    await this.chooseRecovery(options);
    await this.job(() => this.button('Recover').click());
    return this.rungsTried();
  }

  /** Only the choices; the run is started by the button `Recover`. */
  async chooseRecovery(options: RecoverOptions = {}): Promise<void> {
    const { rungs, minutes, steps, rank, seed, tune = {} } = options;
    if (rungs && minutes !== undefined)
      throw new Error('Minutes go with the best in a time: chosen rungs take as long as they need.');
    await this.choose('Recovery', rungs ? 'Only the rungs I tick' : 'Best in the time given');
    if (rungs) await this.#tick(rungs);
    if (minutes !== undefined) await this.#number('Minutes', minutes);
    if (steps !== undefined) await this.#number('Distillation steps', steps);
    if (rank !== undefined) await this.#number('Correction rank', rank);
    if (seed !== undefined) await this.#number('Recovery seed', seed);
    for (const [option, value] of Object.entries(tune)) {
      if (option === 'of') await this.page.getByLabel('What is tuned').selectOption(String(value));
      else
        await this.#number(
          tuneNames[option as keyof typeof tuneNames],
          Number(value),
          'Tuning from end to end',
        );
    }
  }

  /** The table of rungs, as it stands; empty where none was tried. */
  async rungsTried(): Promise<RungRow[]> {
    const rows = await this.rows(this.table('Rungs tried')).all();
    return Promise.all(
      rows.map(async (row) => {
        const values = await row
          .locator('data')
          .evaluateAll((elements) => elements.map((element) => element.getAttribute('value') ?? ''));
        const [rung, kept, before, score, , report, addedBytes, seconds] = values;
        return {
          rung,
          kept: kept === 'true',
          before: Number(before),
          score: Number(score),
          report: Number(report),
          addedBytes: Number(addedBytes),
          seconds: Number(seconds),
        };
      }),
    );
  }

  /** What the last run came to: scores of the original, of the merge without recovery, and after it. */
  async recovered(): Promise<Recovered> {
    const rows = this.rows(this.table('Recovered scores'));
    const scores = async (place: number): Promise<RecoveredScores> => {
      const cells = rows.nth(place).getByRole('cell');
      const [original, merged, recovered] = await Promise.all(
        [0, 1, 2].map(async (column) => Number(await dataValue(cells.nth(column)))),
      );
      return { original, merged, recovered };
    };
    const region = this.region('Recover');
    return {
      select: await scores(0),
      report: await scores(1),
      bytesAdded: Number(await this.value(region, 'Bytes added')),
      bytesAfter: Number(await this.value(region, 'File size recovered')),
    };
  }

  /** Items (tokens, images, …) a second of the tuning that is shown. */
  async tuningSpeed(): Promise<number> {
    const caption = this.page.getByRole('figure', { name: /^Tuning/ }).locator('figcaption');
    return Number(await dataValue(caption.locator('data').nth(1)));
  }

  /** Goes on with the tuning that was paused. */
  async resumeTuning(): Promise<RungRow[]> {
    await this.job(() => this.button('Go on tuning').click());
    return this.rungsTried();
  }

  /** Back to the variant before the last run. */
  async undoRecovery(): Promise<void> {
    await this.job(() => this.button('Undo the last run').click());
  }

  async #tick(rungs: readonly Rung[]): Promise<void> {
    for (const [rung, name] of Object.entries(rungNames)) {
      const box = this.page.getByRole('checkbox', { name, exact: true });
      await box.setChecked(rungs.includes(rung as Rung));
    }
  }

  /** A field of the recover step, unfolded first where it is folded away. */
  async #number(name: string, value: number, fold = 'Steps, rank and seed'): Promise<void> {
    const field = this.region('Recover').getByRole('spinbutton', { name, exact: true });
    if (!(await field.isVisible())) await this.page.getByText(fold, { exact: true }).click();
    await field.fill(String(value));
  }
}
