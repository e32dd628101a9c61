/**
 * The ladder being climbed: what is kept so far of each set, and the rule by which a rung is kept.
 *
 * Why apart from `recover.ts`: this is the state between rungs; there is where a run begins and ends.
 */
import { damage, pairedStandardError, type Scored } from '../evaluate/metric.ts';
import { formatSet } from '../merge/sets.ts';
import { type BackendRecovery, recoveryOn } from '../recover/on-backend.ts';
import { storableRoles } from '../recover/storable.ts';
import { Job } from './progress.ts';
import type { RecoverTools } from './recover.ts';
import { BEST, type Climb, climbsOf, LABELS, REFRESHED, SWEEPS } from './recover-climbs.ts';
import type { CalibrationTaps } from './recover-data.ts';
import { alignAnew, type RungRun, runRung } from './recover-rungs.ts';
import { openSet, type RecoveredSet, recoveredVariant } from './recover-set.ts';
import { type Better, climbTuning } from './recover-tune.ts';
import { variantKey } from './sweep.ts';
import type {
  LayerSet,
  PausedTuning,
  RecoverRequest,
  RecoverResult,
  RecoveryStep,
  RungId,
  RungOutcome,
  Saving,
  SetOutcome,
  SplitScores,
} from './types.ts';
import { releaseVariant, savingOf, type Variant } from './variant.ts';

/** Steps of distillation that are timed, and the most that “best” takes for a set. */
const TIMED_STEPS = 6;
const MOST_STEPS = 4000;

/** Rungs that take one set at a time. */
type FittedOrAligned = Exclude<RecoveryStep['rung'], 'tune'>;

/** Select and report scores of a variant. */
interface Scores {
  readonly select: Scored;
  readonly report: Scored;
}

export class Ladder {
  readonly rungs: readonly Climb[];
  private readonly tools: RecoverTools;
  private readonly request: RecoverRequest;
  private readonly recovery: BackendRecovery;
  private readonly taps: CalibrationTaps;
  /** What the run began with; its weights are given up once something better is kept. */
  private readonly merged: Variant;
  private sets: readonly RecoveredSet[];
  private steps: readonly RecoveryStep[];
  private variant: Variant;
  private saving: Saving;
  private select: Scored;
  private readonly original: Scores;
  private readonly start: Scores;
  private report: Scored;
  private readonly outcomes: RungOutcome[] = [];
  private paused: PausedTuning | undefined;
  private readonly notes: readonly string[];
  private readonly deadline: number;

  private constructor(
    tools: RecoverTools,
    variant: Variant,
    request: RecoverRequest,
    open: { sets: readonly RecoveredSet[]; notes: readonly string[]; taps: CalibrationTaps },
    scores: { original: Scores; start: Scores },
    recovery: BackendRecovery,
  ) {
    const { rungs, minutes } = request;
    this.tools = tools;
    this.request = request;
    this.recovery = recovery;
    this.rungs = climbsOf(rungs === 'best' ? BEST : rungs);
    this.taps = open.taps;
    this.merged = variant;
    this.variant = variant;
    this.saving = savingOf(tools.context.opened, variant);
    this.sets = open.sets;
    this.notes = open.notes;
    this.steps = variant.plan.recovery ?? [];
    this.original = scores.original;
    this.start = scores.start;
    this.select = scores.start.select;
    this.report = scores.start.report;
    this.deadline = minutes === undefined ? Number.POSITIVE_INFINITY : performance.now() + 60_000 * minutes;
  }

  static async open(
    tools: RecoverTools,
    variant: Variant,
    before: readonly RecoveredSet[],
    request: RecoverRequest,
  ): Promise<Ladder> {
    const { context, scorer, choice, taps } = tools;
    const { job, backend } = context;
    const recovery = recoveryOn(backend);
    const quiet = job.quiet();
    job.announce('Collecting what the FFNs read and give');
    await taps.prepare(variant.tied);
    const sets: RecoveredSet[] = [];
    const notes: string[] = [];
    for (const [k, stored] of variant.tied.entries()) {
      if (before[k]) {
        sets.push(before[k]);
        continue;
      }
      job.announce(`Reading layers ${formatSet(stored.layers)}`);
      const permutations = variant.permutations[k];
      try {
        sets.push(await openSet(context.opened, { stored, permutations }, taps, recovery.algebra));
      } catch (error) {
        if (!(error instanceof RangeError)) throw error;
        notes.push(error.message);
        sets.push(null);
      }
    }
    if (sets.every((s) => s === null)) throw new RangeError(notes[0]);
    job.announce('Scoring before recovery');
    const original = {
      select: await scorer.original('select', choice, quiet),
      report: await scorer.original('report', choice, quiet),
    };
    const key = variantKey(variant);
    const start = {
      select: await scorer.variant('select', choice, key, variant.changes, quiet),
      report: await scorer.variant('report', choice, key, variant.changes, quiet),
    };
    return new Ladder(tools, variant, request, { sets, notes, taps }, { original, start }, recovery);
  }

