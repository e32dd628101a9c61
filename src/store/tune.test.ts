/** Tuning as the store follows it: paused by cancelling, gone on with where it was, refused options in a sentence. */
import { describe, expect, it } from 'vitest';
import { merged } from '../testing/studio-setup.ts';
import { pausedHere } from './recovered.ts';

describe('tuning', () => {
  it('pauses a tuning that is cancelled, and goes on with it where it was', async () => {
    const all = await merged({ delay: 40 });
    const { now, store, api } = all;
    now().chooseRecovery({ mode: 'chosen', rungs: ['tune'] });
    const stop = store.subscribe(({ recover: { run }, cancel }) => {
      if ((run?.tuning?.points.at(-1)?.step ?? 0) < 20) return;
      stop();
      cancel();
    });
    await now().runRecover();
    const { paused, run } = now().recover;
    expect(paused?.steps).toBe(150);
    expect(pausedHere(now())).toBe(paused);
    expect(run?.tuning?.points.length).toBeGreaterThanOrEqual(20);
    expect(now().status?.text).toContain('can go on');
    // Another merge has nothing to go on with; the first one still has.
    const shown = now().merge;
    store.setState({
      merge: { ...shown, result: { ...shown.result!, plan: { ...shown.result!.plan, reference: 'last' } } },
    });
    expect(pausedHere(now())).toBeNull();
    store.setState({ merge: shown });
    const asked: unknown[] = [];
    const { recover } = api;
    api.recover = (request, options) => {
      asked.push(request);
      return recover(request, options);
    };
    await now().resumeTuning();
    expect(asked).toMatchObject([{ rungs: ['tune'], tune: { resume: true } }]);
    expect(now().recover.run?.outcomes.map(({ rung }) => rung)).toEqual(['tune']);
    expect(now().recover.paused).toBeNull();
  });

  it('says which option of tuning cannot be', async () => {
    const { now, api } = await merged();
    now().chooseRecovery({ mode: 'chosen', rungs: ['tune'] });
    const { tune } = now().recover.choice;
    for (const [wrong, words] of [
      [{ steps: 0 }, 'Steps of tuning'],
      [{ rate: Number.NaN }, 'learning rate'],
      [{ batch: -1 }, 'Items a batch'],
      [{ accumulate: 1.5 }, 'Batches a step'],
      [{ distil: 1.1 }, 'from 0 to 1'],
    ] as const) {
      now().chooseRecovery({ tune: { ...tune, ...wrong } });
      await now().runRecover();
      expect(
        now()
          .errors.map(({ sentence }) => sentence)
          .join(),
      ).toContain(words);
    }
    expect(api.calls).not.toContain('recover');
  });
});
