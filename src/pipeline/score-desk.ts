/**
 * What the studio knows of scoring: the metric that was chosen, the scorer of the open model and its data, and what
 * was scored already. All of it goes when the data or the model change.
 */
import type { Dataset } from '../data/dataset.ts';
import { DataError } from '../data/errors.ts';
import type { LiveModel } from './live-model.ts';
import { Scorer } from './scoring.ts';
import type { SweepCache } from './sweep.ts';
import type { DataSummary, Metric, MetricChoice, SimilarityMatrix } from './types.ts';

export class ScoreDesk {
  readonly sweeps: SweepCache = new Map();
  /** As measured last, for telling how well similarity predicts. */
  matrices: readonly SimilarityMatrix[] = [];
  private metric: Metric = 'perplexity';
  private metrics: readonly Metric[] = [];
  private asked: MetricChoice | undefined;
  private scorerNow: Scorer | null = null;

  /** The metrics that apply to new data. */
  offer({ metric, metrics }: Pick<DataSummary, 'metric' | 'metrics'>): void {
    this.metric = metric;
    this.metrics = metrics;
  }

  /** @throws DataError where it does not apply */
  choose(choice: MetricChoice, dataset: Dataset): void {
    if (!this.metrics.includes(choice.metric)) {
      throw new DataError(
        `The metric “${choice.metric}” does not apply to this model and data: ${this.metrics.join(', ')} do.`,
      );
    }
    if (choice.stride !== undefined) dataset.strided?.(choice.stride);
    this.asked = choice;
  }

  get choice(): MetricChoice {
    return this.asked ?? { metric: this.metric };
  }

  scorer(live: LiveModel, dataset: Dataset, output: string): Scorer {
    this.scorerNow ??= new Scorer(live, dataset, output);
    return this.scorerNow;
  }

  drop(): void {
    this.scorerNow?.release();
    this.scorerNow = null;
    this.sweeps.clear();
    this.matrices = [];
    this.asked = undefined;
  }
}
