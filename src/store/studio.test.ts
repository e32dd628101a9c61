import { describe, expect, it } from 'vitest';
import { opened } from '../testing/studio-setup.ts';
import { mergeIsStale } from './merge.ts';
import { shownMatrix } from './see.ts';
import { setName } from './sets.ts';

/** Lets the microtasks and the fake's zero timers of a prediction pass. */
const settled = () => new Promise((resolve) => setTimeout(resolve, 20));

describe('opening', () => {
  it('fetches the files of a sample and shows the first group', async () => {
    const { now, fetched, api } = await opened();
    expect(fetched).toContain('shakespeare-gpt2/model.onnx');
    expect(fetched).toHaveLength(6);
    expect(now().model?.groups[0].id).toBe('decoder');
    expect(now().view.groupId).toBe('decoder');
    expect(now().data?.splits).toHaveLength(3);
    expect(now().job).toBeNull();
    expect(api.calls).toContain('open');
  });

  it('drops what was about the model before', async () => {
    const { now } = await opened();
    await now().measure();
    now().pickWindow(4, 7);
    await now().runMerge();
    await now().evaluate();
    await now().openSample('shakespeare-gpt2');
    expect(now().similarity.byGroup).toEqual({});
    expect(now().picks.sets).toEqual([]);
    expect(now().merge.result).toBeNull();
    expect(now().evaluation).toBeNull();
  });

  it('keeps the open model when another one fails', async () => {
    const { now, api } = await opened();
    await now().measure();
    const model = now().model;
    api.open = () => Promise.reject(new Error('The file ends in the middle of a tensor.'));
    await now().openFiles([new File([], 'broken.onnx')]);
    expect(now().errors.map(({ sentence }) => sentence)).toEqual([
      'The file ends in the middle of a tensor.',
    ]);
    expect(now().model).toBe(model);
    expect(now().similarity.byGroup.decoder).toBeDefined();
  });
});

describe('jobs', () => {
  it('cancels, says so, and reports no error', async () => {
    const { now } = await opened({ delay: 200 });
    const measuring = now().measure();
    expect(now().job?.step).toBe('calibrate');
    now().cancel();
    expect(now().job?.cancelling).toBe(true);
    await measuring;
    expect(now().job).toBeNull();
    expect(now().status?.text).toMatch(/^Cancelled\. /);
    expect(now().errors).toEqual([]);
  });

  it('runs one at a time', async () => {
    const { now, api } = await opened({ delay: 60 });
    const measuring = now().measure();
    await now().evaluate();
    await measuring;
    expect(api.calls).not.toContain('evaluate');
  });

  it('turns an error into a sentence, and a new job clears it', async () => {
    const { now } = await opened({ failing: { measure: 'The memory is not enough: close other tabs.' } });
    await now().measure();
    expect(now().errors).toMatchObject([
      { step: 'calibrate', sentence: 'The memory is not enough: close other tabs.' },
    ]);
    await now().evaluate();
    expect(now().errors).toEqual([]);
  });

  it('keeps results while the next job runs', async () => {
    const { now } = await opened();
    await now().measure();
    const again = now().measure();
    expect(shownMatrix(now())?.samples).toBe(4096);
    await again;
  });
});

describe('windows', () => {
  it('allows several, sorts them, and refuses overlaps with a sentence', async () => {
    const { now } = await opened();
    expect(now().pickWindow(8, 9)).toBe(true);
    expect(now().pickWindow(4, 6)).toBe(true);
    expect(now().pickWindow(6, 7)).toBe(false);
    expect(now().errors[0].sentence).toContain('6–7 overlap the window 4–6');
    expect(now().picks.sets.map(({ layers }) => layers[0])).toEqual([4, 8]);
    expect(now().pickWindow(1, 2)).toBe(true);
    expect(now().errors).toEqual([]);
  });

  it.each([
    [3, 3],
    [5, 4],
    [-1, 2],
    [8, 12],
    [1.5, 3],
  ])('refuses %d–%d', async (first, last) => {
    const { now } = await opened();
    expect(now().pickWindow(first, last)).toBe(false);
    expect(now().errors).toHaveLength(1);
  });

  it('takes layers by hand, neighbours or not, and names what is wrong', async () => {
    const { now } = await opened();
    expect(now().pickLayers('1, 4 5')).toBe(true);
    expect(now().pickLayers('9-11')).toBe(true);
    expect(now().picks.sets.map(({ layers }) => setName(layers))).toEqual(['1, 4, 5', '9–11']);
    expect(now().pickWindow(3, 4)).toBe(false);
    expect(now().errors[0].sentence).toContain('overlap the layers 1, 4, 5');
    expect(now().pickLayers('2, x')).toBe(false);
    expect(now().errors.map(({ sentence }) => sentence)).toEqual([
      'Layers are numbers parted by commas, for example 1, 4, 5.',
    ]);
    expect(now().pickLayers('12, 3')).toBe(false);
    expect(now().pickLayers('3')).toBe(false);
    now().removeSet(now().picks.sets[0]);
    expect(now().picks.sets).toHaveLength(1);
  });

  it('predicts the saving at once', async () => {
    const { now } = await opened();
    now().pickWindow(4, 7);
    await settled();
    expect(now().picks.saving?.parametersSaved).toBe(3 * (now().model?.groups[0].parametersPerFfn ?? 0));
  });
});

