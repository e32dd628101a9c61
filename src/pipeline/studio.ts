/**
 * The stages composed: open, measure, align, merge, evaluate, download, over one open model.
 *
 * Why: the worker and the tests drive the same object; where it runs (backend, sessions, assignment threads) is
 * injected. The studio holds the state between calls and drops what a new file makes stale; a call that fails or is
 * cancelled leaves the state as it was.
 */
import { type Dataset, readBatch } from '../data/dataset.ts';
import { DataError } from '../data/errors.ts';
import type { NamedBlob, SplitName } from '../data/files.ts';
import type { Backend } from '../kernels/backend.ts';
import type { Recipe } from '../recipe/schema.ts';
import type { StageContext } from './context.ts';
import { addFiles, type DataFiles, type DataStage, NO_FILES, prepareData } from './data-stage.ts';
import { composeDownload } from './downloads.ts';
import { evaluateOn } from './evaluate-on.ts';
import { makeExamples } from './examples.ts';
import { type LiveDeps, LiveDesk } from './live-desk.ts';
import type { LiveModel } from './live-model.ts';
import { measureSimilarity } from './measure.ts';
import { ModelFolder } from './model-folder.ts';
import { groupOf, type OpenedModel } from './opened.ts';
import { type AssignmentSolver, alignmentOf, PairStore } from './pairs.ts';
import { planGroups } from './plan.ts';
import { Job, type JobOptions } from './progress.ts';
import { readAddition, readDrop } from './read-drop.ts';
import {
  carryOutRecipe,
  type Identity,
  identityOf,
  type RecipeTexts,
  recipeTexts,
  seedOf,
  takeSeed,
} from './recipe-desk.ts';
import type { Replayed } from './recover.ts';
import type { RecoveredSet } from './recover-set.ts';
import { Recoveries } from './recoveries.ts';
import { ScoreDesk } from './score-desk.ts';
import { termsOf } from './score-terms.ts';
import type { Scorer } from './scoring.ts';
import { sweepWindows } from './sweep.ts';
import type { SweepSeed } from './sweep-seed.ts';
import { Tunings } from './tune-checkpoint.ts';
import type { TuneTools } from './tune-run.ts';
import type {
  AlignmentResult,
  DataState,
  DownloadFormat,
  DownloadResult,
  EngineSummary,
  EvaluationResult,
  ExampleResult,
  GenerateRequest,
  LayerSet,
  MeasureResult,
  MergePlan,
  MergeResult,
  MetricChoice,
  OpenResult,
  PausedTuning,
  PlanRequest,
  PlanResult,
  RecoverRequest,
  RecoverResult,
  Saving,
  SweepRequest,
  SweepResult,
} from './types.ts';
import {
  type Evaluate,
  layersOf,
  releaseVariant,
  requantizedNote,
  savingOf,
  type Variant,
} from './variant.ts';

export interface StudioDeps extends LiveDeps {
  readonly backend: Backend;
  readonly solve: AssignmentSolver;
  /** Absent: models cannot be tuned from end to end. */
  readonly tuning?: TuneTools;
}

export class Studio {
  private readonly deps: StudioDeps;
  private readonly desk: LiveDesk;
  private opened: OpenedModel | null = null;
  private files: DataFiles = NO_FILES;
  private askedLength: number | undefined;
  private readonly folder = new ModelFolder();
  private dataset: Dataset | null = null;
  private readonly pairs = new PairStore();
  private readonly scores = new ScoreDesk();
  private readonly recoveries: Recoveries;
  private variant: Variant | null = null;

  constructor(deps: StudioDeps) {
    this.deps = deps;
    this.desk = new LiveDesk(deps);
    this.recoveries = new Recoveries(new Tunings(deps.tuning?.place));
  }

  /** Where things run now; changes where the self-test finds a provider wrong. */
  get engine(): EngineSummary {
    return this.desk.engine;
  }

  /** Opens what was dropped together; replaces the open model only once the new one could be read. */
  async open(dropped: readonly NamedBlob[], options: JobOptions = {}): Promise<OpenResult> {
    const job = new Job(options);
    const { opened, files, stage, notes, sorted } = await readDrop(dropped, job);
    await job.check();
    await this.forget();
    this.opened = opened;
    this.files = files;
    this.askedLength = undefined;
    this.folder.take(sorted, 'instead');
    this.useDataset(stage);
    return {
      model: {
        ...opened.summary,
        formats: this.folder.formats(opened.summary),
        notes: [...opened.summary.notes, ...notes],
      },
      data: stage.data,
      needs: stage.needs,
    };
  }

  async addData(dropped: readonly NamedBlob[]): Promise<DataState> {
    const opened = this.model();
    const sorted = await readAddition(opened, dropped);
    const state = await this.prepare(opened, addFiles(this.files, sorted), this.askedLength);
    this.folder.take(sorted, 'added');
    return { ...state, formats: this.folder.formats(opened.summary) };
  }

