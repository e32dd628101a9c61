/**
 * The stages composed: open, measure, align, merge, evaluate, download, over one open model.
 *
 * Why: the worker and the tests drive the same object; where it runs (backend, sessions, assignment threads) is
 * injected. The studio holds the state between calls and drops what a new file makes stale; a call that fails or is
 * cancelled leaves the state as it was.
 */
import { type Dataset, readBatch } from '../data/dataset.ts';
import { DataError } from '../data/errors.ts';
import { type NamedBlob, type SplitName, sortFiles } from '../data/files.ts';
import { pairedStandardError } from '../evaluate/metric.ts';
import type { Backend } from '../kernels/backend.ts';
import type { SessionFactory } from '../runtime/session.ts';
import { foreignCheckpoint } from './checkpoint.ts';
import type { StageContext } from './context.ts';
import { addFiles, type DataFiles, type DataStage, NO_FILES, prepareData } from './data-stage.ts';
import { composeDownload } from './downloads.ts';
import { makeExamples } from './examples.ts';
import type { LiveModel } from './live-model.ts';
import { measureSimilarity } from './measure.ts';
import { dropNotes, modelDrop } from './model-drop.ts';
import { ModelFolder } from './model-folder.ts';
import { groupOf, type OpenedModel, openModels } from './opened.ts';
import { type AssignmentSolver, alignPairs, checkPair, PairStore } from './pairs.ts';
import { planGroups } from './plan.ts';
import { Job, type JobOptions } from './progress.ts';
import { Recoveries } from './recoveries.ts';
import { ScoreDesk } from './score-desk.ts';
import { termsOf } from './score-terms.ts';
import type { Scorer } from './scoring.ts';
import { openChecked } from './self-test.ts';
import { sweepWindows, variantKey } from './sweep.ts';
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
  PlanRequest,
  PlanResult,
  RecoverRequest,
  RecoverResult,
  Saving,
  SweepRequest,
  SweepResult,
} from './types.ts';
import { layersOf, releaseVariant, requantizedNote, savingOf, type Variant } from './variant.ts';

export interface StudioDeps {
  readonly engine: EngineSummary;
  readonly backend: Backend;
  readonly sessions: SessionFactory;
  readonly solve: AssignmentSolver;
  /** The wasm provider, where `sessions` is another one that is to be checked against it. */
  readonly checkAgainst?: () => Promise<SessionFactory>;
}

export class Studio {
  private readonly deps: StudioDeps;
  private sessions: SessionFactory;
  private engineNow: EngineSummary;
  private opened: OpenedModel | null = null;
  private files: DataFiles = NO_FILES;
  private askedLength: number | undefined;
  private readonly folder = new ModelFolder();
  private dataset: Dataset | null = null;
  private live: LiveModel | null = null;
  private readonly pairs = new PairStore();
  /** Whether the provider was checked, or needs no check. */
  private checked = false;
  private readonly scores = new ScoreDesk();
  private readonly recoveries = new Recoveries();
  private variant: Variant | null = null;

  constructor(deps: StudioDeps) {
    this.deps = deps;
    this.sessions = deps.sessions;
    this.engineNow = deps.engine;
  }

  /** Where things run now; changes where the self-test finds a provider wrong. */
  get engine(): EngineSummary {
    return this.engineNow;
  }