describe('the variant', () => {
  it('is stale when picks or options differ from what was merged', async () => {
    const { now } = await opened();
    now().pickWindow(4, 7);
    await now().runMerge();
    expect(mergeIsStale(now())).toBe(false);
    now().pickWindow(9, 10);
    expect(mergeIsStale(now())).toBe(true);
    expect(now().merge.result?.plan.sets).toHaveLength(1);
    now().removeSet(now().picks.sets[1]);
    expect(mergeIsStale(now())).toBe(false);
    now().setMethod('vanilla');
    expect(mergeIsStale(now())).toBe(true);
  });

  it('is the original again after the picks are cleared, also for a download', async () => {
    const { now, api, saved } = await opened();
    now().pickWindow(4, 7);
    await now().runMerge();
    expect(api.variant()?.sets).toHaveLength(1);
    now().clearWindows();
    expect(now().merge.result).toBeNull();
    await now().download();
    expect(api.variant()).toBeNull();
    expect(saved[0].name).toBe('model.onnx');
    expect(now().status).toMatchObject({ kind: 'saved', savedBytes: 4 });
  });

  it('survives picks that were cleared while the merge ran', async () => {
    const { now, api } = await opened({ delay: 60 });
    now().pickWindow(4, 7);
    const merging = now().runMerge();
    now().clearWindows();
    await merging;
    expect(now().merge.result).toBeNull();
    await now().download();
    expect(api.variant()).toBeNull();
  });

  it('keeps every evaluated merge', async () => {
    const { now } = await opened();
    now().pickWindow(4, 7);
    await now().runMerge();
    await now().evaluate();
    now().setMethod('vanilla');
    await now().runMerge();
    expect(now().evaluation).toBeNull();
    await now().evaluate();
    expect(now().tried.map(({ plan }) => plan.method)).toEqual(['permute', 'vanilla']);
  });
});

describe('saving', () => {
  it('takes a closed picker for a cancel', async () => {
    const all = await opened();
    all.door.choosePlace = () =>
      Promise.reject(new DOMException('The user aborted a request.', 'AbortError'));
    await all.now().download();
    expect(all.now().errors).toEqual([]);
    expect(all.now().status?.kind).toBe('cancelled');
  });

  it('writes a matrix with full precision and NaN where nothing was measured', async () => {
    const { now, saved } = await opened({ partial: true });
    await now().measure();
    now().saveMatrix();
    expect(saved[0].name).toBe('cka-decoder.csv');
    const rows = (await saved[0].blob.text()).trim().split('\n');
    expect(rows[0]).toBe(',0,1,2,3,4,5,6,7,8,9,10,11');
    const cells = rows[1].split(',');
    expect(cells[12]).toBe('NaN');
    expect(Number(cells[2])).toBe(shownMatrix(now())?.values[1]);
  });

  it('writes an alignment as JSON', async () => {
    const { now, saved } = await opened();
    await now().align(4, 6);
    now().saveAlignment();
    const read = JSON.parse(await saved[0].blob.text());
    expect(read).toMatchObject({ group: 'decoder', reference: 4, layer: 6, size: 8, objective: 4.96 });
    expect(read.correlation).toHaveLength(8);
    expect(read.permutation).toHaveLength(8);
  });
});