  async setContextLength(tokens: number): Promise<DataState> {
    return this.prepare(this.model(), this.files, tokens);
  }

  async measure(options: JobOptions = {}): Promise<MeasureResult> {
    const [job, dataset] = [new Job(options), this.data()];
    const { groups } = this.model().search;
    if (groups.length === 0)
      throw new DataError('This model has no FFN group to measure; see why under the summary.');
    const live = await this.liveModel(job);
    const matrices = await measureSimilarity(live, groups, dataset, this.deps.backend, job);
    this.scores.matrices = matrices;
    const aligned = groups.map((g) => this.pairs.matrix(g));
    return { matrices: [...matrices, ...aligned], seconds: job.seconds, engine: this.engine };
  }

  async alignment(
    groupId: string,
    reference: number,
    layer: number,
    options: JobOptions = {},
  ): Promise<AlignmentResult> {
    const group = groupOf(this.model(), groupId);
    return alignmentOf(await this.context(new Job(options)), group, reference, layer);
  }

  /** What the windows would save, exactly. */
  predict(sets: readonly LayerSet[]): Saving {
    return savingOf(this.model(), { tied: layersOf(this.model(), sets) });
  }

  async merge(plan: MergePlan, options: JobOptions = {}): Promise<MergeResult> {
    const job = new Job(options);
    const opened = this.model();
    if (plan.sets.length === 0) {
      this.setVariant(null);
      return { plan, saving: savingOf(opened, { tied: [] }), notes: [], aligned: [], seconds: job.seconds };
    }
    const context = await this.context(job);
    return this.merged(await this.recoveries.carryOut(context, plan, await this.evaluator(job)), job);
  }

  /** Merges, and recovers, by a recipe: a file's text, or what a link gave. */
  async mergeRecipe(recipe: string | Recipe, options: JobOptions = {}): Promise<MergeResult> {
    const job = new Job(options);
    const context = await this.context(job);
    const evaluate = await this.evaluator(job);
    return this.merged(await carryOutRecipe(context, recipe, this.recoveries, evaluate), job);
  }

  /** The recipe of the current variant. @param evaluations of it, for people to read */
  async recipe(evaluations: readonly EvaluationResult[], options: JobOptions = {}): Promise<RecipeTexts> {
    if (!this.variant)
      throw new DataError('Nothing is merged, so there is no recipe yet. Merge layers first.');
    return recipeTexts(this.model(), this.variant, await this.identity(options), evaluations);
  }

  /** What is open, by contents: hashes of all files. */
  identity(options: JobOptions = {}): Promise<Identity> {
    return identityOf(this.model(), this.dataset, this.files, new Job(options));
  }

  /** Windows scored so far, to be kept over a reload; null where there are none. */
  async sweepSeed(options: JobOptions = {}): Promise<SweepSeed | null> {
    return seedOf(this.scores.sweeps, await this.identity(options), this.engine);
  }

  /** Takes windows over that were scored before. @returns how many */
  async useSweepSeed(seed: SweepSeed, options: JobOptions = {}): Promise<number> {
    return takeSeed(this.scores.sweeps, seed, await this.identity(options), this.engine);
  }

  /** Recovers the current variant, rung by rung; what is kept is the current variant at once. */
  async recover(request: RecoverRequest, options: JobOptions = {}): Promise<RecoverResult> {
    const job = new Job(options);
    const scorer = await this.scorer(job);
    const [context, choice] = [await this.context(job), this.choice()];
    // The model may have been opened anew to be checked on data, and with it what was merged before.
    if (!this.variant) throw new DataError('Nothing is merged, so there is nothing to recover. Merge first.');
    const tools = { context, scorer, choice, engine: this.engine };
    return this.recoveries.run(tools, this.variant, request, (better) => this.holdVariant(better));
  }

  /** The last run of recovery on the current merge, also where it was cancelled. */
  recovery(): RecoverResult | null {
    return this.recoveries.result;
  }

  /** A tuning of a merge that was paused, in this session or one before; null where there is none. */
  tuning(plan: MergePlan, options: JobOptions = {}): Promise<PausedTuning | null> {
    return this.recoveries.paused(this.model(), this.dataset, plan, new Job(options));
  }

  /** Chooses the metric of evaluations, sweeps and plans. @throws DataError where it does not apply */
  setMetric(choice: MetricChoice): void {
    this.scores.choose(choice, this.data());
  }

  async evaluate(split: SplitName, options: JobOptions = {}): Promise<EvaluationResult> {
    const job = new Job(options);
    const scorer = await this.scorer(job);
    const choice = this.choice();
    const { variant } = this;
    return evaluateOn(split, scorer, choice, variant, this.engine, job);
  }