  /** Opens what was dropped together; replaces the open model only once the new one could be read. */
  async open(dropped: readonly NamedBlob[], options: JobOptions = {}): Promise<OpenResult> {
    const job = new Job(options);
    const { all, sorted, variants } = await modelDrop(dropped);
    job.announce(`Reading ${variants.models.map((m) => m.name).join(', ')}`);
    const opened = await openModels(variants.models, all);
    await job.check();
    const files = addFiles(NO_FILES, sorted);
    let stage: Awaited<ReturnType<typeof prepareData>>;
    const notes = dropNotes(opened, sorted, variants);
    const foreign = await foreignCheckpoint(opened, sorted.checkpoints);
    if (foreign !== undefined) notes.push(foreign);
    try {
      stage = await prepareData(opened, files);
    } catch (error) {
      // The model itself is fine: keep it, and say what is wrong with its data.
      if (!(error instanceof DataError)) throw error;
      stage = { data: null, needs: [{ what: 'data', sentence: error.message }], dataset: null };
    }
    await job.check();
    await this.forget();
    this.opened = opened;
    this.files = files;
    this.askedLength = undefined;
    this.folder.take(foreign === undefined ? sorted : { ...sorted, checkpoints: [] }, 'instead');
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
    const sorted = sortFiles(dropped);
    const [model] = sorted.models;
    if (model) throw new DataError(`“${model.name}” is a model, not calibration data. Drop it under “Open”.`);
    const useful = dropped.length - sorted.unused.length - sorted.externals.size;
    if (useful === 0) {
      throw new DataError(
        `“${dropped[0]?.name ?? 'nothing'}” cannot be used as data. Text with a tokenizer.json, pairs of texts, images, sound (.wav) or arrays (.npy), with their labels beside them, can.`,
      );
    }
    const foreign = await foreignCheckpoint(opened, sorted.checkpoints);
    if (foreign !== undefined) throw new DataError(foreign);
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
    const job = new Job(options);
    const group = groupOf(this.model(), groupId);
    checkPair(group, reference, layer);
    await alignPairs(await this.context(job), group, [[reference, layer]], 'default', true);
    const pair = this.pairs.get(groupId, reference, layer)!;
    return {
      groupId,
      reference,
      layer,
      size: group.dFf,
      correlation: this.pairs.correlation(groupId, reference, layer)!,
      permutation: pair.permutation.indices,
      objective: pair.objective,
      alignedMean: pair.objective / group.dFf,
      diagonalMean: pair.diagonalMean,
      matrix: this.pairs.matrix(group),
    };
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
      this.recoveries.begin();
      return { plan, saving: savingOf(opened, { tied: [] }), notes: [], aligned: [], seconds: job.seconds };
    }
    const context = await this.context(job);
    const evaluate = this.dataset && (await this.scorer(job)).evaluator(this.choice(), job);
    const made = await this.recoveries.carryOut(context, plan, evaluate ?? undefined);
    const { variant } = made;
    this.setVariant(variant);
    this.recoveries.begin(made.sets);
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

  /** Recovers the current variant, rung by rung; what is kept is the current variant at once. */
  async recover(request: RecoverRequest, options: JobOptions = {}): Promise<RecoverResult> {
    const job = new Job(options);
    this.data();
    if (!this.variant) throw new DataError('Nothing is merged, so there is nothing to recover. Merge first.');
    const scorer = await this.scorer(job);
    const [context, choice] = [await this.context(job), this.choice()];
    const tools = { context, scorer, choice, engine: this.engine };
    return this.recoveries.run(tools, this.variant, request, (better) => this.setVariant(better));
  }

  /** The last run of recovery on the current merge, also where it was cancelled. */
  recovery(): RecoverResult | null {
    return this.recoveries.result;
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
    const original = await scorer.original(split, choice, job.part(variant ? 0.5 : 1));
    const merged = variant
      ? await scorer.variant(split, choice, variantKey(variant), variant.changes, job.part(0.5))
      : original;
    return {
      ...choice,
      split,
      original: original.value,
      merged: merged.value,
      samples: merged.samples,
      standardError: pairedStandardError(original, merged),
      seconds: job.seconds,
      engine: this.engine,
    };
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
    const { checkAgainst } = this.deps;
    if (this.live && (this.checked || !sample)) return this.live;
    if (this.live) {
      // Opened before there was data to check the provider with.
      this.setVariant(null);
      await this.live.release();
      this.live = null;
    }
    this.checked = sample !== undefined || !checkAgainst;
    const checked = await openChecked(this.model(), this.sessions, this.engine, sample, checkAgainst, job);
    this.sessions = checked.sessions;
    this.engineNow = checked.engine;
    this.live = checked.live;
    return checked.live;
  }

  private async context(job: Job): Promise<StageContext> {
    const { backend, solve } = this.deps;
    const live = await this.liveModel(job);
    return { opened: this.model(), live, dataset: this.dataset, backend, solve, pairs: this.pairs, job };
  }

  private async scorer(job: Job): Promise<Scorer> {
    const dataset = this.data();
    const output = this.model().scoreOutput?.name;
    if (!output) throw new DataError('This model has no floating-point output that could be scored.');
    const live = await this.liveModel(job);
    return this.scores.scorer(live, dataset, output);
  }

  private choice(): MetricChoice {
    return this.scores.choice;
  }

  private setVariant(variant: Variant | null): void {
    if (variant !== this.variant) releaseVariant(this.variant);
    this.variant = variant;
  }

  private async forget(): Promise<void> {
    this.setVariant(null);
    this.pairs.clear();
    this.scores.drop();
    this.recoveries.clear();
    this.sessions = this.deps.sessions;
    this.engineNow = this.deps.engine;
    const { live } = this;
    this.live = null;
    this.opened = null;
    this.dataset = null;
    await live?.release();
  }
}
