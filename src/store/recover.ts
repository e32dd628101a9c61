/**
 * Recovery: asking for a run of the ladder, keeping what it gains, and going back.
 *
 * A run starts from the variant that is shown and ends in one whose plan has more `recovery`; that plan is what the
 * variant tried, the download and undo bring back. What is shown stays the variant before until the run has ended: a
 * run that is cancelled is asked what it kept, and one that failed leaves the merge as it was (`variant.ts` carries it
 * out again before it is used). Baselines and other merges are never recovered by it.
 */
import { recallScore } from './compare.ts';
import type { JobOptions, SliceContext } from './context.ts';
import { ties } from './describe.ts';
import { formatRounded, formatSeconds } from './format.ts';
import { isAbort } from './jobs.ts';
import { factsOfMerge, sameRecovery } from './merge.ts';
import { formatMetric, metricName } from './metrics.ts';
import {
  cameBack,
  endCurves,
  inLadderOrder,
  mergedScores,
  pausedHere,
  tuningOf,
  undoTarget,
  withLoss,
  withTunePoint,
} from './recovered.ts';
import type {
  BeforeRun,
  MergePlan,
  MergeResult,
  MetricChoice,
  PartialResult,
  RecoverChoice,
  RecoverRequest,
  RecoverResult,
  RecoverRun,
  Status,
  StudioActions,
  StudioFacts,
  TuneCurve,
  TuneRequest,
} from './types.ts';

type RecoverActions = Pick<StudioActions, 'chooseRecovery' | 'runRecover' | 'resumeTuning' | 'undoRecovery'>;

const SHOW_EVERY_MS = 100;

const NOTHING_MERGED = 'Nothing is merged yet: merge layers in step 4 first, then recover what that lost.';

/** Why what is shown cannot be recovered, as a sentence; null where it can. */
export function recoverRefusal({ merge, data, needs }: StudioFacts): string | null {
  const { result, asked } = merge;
  if (!result || !asked) return NOTHING_MERGED;
  if (!ties(asked.method))
    return 'FFNs or layers that were left out have no weights to refit: merge by permuting, averaging or copying instead.';
  if (!data || needs.length > 0)
    return 'Recovery needs calibration data to fit to, and data to check itself on: see step 2.';
  return null;
}

const whole = (value: number, least: number) => Number.isInteger(value) && value >= least;

/** Why a run cannot be asked for so, as a sentence; null where it can. */
export function choiceRefusal({
  mode,
  rungs,
  minutes,
  steps,
  rank,
  seed,
  tune,
}: RecoverChoice): string | null {
  if (mode === 'best' && !(minutes > 0 && minutes <= 1440))
    return 'Minutes are a number above 0, at most 1440 (a day).';
  if (mode === 'chosen' && rungs.length === 0) return 'No rung is chosen: tick one or more of the ladder.';
  if (!whole(steps, 1) || steps > 100_000)
    return 'Steps of distillation are a whole number from 1 to 100 000.';
  if (!whole(rank, 1) || rank > 1024) return 'The rank of own corrections is a whole number from 1 to 1024.';
  const refusal = mode === 'chosen' && rungs.includes('tune') ? tuneRefusal(tune) : null;
  if (refusal !== null) return refusal;
  return whole(seed, 0) ? null : 'The seed of recovery is a whole number, 0 or more.';
}

function tuneRefusal({ steps, rate, batch, accumulate, distil }: TuneRequest): string | null {
  if (!whole(steps, 1) || steps > 100_000) return 'Steps of tuning are a whole number from 1 to 100 000.';
  if (!(rate > 0 && rate <= 1)) return 'The learning rate of tuning is a number above 0, at most 1.';
  if (!whole(batch, 0) || batch > 4096)
    return 'Items a batch are a whole number from 1 to 4096, or 0 for about 1,024 tokens.';
  if (!whole(accumulate, 1) || accumulate > 1024) return 'Batches a step are a whole number from 1 to 1024.';
  return distil >= 0 && distil <= 1 ? null : 'The share of the distance from the original is from 0 to 1.';
}