  async sweep(request: SweepRequest, options: JobOptions = {}): Promise<SweepResult> {
    const job = new Job(options);
    const scorer = await this.scorer(job);
    const group = groupOf(this.model(), request.groupId);
    const matrices = () => [
      ...this.scores.matrices.filter((m) => m.groupId === group.id),
      this.pairs.matrix(group, request.score === 'best' ? undefined : termsOf(request.score, group)),
    ];
    return sweepWindows(
      await this.context(job),
      scorer,
      request,
      this.choice(),
      this.scores.sweeps,
      matrices,
    );
  }

  async plan(request: PlanRequest, options: JobOptions = {}): Promise<PlanResult> {
    const job = new Job(options);
    const scorer = await this.scorer(job);
    const { scores, recoveries } = this;
    return planGroups(await this.context(job), scorer, request, this.choice(), scores.sweeps, recoveries);
  }

  async examples(request: GenerateRequest, options: JobOptions = {}): Promise<ExampleResult> {
    this.data();
    return makeExamples(await this.context(new Job(options)), request, this.variant?.changes);
  }

  /** The current variant in a format; with nothing merged, the model's own files byte for byte. */
  async download(format: DownloadFormat = 'onnx', options: JobOptions = {}): Promise<DownloadResult> {
    return composeDownload(this.model(), this.variant, format, this.folder, new Job(options));
  }

  /** Frees sessions and device memory. */
  async dispose(): Promise<void> {
    await this.forget();
  }

  private model(): OpenedModel {
    if (!this.opened) throw new DataError('No model is open. Drop an .onnx file or open a sample first.');
    return this.opened;
  }

  private data(): Dataset {
    this.model();
    if (!this.dataset)
      throw new DataError('There is no calibration data yet. Drop some under “Calibrate” first.');
    return this.dataset;
  }

  private async prepare(
    opened: OpenedModel,
    files: DataFiles,
    askedLength: number | undefined,
  ): Promise<DataState> {
    const stage = await prepareData(opened, files, askedLength);
    this.files = files;
    this.askedLength = askedLength;
    this.useDataset(stage);
    return { data: stage.data, needs: stage.needs };
  }

  /** New data makes statistics and scores stale; a merge stays what it is. */
  private useDataset({ dataset, data }: DataStage): void {
    if (dataset?.key !== this.dataset?.key) {
      this.pairs.clear();
      this.scores.drop();
    }
    this.dataset = dataset;
    if (data) this.scores.offer(data);
  }

  private async liveModel(job: Job): Promise<LiveModel> {
    const sample = this.dataset ? (await readBatch(this.dataset, 'calibrate', 0, 1)).feeds : undefined;
    return this.desk.model(this.model(), sample, job, () => this.setVariant(null));
  }

  private async context(job: Job): Promise<StageContext> {
    const { backend, solve, tuning } = this.deps;
    const live = await this.liveModel(job);
    const { dataset, pairs } = this;
    const opened = this.model();
    const { sessions } = this.desk;
    return {
      opened,
      live,
      dataset,
      backend,
      solve,
      pairs,
      job,
      ...(tuning && { tuning: { ...tuning, sessions } }),
    };
  }

  private async scorer(job: Job): Promise<Scorer> {
    const dataset = this.data();
    const output = this.model().scoreOutput?.name;
    if (!output) throw new DataError('This model has no floating-point output that could be scored.');
    const live = await this.liveModel(job);
    return this.scores.scorer(live, dataset, output);
  }

  /** Makes what was carried out the current variant. */
  private merged({ variant, sets }: Replayed, job: Job): MergeResult {
    this.setVariant(variant, sets);
    const opened = this.model();
    const groups = new Set(variant.plan.sets.map((s) => groupOf(opened, s.groupId)));
    const { score } = variant.plan;
    return {
      plan: variant.plan,
      ...(variant.droppedLayers && { droppedLayers: variant.droppedLayers }),
      saving: savingOf(opened, variant),
      notes: (variant.requantized ?? []).map(requantizedNote),
      aligned: [...groups].map((g) => this.pairs.matrix(g, score === 'best' ? undefined : termsOf(score, g))),
      seconds: job.seconds,
    };
  }

  /** For choices that are made by evaluation, where there is data. */
  private async evaluator(job: Job): Promise<Evaluate | undefined> {
    return this.dataset ? (await this.scorer(job)).evaluator(this.choice(), job) : undefined;
  }

  private choice(): MetricChoice {
    return this.scores.choice;
  }

  /** Another variant, and where it is on the ladder; null: the original. */
  private setVariant(variant: Variant | null, sets: readonly RecoveredSet[] = []): void {
    this.holdVariant(variant);
    this.recoveries.begin(sets);
  }

  private holdVariant(variant: Variant | null): void {
    if (variant !== this.variant) releaseVariant(this.variant);
    this.variant = variant;
  }

  private async forget(): Promise<void> {
    this.setVariant(null);
    this.pairs.clear();
    this.scores.drop();
    this.recoveries.clear();
    this.opened = null;
    this.dataset = null;
    await this.desk.close();
  }
}
