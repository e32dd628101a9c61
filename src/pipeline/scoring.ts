/**
 * Scores the original and variants on a split, through the open model.
 */
import type { Dataset } from '../data/dataset.ts';
import type { SplitName } from '../data/files.ts';
import { combine, type Metric, type Scored, scoreBatch } from '../evaluate/metric.ts';
import type { Changes, LiveModel } from './live-model.ts';
import type { Job } from './progress.ts';

/** The score of one set of weights on a split. */
export async function scoreSplit(
  live: LiveModel,
  dataset: Dataset,
  split: SplitName,
  metric: Metric,
  output: string,
  job: Job,
  label: string,
  changes?: Changes,
): Promise<Scored> {
  const batches = dataset.batches(split, dataset.itemsPerBatch);
  const losses: Float32Array[] = [];
  for (let b = 0; b < batches; b++) {
    const batch = dataset.batch(split, b, dataset.itemsPerBatch);
    const outputs = await live.run(batch.feeds, [output], changes ? { changes } : {});
    const logits = (await outputs[output].read()) as Float32Array;
    losses.push(scoreBatch(logits, batch.targets));
    outputs[output].release();
    await job.step(`${label}, batch ${b + 1} of ${batches}`);
  }
  return combine(losses, metric);
}
