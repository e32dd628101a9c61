/**
 * The session that was kept, from the moment the page finds it until its model is open again (or it is forgotten).
 *
 * The snapshot is kept here, not among the facts: they tell of it in a few words. What reads and checks it is loaded
 * after the page is painted. A session whose data is not there yet stays: its measurements come back with the data.
 * Where the engine stops, what the page shows becomes such a session, so that the same files bring it back.
 */
import type { JobOptions, SessionKeeper, Tools, VariantKeeper } from './context.ts';
import { isAbort, sentenceOf } from './jobs.ts';
import { tuningOf } from './recovered.ts';
import type { SessionSnapshot } from './session.ts';
import type { SessionPlace } from './session-place.ts';
import type { StudioFacts, SweepSeed, WasOpen } from './types.ts';

/** @param loadPlace absent: nothing is kept */
export function createSessionKeeper(
  { api, set, get, fail }: Tools,
  variant: VariantKeeper,
  loadPlace?: () => Promise<SessionPlace>,
): SessionKeeper {
  let kept: SessionSnapshot | null = null;
  const was = (change: Partial<WasOpen> | null) => {
    const { session } = get();
    const next = change && session.was ? { ...session.was, ...change } : null;
    set({ session: { ...session, was: next } });
  };
  const letGo = () => {
    kept = null;
    was(null);
  };

  /** The worker's part of what holds: windows that were scored, and the merge by its recipe. */
  const restoreWorker = async (
    snapshot: SessionSnapshot,
    facts: Partial<StudioFacts>,
    sweepSeed: SweepSeed | null,
    options: JobOptions,
  ) => {
    if (sweepSeed) await api.useSweepSeed(sweepSeed, options);
    const asked = facts.merge?.asked;
    if (!asked || snapshot.recipe === null) return;
    variant.remember(asked, snapshot.recipe);
    const plan = facts.merge?.result?.plan;
    const paused = plan ? await api.tuning(plan, options) : null;
    if (plan && paused) set({ recover: { ...get().recover, paused: { ...paused, of: tuningOf(plan) } } });
    // Recovery is fitted again, which takes its time: when the variant is next used, not now.
    if (!asked.recovery?.length) await variant.settle(options);
  };

  /** What is open, by contents; a worker that died does not know it, but the last write may. */
  const snapshotNow = async (): Promise<SessionSnapshot | null> => {
    const { parseSession, sessionOf, worthKeeping } = await import('./session.ts');
    if (!worthKeeping(get())) return null;
    try {
      const { files, data } = await api.identity();
      const dataKey = data?.key ?? null;
      const { sample } = get().session;
      const sweepSeed = await api.sweepSeed();
      return sessionOf(get(), { savedAt: Date.now(), files, dataKey, sweepSeed, recipe: null, sample });
    } catch {
      const { snapshot } = parseSession(await (await loadPlace?.())?.load());
      const { model } = get();
      const isOfThis =
        snapshot?.facts.model.fileName === model?.fileName && snapshot?.facts.model.bytes === model?.bytes;
      return isOfThis ? snapshot : null;
    }
  };

  return {
    async engineStopped() {
      const { model, session, engine } = get();
      set({ engine: { ...engine, status: 'stopped' } });
      if (!model || session.was?.stage === 'stopped') return;
      const snapshot = await snapshotNow();
      // Opened again meanwhile.
      if (!snapshot || get().model !== model || get().engine.status !== 'stopped') return;
      const { wordsOfSession } = await import('./session.ts');
      kept = snapshot;
      set({ session: { ...get().session, was: { ...wordsOfSession(snapshot), stage: 'stopped' } } });
    },

    async look() {
      if (!loadPlace || get().model) return;
      const [{ parseSession, wordsOfSession }, place] = await Promise.all([
        import('./session.ts'),
        loadPlace(),
      ]);
      const { snapshot, sentence = null } = parseSession(await place.load());
      if (sentence !== null) fail('open', sentence);
      // Who was quicker has begun something else.
      if (!snapshot || get().model) return;
      kept = snapshot;
      set({ session: { ...get().session, was: wordsOfSession(snapshot) } });
    },

    async resume(options) {
      const snapshot = kept;
      if (!snapshot) return null;
      const { resumeSession } = await import('./session.ts');
      const { files, data } = await api.identity(options);
      const dataKey = data?.key ?? null;
      const began = get().session.was?.stage === 'data';
      const { facts, sweepSeed, sentence } = resumeSession(snapshot, { files, dataKey });
      if (Object.keys(facts).length === 0) {
        // Another model: the session stays until something is made of this one.
        was({ sentence, stage: 'model' });
        return null;
      }
      const whole = sentence === null;
      if (began) {
        if (!whole) {
          if (dataKey !== null) letGo();
          return dataKey === null ? null : sentence;
        }
        // Picks and merge came back before, and may have been changed since.
        const { picks: _, merge: __, ...measured } = facts;
        set(measured);
        if (sweepSeed) await api.useSweepSeed(sweepSeed, options);
        letGo();
        return 'What was measured is back.';
      }
      set(facts);
      if (whole || dataKey !== null) letGo();
      else was({ stage: 'data', sentence });
      try {
        await restoreWorker(snapshot, facts, sweepSeed, options);
      } catch (error) {
        // What is shown is carried out again before it is used: by its plan, where its recipe failed.
        if (isAbort(error)) return 'The merge is shown as it was; it is carried out before it is used.';
        fail('open', `The merge is shown as it was, but could not be carried out yet: ${sentenceOf(error)}`);
      }
      return whole ? 'Everything is as you left it.' : sentence;
    },

    async forget() {
      letGo();
      await (await loadPlace?.())?.clear();
    },

    replaced: letGo,
  };
}
