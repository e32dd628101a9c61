/**
 * What layers have of their own, through the plain graph and back: on a plain, a gated and a packed file.
 */
import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, test } from 'vitest';
import { withParameters } from '../../differentiate/parameters.ts';
import { TrainingModel } from '../../differentiate/training-model.ts';
import type { TiedFfn as StoredSet } from '../../merge/write-back.ts';
import { LiveModel, type Overrides } from '../../pipeline/live-model.ts';
import { openModels } from '../../pipeline/opened.ts';
import { Job } from '../../pipeline/progress.ts';
import type { DifferentiableFactory } from '../../runtime/differentiable.ts';
import { loadNodeJaxFactory } from '../../runtime/jax/node.ts';
import { loadNodeFactory } from '../../runtime/ort/node.ts';
import type { HostTensor, SessionFactory } from '../../runtime/session.ts';
import { expectClose } from '../../testing/compare.ts';
import { randomInputs } from '../../testing/model-runs.ts';
import { createRandom } from '../../testing/random.ts';
import { dense } from '../linear-algebra.ts';
import { averageLayers, type TiedFfn, withVectors } from '../tied-ffn.ts';
import { foldedLayer, layerOf, ownOf } from '../weights.ts';
import { tunedFfn } from './read-back.ts';

let sessions: SessionFactory;
let jax: DifferentiableFactory;
beforeAll(async () => {
  jax = await loadNodeJaxFactory();
  sessions = await loadNodeFactory();
});

/** Own scales, biases and a delta: everything that recovery gives a layer. */
function enriched(ffn: TiedFfn): TiedFfn {
  const random = createRandom(21);
  const [d, n] = [ffn.shared.wIn.rows, ffn.shared.wIn.cols];
  const near = (size: number, middle: number) => random.normals(size).map((v) => middle + 0.2 * v);
  const gated = ffn.shared.wGate !== undefined;
  const rich = withVectors(ffn, () => ({
    bIn: near(n, 0),
    bOut: near(d, 0),
    inScale: near(n, 1),
    ...(gated ? { bGate: near(n, 0), gateScale: near(n, 1) } : { hiddenScale: near(n, 1) }),
  }));
  const matrix = (rows: number, cols: number) => dense(near(rows * cols, 0), rows, cols);
  return {
    ...rich,
    layers: rich.layers.map((l) => ({ ...l, outDelta: { a: matrix(n, 2), b: matrix(2, d) } })),
  };
}

describe.each(['bert-dynamo', 'llama-dynamo', 'phi3-dynamo'])('%s', (name) => {
  test('own scales, biases and deltas are nodes of the plain graph, and come back as they were', async () => {
    const file = new File([readFileSync(`src/testing/models/${name}.onnx`)], 'model.onnx');
    const opened = await openModels([file], [file]);
    const live = await LiveModel.create(opened, sessions, new Job());
    const [group] = opened.search.groups;
    const layers = [0, 1];
    const templates = await Promise.all(layers.map((l) => live.weightsOf(group, l)));
    const activation = { kind: 'relu' } as never;
    const ffn = enriched(
      averageLayers(
        activation,
        templates.map((t) => layerOf(t, null)),
      ),
    );
    const parts = layers.map((_, i) => ownOf(ffn, i, templates[i]));
    const set: StoredSet = { group, layers, values: parts[0].tied, own: parts.map((p) => p.own) };

    const back = tunedFfn(set, ffn, templates);
    const folded = (of: TiedFfn, i: number) => foldedLayer(of, i, templates[i]);
    for (const i of [0, 1]) {
      const [was, is] = [folded(ffn, i), folded(back, i)];
      expect([...is.weights.keys()]).toEqual([...was.weights.keys()]);
      for (const [role, values] of was.weights)
        expectClose(is.weights.get(role)!, values, { absolute: 1e-5 });
      for (const [place, values] of was.shifts)
        expectClose(is.shifts.get(place)!, values, { absolute: 1e-5 });
    }

    const feeds = randomInputs(opened.inputs, 7) as unknown as Record<string, HostTensor>;
    const output = opened.scoreOutput!.name;
    const training = await TrainingModel.open(
      { ...opened, sets: [set], output, example: feeds },
      sessions,
      jax,
    );
    const { fed } = await training.originalOn(feeds);
    const start = new Map(training.start.map((p) => [p.name, p.start]));
    const given = await training.differentiable.output(start, fed);
    const weights = new Map<string, Overrides extends ReadonlyMap<string, infer P> ? P : never>();
    for (const i of [0, 1]) {
      const { weights: mine, shifts } = folded(ffn, i);
      for (const [key, pin] of live.override(group, [layers[i]], mine)) weights.set(key, pin);
      for (const [place, shift] of shifts) {
        for (const [key, pin] of live.shift(group, layers[i], place, shift)) weights.set(key, pin);
      }
    }
    const made = await live.run(feeds, [output], { changes: { weights } });
    const wanted = (await made[output].read()) as Float32Array;
    const scale = wanted.reduce((most, v) => Math.max(most, Math.abs(v)), 0);
    expectClose(given, wanted, { absolute: 2e-4 * scale });

    // Each parameter that is moved is the one that moves in the set.
    const doubled = new Map([...start].map(([key, v]) => [key, v.map((x) => 2 * x)]));
    const [moved] = withParameters([set], doubled);
    for (const [role, v] of set.values!) {
      if (!set.own!.some((o) => o.weights?.has(role))) expect(moved.values!.get(role)![3]).toBe(2 * v[3]);
    }
    for (const [i, { changes }] of moved.own!.entries()) {
      for (const [place, { scale: s, shift, delta }] of changes ?? []) {
        const was = set.own![i].changes!.get(place)!;
        if (s) expect(s[5]).toBe(2 * was.scale![5]);
        if (shift) expect(shift[5]).toBe(2 * was.shift![5]);
        if (delta) expect([delta.a[5], delta.b[5]]).toEqual([2 * was.delta!.a[5], 2 * was.delta!.b[5]]);
      }
    }
    await training.release();
    await live.release();
  });
});
