/**
 * The session over a reload: a snapshot of the page's results, and what of it holds once a model is open again.
 *
 * Why: a browser gives a page no file twice, so that the model must be dropped again; everything that was computed of it
 * need not be computed again. What belongs to it is decided by contents: the model's hashes, the data's key.
 *
 * Known limits: one session a browser; of two open pages the one that wrote last is kept.
 */
import * as v from 'valibot';
import type { SweepSeed } from '../pipeline/sweep-seed.ts';
import { askForModel } from '../recipe/recipe.ts';
import type { FileIdentity } from '../recipe/schema.ts';
import { describePlan, describeSets } from './describe.ts';
import { SESSION_FORMAT, SESSION_VERSION, type SessionSnapshot, sessionSchema } from './session-schema.ts';
import type { MergePlan, StudioFacts, WasOpen } from './types.ts';

export type { SessionSnapshot } from './session-schema.ts';

/** What the page's facts do not say of themselves. */
export interface SessionParts {
  /** Milliseconds since 1970. */
  readonly savedAt: number;
  readonly files: readonly FileIdentity[];
  readonly dataKey: string | null;
  readonly sweepSeed: SweepSeed | null;
  /** The merge's recipe as a file. */
  readonly recipe: string | null;
  /** The sample that is open, where it is one. */
  readonly sample?: string | null;
}

/** Whether there is more than an open model. */
export function worthKeeping({ similarity, picks, sweeps, plan, merge, tried }: StudioFacts): boolean {
  return (
    Object.keys(similarity.byGroup).length > 0 ||
    picks.sets.length > 0 ||
    Object.keys(sweeps).length > 0 ||
    plan !== null ||
    merge.result !== null ||
    tried.length > 0
  );
}

/** What is to be kept; null while no model is open. */
export function sessionOf(facts: StudioFacts, parts: SessionParts): SessionSnapshot | null {
  const { model, data, similarity, picks, sweeps, plan, merge, metric, evaluation, tried, view } = facts;
  if (!model) return null;
  const { method, reference, score, seed, result, asked } = merge;
  const { kind, groupId, table, stretch, stripWidth } = view;
  const snapshot = {
    format: SESSION_FORMAT,
    version: SESSION_VERSION,
    ...parts,
    facts: {
      model,
      data,
      similarity,
      picks,
      sweeps,
      plan,
      merge: { method, reference, score, seed, result, asked },
      metric: metric.chosen,
      evaluation,
      tried,
      view: { kind, groupId, table, stretch, stripWidth },
    },
  };
  // The types of the page are read-only, those of a checked snapshot are not.
  return snapshot as unknown as SessionSnapshot;
}

/** A snapshot, nothing (null), or the sentence that says why there is none after all. */
export type ParsedSession =
  | { readonly snapshot: SessionSnapshot; readonly sentence?: undefined }
  | { readonly snapshot: null; readonly sentence: string | null };

/** Never throws: what cannot be read is a fresh start. */
export function parseSession(kept: unknown): ParsedSession {
  if (kept === undefined || kept === null) return { snapshot: null, sentence: null };
  const { format, version } = (typeof kept === 'object' ? kept : {}) as Record<string, unknown>;
  if (format === SESSION_FORMAT && version !== SESSION_VERSION) {
    return {
      snapshot: null,
      sentence: 'The last session was kept by another version of Layerfold, so this one starts afresh.',
    };
  }
  const checked = v.safeParse(sessionSchema, kept, { abortEarly: true });
  if (checked.success) return { snapshot: checked.output };
  const at = v.getDotPath(checked.issues[0]) ?? 'the whole';
  return {
    snapshot: null,
    sentence: `What was kept of the last session is damaged (${at.slice(0, 80)}), so this one starts afresh.`,
  };
}

/** All of a snapshot as facts of the page: to show what there was, before the model is given again. */
export function factsOfSession({ facts }: SessionSnapshot): Partial<StudioFacts> {
  const { view: _, metric, merge, ...results } = facts;
  return {
    ...results,
    // The worker starts with the original, and with the metric that the data chose.
    merge: { ...merge, held: null },
    metric: { chosen: metric, held: null },
  };
}

/** What to tell of a session before its model is given again. */
export function wordsOfSession({ files, savedAt, sample = null, facts }: SessionSnapshot): WasOpen {
  const { model, similarity, picks, sweeps, plan, merge, tried } = facts;
  const windows = Object.values(sweeps).reduce((sum, { entries }) => sum + entries.length, 0);
  const proposals = plan?.result.candidates.length ?? 0;
  const unfinished = Object.values(sweeps).some(({ finished }) => finished === null);
  const what = [
    Object.keys(similarity.byGroup).length > 0 && 'the similarity of its layers',
    windows > 0 &&
      `${windows} scored ${windows === 1 ? 'window' : 'windows'}${unfinished ? ' of a sweep that was not finished' : ''}`,
    plan && `${proposals} ${proposals === 1 ? 'proposal' : 'proposals'}`,
    merge.result
      ? `the merge of ${describePlan(merge.result.plan as MergePlan, merge.result.droppedLayers, model.groups)}`
      : picks.sets.length > 0 && `the picks ${describeSets(picks.sets, model.groups)}`,
    tried.length > 0 && `${tried.length} ${tried.length === 1 ? 'variant' : 'variants'} tried`,
  ].filter((part): part is string => Boolean(part));
  return { fileName: model.fileName, files, sample, savedAt, what, stage: 'model', sentence: null };
}

export interface Resumed {
  /** To be set over those of the model that was opened. */
  readonly facts: Partial<StudioFacts>;
  /** To be given to the worker, so that a sweep goes on. */
  readonly sweepSeed: SweepSeed | null;
  /** What does not hold, or what to do; null where all is as it was. */
  readonly sentence: string | null;
}

/**
 * What of a session holds for the model and the data that are open now.
 * @param dataKey null while there is no data
 */
export function resumeSession(
  snapshot: SessionSnapshot,
  open: { readonly files: readonly FileIdentity[]; readonly dataKey: string | null },
): Resumed {
  const other = askForModel(snapshot.files, open.files);
  if (other) return { facts: {}, sweepSeed: null, sentence: other };
  const { model, data, ...facts } = factsOfSession(snapshot);
  if (snapshot.dataKey === open.dataKey) return { facts, sweepSeed: snapshot.sweepSeed, sentence: null };
  const { picks, merge } = facts;
  const names = open.dataKey === null ? 'there is no data yet' : 'the data is not the same as then';
  return {
    // A merge is weights, not a measurement: it holds with any data.
    facts: { ...(picks && { picks }), ...(merge && { merge }) },
    sweepSeed: null,
    sentence: `The picks and the merge are back. What was measured is not, because ${names}${data ? `: it was ${describeData(data)}` : ''}.`,
  };
}

function describeData({ kind, splits, contextLength }: NonNullable<StudioFacts['data']>): string {
  const sizes = splits.map(({ name, items, unit }) => `${items} ${unit} to ${name}`).join(', ');
  return `${kind}, ${sizes}${contextLength ? `, in pieces of ${contextLength}` : ''}`;
}
