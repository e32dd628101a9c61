/**
 * Scores the original and variants on a split, through the open model.
 *
 * Why a class: the original's values at the cuts of the open model are kept, batch by batch, so that a variant only
 * runs the blocks from its first change on; and scores are cached by what they are scores of, so that nothing is
 * computed twice (design.md, Caching by content).
 *
 * Where a dataset names several outputs, their rows are scored together, output by output.
 *
 * Known limits: kept values take memory in proportion to tokens × d_model × layers; batches beyond the budget are run
 * from the start.
 */
import { type Dataset, readBatch } from '../data/dataset.ts';
import { DataError } from '../data/errors.ts';
import type { SplitName } from '../data/files.ts';
import { combine, damage, needsOriginal, type Scored, scoreBatch } from '../evaluate/metric.ts';
import type { Changes, KeptValues, LiveModel } from './live-model.ts';
import type { Job } from './progress.ts';
import type { MetricChoice } from './types.ts';

/** Bytes of kept values, over all splits. */
const KEPT_BUDGET = 1 << 30;
/** Scores kept; each holds one number a scored item. */
const MOST_SCORES = 1000;

export class Scorer {
  private readonly live: LiveModel;
  private readonly dataset: Dataset;
  private readonly outputs: readonly string[];
  private readonly kept = new Map<string, KeptValues>();
  private keptBytes = 0;
  private readonly scores = new Map<string, Scored>();

  /** @param output name of the model's output that is scored, unless the dataset names others */
  constructor(live: LiveModel, dataset: Dataset, output: string) {
    this.live = live;
    this.dataset = dataset;
    this.outputs = dataset.outputs ?? [output];
  }

  /** Batches of a split under a metric: the steps of one scoring. */
  batches(split: SplitName, choice: MetricChoice): number {
    const data = this.view(choice);
    return data.batches(split, data.itemsPerBatch);
  }

  /** Blocks that a run of a split from the start takes. */
  plainBlockRuns(split: SplitName, choice: MetricChoice): number {
    return this.batches(split, choice) * this.live.blockCount;
  }

  /** The original's score. */
  original(split: SplitName, choice: MetricChoice, job: Job): Promise<Scored> {
    return this.cached(split, choice, '', () =>
      this.run(split, choice, undefined, job, 'Scoring the original'),
    );
  }

  /**
   * A variant's score.
   * @param key says what the variant is; equal keys mean equal weights
   */
  variant(split: SplitName, choice: MetricChoice, key: string, changes: Changes, job: Job): Promise<Scored> {
    return this.cached(split, choice, key, () =>
      this.run(split, choice, changes, job, 'Scoring the merged model'),
    );
  }

  /** Damage on the select split of weights that are tried once: lower is better. */
  evaluator(choice: MetricChoice, job: Job): (changes: Changes) => Promise<number> {
    return async (changes) => {
      const quiet = job.quiet();
      const original = await this.original('select', choice, quiet);
      return damage(original, await this.run('select', choice, changes, quiet, 'Scoring a candidate'));
    };
  }

  release(): void {
    for (const kept of this.kept.values()) kept.release();
    this.kept.clear();
    this.scores.clear();
  }

  private keyOf(split: SplitName, { metric, stride }: MetricChoice, key: string): string {
    return `${this.view({ metric, ...(stride !== undefined && { stride }) }).key}|${split}|${metric}|${stride ?? ''}|${key}`;
  }

  private async cached(
    split: SplitName,
    choice: MetricChoice,
    key: string,
    make: () => Promise<Scored>,
  ): Promise<Scored> {
    const full = this.keyOf(split, choice, key);
    const known = this.scores.get(full);
    if (known) return known;
    const scored = await make();
    this.scores.set(full, scored);
    const oldest = this.scores.keys().next().value;
    if (this.scores.size > MOST_SCORES && oldest !== undefined) this.scores.delete(oldest);
    return scored;
  }

  private view({ metric, stride }: MetricChoice): Dataset {
    if (metric !== 'strided-perplexity') return this.dataset;
    if (!this.dataset.strided) throw new DataError('A strided perplexity needs text.');
    return this.dataset.strided(stride ?? Math.max(1, Math.floor((this.dataset.contextLength ?? 2) / 2)));
  }

  private async run(
    split: SplitName,
    choice: MetricChoice,
    changes: Changes | undefined,
    job: Job,
    label: string,
  ): Promise<Scored> {
    const data = this.view(choice);
    const batches = data.batches(split, data.itemsPerBatch);
    const againstOriginal = needsOriginal(choice.metric);
    const losses: Float32Array[] = [];
    await this.live.prepare(this.outputs, job);
    job.expect(batches);
    for (let b = 0; b < batches; b++) {
      const { feeds, targets } = await readBatch(data, split, b, data.itemsPerBatch);
      const key = `${data.key}|${split}|${b}`;
      const original = async () => this.readOriginal(key, feeds);
      const given = changes ? await this.readVariant(key, feeds, changes) : await original();
      const reference = againstOriginal ? (changes ? await original() : given) : undefined;
      given.forEach((values, k) => {
        losses.push(scoreBatch(choice.metric, values, targets, reference?.[k]));
      });
      await job.step(`${label}, batch ${b + 1} of ${batches}`);
    }
    return combine(losses, choice.metric);
  }

  private async readVariant(key: string, feeds: Feeds, changes: Changes): Promise<Float32Array[]> {
    if (!this.kept.has(key) && this.keptBytes < KEPT_BUDGET) await this.readOriginal(key, feeds);
    const kept = this.kept.get(key);
    return this.read(await this.live.run(feeds, this.outputs, { changes, ...(kept && { kept }) }));
  }

  /** The original's output; keeps its values at the cuts where there is room. */
  private async readOriginal(key: string, feeds: Feeds): Promise<Float32Array[]> {
    const have = this.kept.get(key);
    if (have) return this.read(await this.live.run(feeds, this.outputs, { kept: have }));
    if (this.keptBytes >= KEPT_BUDGET) return this.read(await this.live.run(feeds, this.outputs));
    const { kept, outputs } = await this.live.keep(feeds, this.outputs);
    this.kept.set(key, kept);
    this.keptBytes += kept.bytes;
    return this.read(outputs);
  }

  private async read(outputs: Awaited<ReturnType<LiveModel['run']>>): Promise<Float32Array[]> {
    const values: Float32Array[] = [];
    for (const name of this.outputs) values.push((await outputs[name].read()) as Float32Array);
    for (const name of this.outputs) outputs[name].release();
    return values;
  }
}

type Feeds = Parameters<LiveModel['run']>[0];