function requestOf({ mode, rungs, minutes, steps, rank, seed, tune }: RecoverChoice): RecoverRequest {
  const common = { steps, rank, seed, tune };
  return mode === 'best' ? { ...common, rungs: 'best', minutes } : { ...common, rungs: inLadderOrder(rungs) };
}

export function createRecoverActions(context: SliceContext): RecoverActions {
  const { api, set, get, jobs, fail, variant } = context;

  const recover = (part: Partial<StudioFacts['recover']>) => set({ recover: { ...get().recover, ...part } });

  /** The result becomes what is shown, and the variant before it what undo goes back to. */
  const adopt = (run: RecoverRun, result: RecoverResult, before: Before) => {
    const { asked, merge } = before;
    const { recovery } = result.plan;
    const merged = mergedScores(before.run, asked, run.metric, result.start);
    const tuning = run.tuning && { ...run.tuning, ended: true };
    const curves = endCurves(run.curves);
    const ended = { ...run, outcomes: result.outcomes, curves, tuning, merged, result };
    const { paused } = result;
    // A run that tuned to the end leaves nothing to go on with.
    if (paused) recover({ paused: { ...paused, of: tuningOf(result.plan) } });
    else if (run.tuning) recover({ paused: null });
    const hold = { ...get().merge, held: asked };
    if (sameRecovery(result.plan, asked)) {
      set({ merge: hold });
      recover({ run: ended });
      return;
    }
    const next: MergePlan = { ...asked, ...(recovery && { recovery }) };
    const plan: MergePlan = { ...merge.plan, ...(recovery && { recovery }) };
    set({
      merge: { ...hold, asked: next, held: next, result: { ...merge, plan, saving: result.saving } },
    });
    recover({ run: ended, history: [...get().recover.history, { asked, run: before.run }] });
    recallScore(context);
  };

  /** Asks for the run, and shows what comes in of it. */
  const follow = async (
    gathered: Gathered,
    request: RecoverRequest,
    of: MergeResult,
    options: JobOptions,
  ) => {
    let shownAt = 0;
    return api.recover(request, {
      signal: options.signal,
      onProgress: ({ partial, ...progress }) => {
        options.onProgress(progress);
        if (!partial || options.signal.aborted) return;
        gathered.add(partial);
        // Points of a curve can come faster than they are drawn.
        if (!partial.rung && performance.now() - shownAt < SHOW_EVERY_MS) return;
        if (get().merge.result === of) recover({ run: gathered.run() });
        shownAt = performance.now();
      },
    });
  };

  const run = async (request: RecoverRequest, before: Before, options: JobOptions): Promise<Status> => {
    const gathered = gather(request, get().metric.chosen ?? { metric: 'perplexity' });
    const gone = () => get().merge.result !== before.merge;
    set({ merge: { ...get().merge, held: 'unknown' } });
    try {
      const result = await follow(gathered, request, before.merge, options);
      if (gone()) return PICKS_CLEARED;
      adopt(gathered.run(), result, before);
      return { kind: 'done', text: endText(get().recover.run, result) };
    } catch (error) {
      if (options.signal.aborted || isAbort(error)) {
        options.onProgress({
          fraction: get().job?.fraction ?? 0,
          label: 'Stopping, to keep what was gained',
        });
        // The worker answers once it has stopped; it may have died, and then holds nothing.
        const kept = await api.recovery().catch(() => null);
        // Cancelled before it began, the worker tells of an earlier run.
        const ofThis = kept !== null && JSON.stringify(kept.request) === JSON.stringify(request);
        const gained = ofThis && !sameRecovery(kept.plan, before.asked);
        if (ofThis && !gone() && (gained || kept.paused || gathered.run().outcomes.length > 0)) {
          adopt(gathered.run(), kept, before);
          const text = kept.paused
            ? `Paused at step ${kept.paused.step} of ${kept.paused.steps}. What was gained so far is kept, and tuning can go on from here.`
            : gained
              ? 'Cancelled. What was gained so far is kept.'
              : 'Cancelled. Nothing was gained by then; the merge is as it was.';
          return { kind: 'cancelled', text };
        }
      }
      // What is shown is carried out again before it is used.
      if (!gone()) recover({ run: before.run });
      throw error;
    }
  };

  const start = async (request: RecoverRequest, label: string) => {
    const { run: shown } = get().recover;
    const { asked, result: merge } = get().merge;
    if (!asked || !merge) return fail('recover', NOTHING_MERGED);
    const cancelled = 'The merge is as it was.';
    await jobs.run({ step: 'recover', label, cancelled }, async (options) => {
      await variant.settle(options);
      await variant.settleMetric(options);
      return run(request, { asked, merge, run: shown }, options);
    });
  };

  return {
    chooseRecovery: (part) => recover({ choice: { ...get().recover.choice, ...part } }),

    async runRecover() {
      const { choice } = get().recover;
      const refusal = recoverRefusal(get()) ?? choiceRefusal(choice);
      if (refusal !== null) return fail('recover', refusal);
      await start(requestOf(choice), 'Recovering');
    },

    async resumeTuning() {
      const refusal = recoverRefusal(get());
      if (refusal !== null) return fail('recover', refusal);
      if (!pausedHere(get())) return fail('recover', 'There is no paused tuning of this merge.');
      const { steps, rank, seed, tune } = get().recover.choice;
      await start({ rungs: ['tune'], steps, rank, seed, tune: { ...tune, resume: true } }, 'Tuning on');
    },

    async undoRecovery() {
      const target = undoTarget(get());
      const { result } = get().merge;
      if (!target) return fail('recover', 'There is no recovery to undo.');
      const cancelled = 'The variant is as it was.';
      await jobs.run({ step: 'recover', label: 'Going back', cancelled }, async (options) => {
        const { asked, run: shown } = target;
        const merged = await variant.put(asked, options);
        if (get().merge.result !== result) return PICKS_CLEARED;
        const history = get().recover.history.slice(0, -1);
        set(factsOfMerge(get(), asked, merged));
        recover({ run: shown, history });
        recallScore(context);
        const what = asked.recovery?.length ? 'what the run before it gained' : 'the merge without recovery';
        return { kind: 'done', text: `Undone: ${what} is current again.` };
      });
    },
  };
}

