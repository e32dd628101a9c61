/** What a stage works with: the open model as it runs, its data, and where the linear algebra is done. */
import type { Dataset } from '../data/dataset.ts';
import type { Backend } from '../kernels/backend.ts';
import type { LiveModel } from './live-model.ts';
import type { OpenedModel } from './opened.ts';
import type { AssignmentSolver, PairStore } from './pairs.ts';
import type { Job } from './progress.ts';
import type { TuneRuntime } from './tune-run.ts';

export interface StageContext {
  readonly opened: OpenedModel;
  readonly live: LiveModel;
  /** Null only for what needs no data (data-free scores). */
  readonly dataset: Dataset | null;
  readonly backend: Backend;
  readonly solve: AssignmentSolver;
  readonly pairs: PairStore;
  readonly job: Job;
  /** What end-to-end tuning runs on, where there is such a thing. */
  readonly tuning?: TuneRuntime;
}
