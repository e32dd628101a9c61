import { describe, expect, it } from 'vitest';
import { opened, studio } from '../testing/studio-setup.ts';
import { TOUR, tourPlace } from './tour.ts';

const settled = () => new Promise((resolve) => setTimeout(resolve, 20));

describe('guided tour', () => {
  it('waits for each thing to be done, in order, and ends at the saved file', async () => {
    const { now } = studio();
    const at = () => {
      const place = tourPlace(now());
      return place === null ? 'off' : (TOUR[place]?.id ?? 'end');
    };
    expect(at()).toBe('off');
    now().startTour();
    expect(at()).toBe('open');
    await now().openSample('shakespeare-gpt2');
    expect(at()).toBe('measure');
    await now().measure();
    expect(at()).toBe('pick');
    now().pickWindow(4, 7);
    expect(at()).toBe('merge');
    await settled();
    expect(at()).toBe('merge');
    await now().runMerge();
    expect(at()).toBe('recover');
    await now().runRecover();
    expect(now().recover.run?.request.rungs).toEqual(['R2', 'R3']);
    expect(at()).toBe('compare');
    await now().evaluate();
    expect(at()).toBe('download');
    await now().download();
    expect(at()).toBe('end');
    now().endTour();
    expect(at()).toBe('off');
  });

  it('goes back to merging when the picks are changed', async () => {
    const { now } = await opened();
    now().startTour();
    await now().measure();
    now().pickWindow(4, 7);
    await now().runMerge();
    now().pickWindow(9, 10);
    expect(TOUR[tourPlace(now()) ?? -1].id).toBe('merge');
    now().clearWindows();
    expect(TOUR[tourPlace(now()) ?? -1].id).toBe('pick');
  });

  it('passes over what was skipped, and asks for it again in the next tour', async () => {
    const { now } = await opened();
    now().startTour();
    for (const id of ['measure', 'pick', 'merge', 'recover', 'compare', 'download']) {
      expect(TOUR[tourPlace(now()) ?? -1].id).toBe(id);
      now().skipTourStep();
    }
    expect(tourPlace(now())).toBe(TOUR.length);
    now().skipTourStep();
    expect(tourPlace(now())).toBe(TOUR.length);
    now().startTour();
    expect(TOUR[tourPlace(now()) ?? -1].id).toBe('measure');
  });

  it('stays at opening where a model has nothing to merge, and with a measurement that was cancelled', async () => {
    const { now } = await opened({ delay: 100 });
    now().startTour();
    const measuring = now().measure();
    now().cancel();
    await measuring;
    expect(TOUR[tourPlace(now()) ?? -1].id).toBe('measure');
  });

  it('leaves the rungs of a run that was made', async () => {
    const { now } = await opened();
    now().pickWindow(4, 7);
    await now().runMerge();
    now().chooseRecovery({ mode: 'chosen', rungs: ['R0b'] });
    await now().runRecover();
    now().startTour();
    expect(now().recover.choice.rungs).toEqual(['R0b']);
  });
});
