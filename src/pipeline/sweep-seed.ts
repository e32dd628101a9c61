/**
 * Scored windows taken out of one studio and put into another, so that a sweep goes on after the page was reloaded.
 *
 * Why an identity: inside a studio the cache is cleared when model or data change; outside, a score must say what it
 * is a score of. It is taken only where all of it is the same: the model's contents, the data's contents, where the
 * model ran (providers differ in the last digits, and a ranking must not mix them), and the version of Layerfold.
 */
import type { FileIdentity } from '../recipe/schema.ts';
import type { ScoredWindow, SweepCache } from './sweep.ts';
import type { EngineSummary } from './types.ts';

export interface SweepIdentity {
  readonly app: string;
  /** SHA-256 of the model's files, sorted. */
  readonly model: readonly string[];
  /** The dataset's key. */
  readonly data: string;
  readonly inference: EngineSummary['inference'];
}

export interface SweepSeed {
  readonly identity: SweepIdentity;
  /** By the cache's key: metric and plan of the window. */
  readonly entries: readonly (readonly [key: string, entry: ScoredWindow])[];
}

export function sweepIdentity(
  app: string,
  files: readonly FileIdentity[],
  data: string,
  { inference }: Pick<EngineSummary, 'inference'>,
): SweepIdentity {
  return { app, model: files.map((f) => f.sha256).sort(), data, inference };
}

export function exportSweeps(cache: SweepCache, identity: SweepIdentity): SweepSeed {
  return { identity, entries: [...cache] };
}

/**
 * Adds what the cache does not have.
 * @returns windows added; 0 where the seed is of something else
 */
export function importSweeps(cache: SweepCache, seed: SweepSeed, identity: SweepIdentity): number {
  const { app, model, data, inference } = seed.identity;
  const same =
    app === identity.app &&
    model.join() === identity.model.join() &&
    data === identity.data &&
    inference === identity.inference;
  if (!same) return 0;
  let added = 0;
  for (const [key, entry] of seed.entries) {
    if (cache.has(key)) continue;
    cache.set(key, entry);
    added++;
  }
  return added;
}