  isOver(): boolean {
    return this.tools.context.job.signal?.aborted === true || performance.now() > this.deadline;
  }

  /** One rung on all sets, and its outcome. */
  async climb({ rung, options = {} }: Climb): Promise<void> {
    const begun = performance.now();
    const [before, { bytesAfter }] = [this.select, this.saving];
    const outcomes: SetOutcome[] = [];
    try {
      if (rung === 'refresh') await this.refresh(outcomes);
      else if (rung === 'tune') outcomes.push(...(await this.tune()));
      else {
        for (const k of this.inOrder()) {
          if (this.isOver()) break;
          outcomes.push(await this.attempt(rung, k, false, rung, options));
        }
      }
    } catch (error) {
      // What was kept until it was cancelled is told too, with its scores.
      if (isAbort(error) && outcomes.length > 0) await this.tell(rung, outcomes, before, bytesAfter, begun);
      throw error;
    }
    if (outcomes.length > 0) await this.tell(rung, outcomes, before, bytesAfter, begun);
  }

  finish(): RecoverResult {
    const { signal } = this.tools.context.job;
    return this.result(signal?.aborted ? 'cancelled' : performance.now() > this.deadline ? 'time' : 'enough');
  }

  /** Positions of the sets that can be recovered, from shallow to deep. */
  private inOrder(): number[] {
    const { tied } = this.merged;
    return [...tied.keys()]
      .filter((k) => this.sets[k] !== null)
      .sort((a, b) => tied[a].layers[0] - tied[b].layers[0]);
  }

  /** The fitted rungs once more on the inputs of the merged model, from shallow to deep, until it brings nothing. */
  private async refresh(outcomes: SetOutcome[]): Promise<void> {
    const { rungs } = this;
    const chosen = REFRESHED.filter((id) => rungs.some(({ rung }) => rung === id));
    const again = chosen.length > 0 ? chosen : REFRESHED.slice(0, 1);
    for (let sweep = 0; sweep < SWEEPS && !this.isOver(); sweep++) {
      let isKept = false;
      for (const k of this.inOrder()) {
        for (const rung of again) {
          if (this.isOver()) return;
          const outcome = await this.attempt(rung, k, true, 'refresh');
          outcomes.push(outcome);
          isKept ||= outcome.kept;
        }
      }
      if (!isKept) return;
    }
  }

  /** Tries one rung on one set, and keeps it where the select split improves. */
  private async attempt(
    rung: FittedOrAligned,
    k: number,
    refreshed: boolean,
    shownAs: RungId,
    options: RecoveryStep['options'] = {},
  ): Promise<SetOutcome> {
    const { context } = this.tools;
    const { group, layers } = this.merged.tied[k];
    const set: LayerSet = { groupId: group.id, layers };
    context.job.tell(`${LABELS[rung]}, layers ${formatSet(layers)}`, this.share());
    await context.job.check();
    let run: RungRun;
    try {
      run = await this.run(rung, k, refreshed, shownAs, options);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      return { set, kept: false, notes: [error.message] };
    }
    const step: RecoveryStep = { rung, set: k, refreshed, options: run.options };
    const sets = this.sets.map((s, i) => (i === k && s ? { set: s.set, state: run.state } : s));
    const steps = [...this.steps, step];
    const variant = await recoveredVariant(context, this.merged, sets, steps);
    let scored: Scored;
    try {
      scored = await this.score('select', variant, rung === 'R6');
    } catch (error) {
      releaseVariant(variant);
      throw error;
    }
    const kept = damage(this.original.select, scored) < damage(this.original.select, this.select);
    if (kept) this.take({ variant, sets, steps, scored });
    else releaseVariant(variant);
    const { before, after, notes } = run;
    return {
      set,
      kept,
      score: scored.value,
      ...(before !== undefined && { before }),
      ...(after !== undefined && { after }),
      notes: kept ? notes : [...notes, 'The select split did not improve, so it was not kept.'],
    };
  }

  /** All sets together; what is paused goes on in a later run. */
  private async tune(): Promise<readonly SetOutcome[]> {
    const { merged, sets, variant, original, select, request } = this;
    const { better, outcomes, paused } = await climbTuning(
      this.tools,
      { merged, sets, variant, original: original.select, select, request },
      { isOver: () => this.isOver(), share: () => this.share() },
    );
    if (better) this.take(better);
    this.paused = paused;
    return outcomes;
  }

  /** What is kept from now on. */
  private take({ variant, sets, steps, scored }: Better): void {
    this.variant = variant;
    this.saving = savingOf(this.tools.context.opened, variant);
    this.sets = sets;
    this.steps = steps;
    this.select = scored;
    this.tools.keep(variant, sets);
  }