/** The variant that a run starts from, and what was shown of the run before. */
interface Before extends BeforeRun {
  readonly merge: MergeResult;
}

const PICKS_CLEARED: Status = {
  kind: 'done',
  text: 'The picks were cleared meanwhile: the model is the original.',
};

type Gathered = ReturnType<typeof gather>;

/** What comes in of a run. */
function gather(request: RecoverRequest, metric: MetricChoice) {
  let run: RecoverRun = {
    request,
    metric,
    outcomes: [],
    curves: [],
    tuning: null,
    merged: null,
    result: null,
  };
  return {
    run: () => run,
    add({ rung, loss, tune }: PartialResult) {
      if (tune) run = { ...run, tuning: withTunePoint(run.tuning, tune) };
      if (loss) run = { ...run, curves: withLoss(run.curves, loss) };
      if (rung) {
        const tuning: TuneCurve | null = run.tuning && { ...run.tuning, ended: rung.rung === 'tune' };
        run = { ...run, outcomes: [...run.outcomes, rung], curves: endCurves(run.curves), tuning };
      }
    },
  };
}

/** How a run ended, for the status line. */
function endText(run: RecoverRun | null, { stopped, start, end, seconds, original }: RecoverResult): string {
  const metric = run?.metric.metric ?? 'perplexity';
  const when = `${stopped === 'time' ? 'The time is up' : 'Recovered'} after ${formatSeconds(seconds)}`;
  if (start.select === end.select) return `${when}: no rung improved the select split, so nothing was kept.`;
  const back = cameBack(metric, original, run?.merged ?? start, end, 'report');
  const [from, to] = [start.report, end.report].map((value) => formatMetric(metric, value));
  const share = back !== null && back > 0 ? `, ${formatRounded(back)} of the loss is back` : '';
  return `${when}: ${metricName(metric)} on the report split ${from} → ${to}${share}.`;
}
