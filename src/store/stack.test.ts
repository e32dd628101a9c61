import { describe, expect, it } from 'vitest';
import { opened } from '../testing/studio-setup.ts';
import { matrixFigure } from './see.ts';
import { groupStack, layerBytes, ownBytesEach, scaleBytes, stackSentence } from './stack.ts';

const model = ({ now }: Awaited<ReturnType<typeof opened>>) => {
  const { model: open } = now();
  if (!open) throw new Error('No model is open.');
  return open;
};

describe('layers as they are stored', () => {
  it('shows picks until they are merged, then one copy a set; and picks again when they change', async () => {
    const all = await opened();
    const [group] = model(all).groups;
    const seen = () => groupStack(all.now(), group);
    expect(seen()).toMatchObject({ picked: [], tied: [], stored: 12, storedThen: 12 });
    all.now().pickWindow(4, 7);
    expect(seen()).toMatchObject({ picked: [[4, 5, 6, 7]], tied: [], stored: 12, storedThen: 9 });
    await all.now().runMerge();
    expect(seen()).toMatchObject({ picked: [], tied: [[4, 5, 6, 7]], stored: 9, storedThen: 9 });
    all.now().pickWindow(9, 10);
    expect(seen()).toMatchObject({ tied: [], stored: 12, storedThen: 8 });
    all.now().clearWindows();
    expect(seen()).toMatchObject({ picked: [], tied: [], stored: 12 });
  });

  it('keeps the places of sets of other groups, so that colours agree with the heatmap', async () => {
    const all = await opened({ twoGroups: true });
    const [first, second] = model(all).groups;
    all.now().pickWindow(4, 7);
    all.now().showGroup(second.id);
    all.now().pickWindow(1, 2);
    expect(groupStack(all.now(), second).picked).toEqual([[], [1, 2]]);
    expect(groupStack(all.now(), first).picked).toEqual([[4, 5, 6, 7], []]);
    expect(scaleBytes(model(all))).toBe(layerBytes(first).ffn + layerBytes(first).attention);
  });

  it('tells FFNs that are left out from whole layers', async () => {
    const all = await opened();
    const [group] = model(all).groups;
    all.now().pickWindow(4, 6);
    all.now().setMethod('ffn-drop');
    await all.now().runMerge();
    expect(groupStack(all.now(), group)).toMatchObject({
      withoutFfn: [5, 6],
      leftOut: [],
      tied: [],
      stored: 10,
    });
    all.now().setMethod('layer-drop');
    await all.now().runMerge();
    expect(groupStack(all.now(), group)).toMatchObject({ withoutFfn: [], leftOut: [2, 4], stored: 10 });
  });

  it('knows what recovery has added for the layers that are tied', async () => {
    const all = await opened();
    const [group] = model(all).groups;
    all.now().pickWindow(4, 7);
    await all.now().runMerge();
    const plain = all.now().merge.result!.saving.bytesAfter;
    expect(groupStack(all.now(), group).own).toBe(0);
    all.now().chooseRecovery({ mode: 'chosen', rungs: ['R3'] });
    await all.now().runRecover();
    const facts = groupStack(all.now(), group);
    expect(facts.own).toBe(all.now().merge.result!.saving.bytesAfter - plain);
    expect(facts.own).toBeGreaterThan(0);
    expect(ownBytesEach(facts)).toBe(facts.own / 4);
  });

  it('says what it shows, with the attention of layers that are left out', () => {
    const bytes = { ffn: 500_000, attention: 250_000 };
    const none = { picked: [], tied: [], withoutFfn: [], leftOut: [], stored: 12, storedThen: 12, own: 0 };
    const say = (part: Partial<typeof none> | { leftOut: number[]; stored: number }) =>
      stackSentence({ ...none, ...part }, 12, bytes);
    expect(say({})).toBe('12 layers, 12 FFNs stored.');
    expect(say({ storedThen: 9 })).toBe('12 layers, 12 FFNs stored; 9 once merged.');
    expect(say({ stored: 9, storedThen: 9 })).toBe('12 layers, 9 FFNs stored: 1.50 MB less.');
    expect(say({ stored: 9, storedThen: 9, own: 20_000 })).toBe(
      '12 layers, 9 FFNs stored: 1.48 MB less, with the 20.0 kB that layers keep of their own.',
    );
    expect(say({ leftOut: [2, 4], stored: 10 })).toBe('12 layers, 10 stored: about 1.50 MB less.');
  });
});

describe('the heatmap as a figure', () => {
  it('says the measure, the model, the data and the picked windows, and is saved under their name', async () => {
    const all = await opened();
    await all.now().measure();
    all.now().pickWindow(4, 7);
    await all.now().saveMatrixFigure('svg', async ({ title }) => new Blob([title]));
    expect(all.saved.map(({ name }) => name)).toEqual(['cka-decoder.svg']);
    expect(await all.saved[0].blob.text()).toBe('CKA of FFN outputs');
    expect(matrixFigure(all.now())).toMatchObject({
      lines: ['model.onnx', 'transformer.h.*.mlp, 12 layers, measured on 4,096 calibration rows'],
      windows: [{ set: 0, layers: [4, 5, 6, 7], name: 'Layers 4–7' }],
    });
  });

  it('tells where it could not be drawn', async () => {
    const all = await opened();
    await all
      .now()
      .saveMatrixFigure('png', () => Promise.reject(new Error('No PNG here: save it as SVG instead.')));
    expect(all.saved).toEqual([]);
    expect(all.now().errors).toMatchObject([
      { step: 'see', sentence: 'No PNG here: save it as SVG instead.' },
    ]);
  });
});