  private async run(
    rung: FittedOrAligned,
    k: number,
    refreshed: boolean,
    shownAs: RungId,
    given: RecoveryStep['options'],
  ): Promise<RungRun> {
    const { context } = this.tools;
    const { signal } = context.job;
    const { set, state } = this.sets[k]!;
    if (rung === 'R0c') {
      const isFirst = !this.steps.some((s) => s.set === k || s.rung === 'tune');
      return alignAnew({ ...context, job: context.job.quiet() }, this.merged.plan, set, state, isFirst);
    }
    const data = refreshed
      ? await this.taps.refreshed(set.stored, this.variant.changes)
      : this.taps.of(set.stored);
    const control = {
      isOver: () => this.isOver(),
      // Distillation ends with its best where it is cancelled; what else is cancelled has nothing to keep.
      ...(signal && rung !== 'R6' && { signal }),
    };
    const { rank, seed } = this.request;
    const { methods } = this.recovery;
    if (rung !== 'R6') {
      const options = rung === 'R5' ? { ...given, rank, seed } : given;
      return runRung(rung, this.recovery, set, state, data, options, control);
    }
    const own = storableRoles(set, methods.R6.defaults.own);
    const options = { own, seed };
    const steps = await this.stepsFor(k, async (few) => {
      await runRung(rung, this.recovery, set, state, data, { ...options, steps: few }, control);
    });
    const layers = { groupId: set.stored.group.id, layers: set.stored.layers };
    return runRung(
      rung,
      this.recovery,
      set,
      state,
      data,
      { ...options, steps },
      {
        ...control,
        onStep: async (step, total, heldOut) => {
          const label = `${LABELS.R6}, layers ${formatSet(layers.layers)}, step ${step} of ${total}`;
          context.job.tell(label, this.share(), {
            loss: { rung: shownAs, set: layers, step, steps: total, heldOut },
          });
          await context.job.breathe();
        },
      },
    );
  }

  /** Steps of distillation of one set: as asked, or as many as its share of the time that is left allows. */
  private async stepsFor(k: number, time: (steps: number) => Promise<void>): Promise<number> {
    const { steps, rungs } = this.request;
    if (rungs !== 'best') return steps;
    const begun = performance.now();
    await time(TIMED_STEPS);
    const each = (performance.now() - begun) / TIMED_STEPS;
    const order = this.inOrder();
    const waiting = order.length - order.indexOf(k);
    // As much again is kept for the refresh.
    const left = (this.deadline - performance.now()) / (2 * waiting);
    return Math.max(TIMED_STEPS, Math.min(MOST_STEPS, Math.floor(left / each)));
  }

  /** @param toTheEnd also where it is cancelled meanwhile: what was trained is worth its score */
  private async score(split: 'select' | 'report', variant: Variant, toTheEnd = false): Promise<Scored> {
    const { scorer, choice, context } = this.tools;
    const { job } = context;
    // What a cancelled run keeps still has to be scored.
    const quiet = toTheEnd || job.signal?.aborted ? new Job() : job.quiet();
    return scorer.variant(split, choice, variantKey(variant), variant.changes, quiet);
  }

  private async tell(
    rung: RungId,
    sets: readonly SetOutcome[],
    before: Scored,
    bytes: number,
    begun: number,
  ): Promise<void> {
    const { context } = this.tools;
    this.report = await this.score('report', this.variant);
    const outcome: RungOutcome = {
      rung,
      kept: sets.some((s) => s.kept),
      sets,
      before: before.value,
      score: this.select.value,
      standardError: pairedStandardError(before, this.select),
      report: this.report.value,
      addedBytes: this.saving.bytesAfter - bytes,
      seconds: (performance.now() - begun) / 1000,
    };
    this.outcomes.push(outcome);
    context.job.tell(`${LABELS[rung]}: done`, this.share(), { rung: outcome });
  }

  private result(stopped: RecoverResult['stopped']): RecoverResult {
    const { context, choice, engine } = this.tools;
    const values = ({ select, report }: Scores): SplitScores => ({
      select: select.value,
      report: report.value,
    });
    return {
      request: this.request,
      plan: this.variant.plan,
      ...choice,
      outcomes: [...this.outcomes],
      original: values(this.original),
      start: values(this.start),
      end: { select: this.select.value, report: this.report.value },
      saving: this.saving,
      stopped,
      notes: this.notes,
      ...(this.paused && { paused: this.paused }),
      seconds: context.job.seconds,
      engine,
    };
  }

  /** Of the whole job, 0 to 1: rungs done, or time where it is limited. */
  private share(): number {
    const done = this.outcomes.length / this.rungs.length;
    const { minutes } = this.request;
    if (minutes === undefined) return done;
    return Math.max(done, 1 - Math.max(0, this.deadline - performance.now()) / (60_000 * minutes));
  }
}

export function isAbort(error: unknown): boolean {
  return error instanceof DOMException && error.name === 'AbortError';
}
