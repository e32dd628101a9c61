/**
 * What layers keep of their own beside tied weights, in the files that are saved: run in onnxruntime-node from disk
 * and compared with the model where every layer has matrices of its own that the changes are folded into.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { WeightRole } from '../graph/weights.ts';
import type { OpenedModel } from '../pipeline/opened.ts';
import { savingOf } from '../pipeline/variant.ts';
import { elementCount } from '../tensor/shape.ts';
import { difference, type NodeFeeds, randomInputs, run, widened } from '../testing/model-runs.ts';
import {
  foldedBytes,
  lastLogits,
  manifest,
  onDisk,
  openNamed,
  randomChanges,
  runSaved,
} from '../testing/own-models.ts';
import { createRandom, type Random } from '../testing/random.ts';
import { asKept } from './as-kept.ts';
import type { OwnLayer, OwnPlace } from './own.ts';
import { keptChange } from './own-nodes.ts';
import { placesFor } from './own-places.ts';
import { type TiedFfn, tieFfns } from './write-back.ts';

const MODELS = [
  'gpt2-dynamo',
  'packed-split-sizes-bias',
  'biases-shared',
  'fused-bias-gelu',
  'fused-gemm-relu',
  'fused-skip-layer-norm',
  'conv-2d-pointwise',
  'gpt2-float16-torchscript-17',
  'llama-bfloat16-dynamo',
  'bert-qdq-int8-static',
  'gpt2-matmulnbits-4',
  'vit-external-many',
  'gpt2-merged',
  'marian-with-past',
  'functions-called',
];

/** What rounding to the type of the weights and activations may change of outputs: relative to their largest. */
const TOLERANCE: Readonly<Record<string, number>> = {
  float32: 1e-4,
  float16: 1e-2,
  bfloat16: 3e-2,
  int8: 5e-2,
  uint8: 5e-2,
  int4: 5e-2,
  uint4: 5e-2,
};

const EVERYWHERE = { in: 'delta', hidden: 'yes', out: 'delta' };
const inside = (name: string) => `it is computed inside the function “${name}”, where nothing can be added`;

/** What can be changed in the models where it is not everything. */
const PLACES: Readonly<Record<string, object>> = {
  'llama-bfloat16-dynamo': { ...EVERYWHERE, gate: 'delta' },
  'packed-split-sizes-bias': { ...EVERYWHERE, gate: 'delta' },
  'fused-bias-gelu': {
    ...EVERYWHERE,
    in: 'the operator BiasGelu adds the bias and applies the activation at once',
  },
  'fused-gemm-relu': { ...EVERYWHERE, in: 'the operator FusedGemm applies the activation itself' },
  'functions-called': { in: inside('MLP'), hidden: inside('MLP'), out: 'yes' },
};

function inputsOf(opened: OpenedModel, seed: number): NodeFeeds {
  const own = new Map(opened.mainFiles.flatMap((f) => f.model.graph.inputs.map((v) => [v.name, v] as const)));
  return randomInputs(
    opened.inputs.map((v) => ({ ...v, elemType: own.get(v.name)?.elemType ?? v.elemType })),
    seed,
  );
}

const possible = (opened: OpenedModel, set: Pick<TiedFfn, 'group' | 'layers'>) =>
  new Map(
    [...placesFor(opened.views, set.group.ffns[set.layers[0]])].flatMap(([place, use]) =>
      use.possible ? [[place, { delta: use.delta }] as const] : [],
    ),
  );

/** The first two layers of a group tied, with own biases and changes drawn at random, as the files keep them. */
async function drawn(opened: OpenedModel, random: Random, group: TiedFfn['group']) {
  const layers = [0, 1];
  const [view] = opened.views;
  const [head] = group.ffns;
  const normals = (role: WeightRole) => {
    const { dims } = head.weights.find((w) => w.role === role)!.source;
    const by = dims.filter((d) => d > 1).length > 1 ? 0.5 / Math.sqrt(head.dModel) : 0.1;
    return random.normals(elementCount(dims)).map((v) => by * v);
  };
  const roles = head.weights.map((w) => w.role);
  const own = roles.filter((r) => r.startsWith('b_'));
  const draw = (of: readonly WeightRole[]) => new Map(of.map((r) => [r, normals(r)]));
  const tied = await asKept(view.flat, head, draw(roles.filter((r) => !own.includes(r))));
  const places = possible(opened, { group, layers });
  const ownLayers: (OwnLayer & Required<Pick<OwnLayer, 'weights' | 'changes'>>)[] = [];
  for (const layer of layers) {
    const ffn = group.ffns[layer];
    const { values: weights } = await asKept(view.flat, ffn, draw(own));
    const changes = new Map(
      [...randomChanges(random, ffn, places)].map(([p, c]) => [p, keptChange(view, ffn, p, c)] as const),
    );
    ownLayers.push({ weights, changes });
  }
  return { group, layers, values: tied.values, own: ownLayers };
}

describe.each(MODELS)('%s', (name) => {
  const tolerance = TOLERANCE[manifest[name].dtype ?? 'float32'];

  test('says what can be changed', async () => {
    const opened = await openNamed(name);
    for (const group of opened.search.groups) {
      for (const ffn of group.ffns) {
        const told = [...placesFor(opened.views, ffn)].map(([place, use]) => [
          place,
          use.possible ? (use.delta ? 'delta' : 'yes') : use.reason,
        ]);
        expect(Object.fromEntries(told)).toEqual(PLACES[name] ?? EVERYWHERE);
      }
    }
  });

  test('own biases, scales, shifts and deltas do what folding them into each layer does', async () => {
    const opened = await openNamed(name);
    const random = createRandom(name.length);
    const feeds = inputsOf(opened, 5);
    const sets: Awaited<ReturnType<typeof drawn>>[] = [];
    for (const group of opened.search.groups) sets.push(await drawn(opened, random, group));
    const { files, parametersSaved } = tieFfns(opened.views, sets);
    const saved = await runSaved(opened, feeds, files);
    const expectedOf = (changed: (place: OwnPlace, layer: number) => boolean) =>
      foldedBytes(
        opened,
        sets.flatMap(({ group, layers, values, own }) =>
          layers.map((layer, i) => ({
            ffn: group.ffns[layer],
            values: new Map([...values, ...own[i].weights]),
            changes: new Map([...own[i].changes].filter(([place]) => changed(place, i))),
          })),
        ),
      );
    const wide = widened(feeds);
    expect(difference(await run(await expectedOf(() => true), wide), saved)).toBeLessThan(tolerance);
    // The same without the changes of one layer is another function: the test can fail.
    const partly = await run(await expectedOf((_, i) => i === 0), wide);
    expect(difference(partly, saved)).toBeGreaterThan(2 * tolerance);

    // What is added is counted, in parameters and in bytes.
    const saving = savingOf(opened, { tied: sets });
    expect(saving.bytesAfter).toBe(onDisk(opened, files).reduce((sum, f) => sum + f.blob.size, 0));
    expect(saving.parametersSaved).toBe(parametersSaved);
    const withoutChanges = sets.map((s) => ({ ...s, own: s.own.map(({ weights }) => ({ weights })) }));
    const plain = savingOf(opened, { tied: withoutChanges });
    const added = sets
      .flatMap((s) => s.own.flatMap((o) => [...o.changes.values()]))
      .flatMap(({ scale, shift, delta }) => [scale, shift, delta?.a, delta?.b])
      .reduce((sum, v) => sum + (v?.length ?? 0), 0);
    expect(plain.parametersSaved - parametersSaved).toBe(added);
    expect(saving.bytesAfter - plain.bytesAfter).toBeGreaterThan(
      (manifest[name].dtype?.includes('16') ? 2 : 4) * added,
    );
  });
});

test.each(['gpt2-merged', 't5-merged', 'marian-with-past'])(
  '%s computes the same from a cache, in the other branch or file',
  async (name) => {
    const opened = await openNamed(name);
    const random = createRandom(name.length);
    const sets: TiedFfn[] = [];
    for (const group of opened.search.groups) sets.push(await drawn(opened, random, group));
    const [whole, cached] = await lastLogits(opened, tieFfns(opened.views, sets).files);
    expect(difference(whole, cached)).toBeLessThan(1e-4);
    // The same with the changes in the measured view only would not.
    const [first] = opened.views;
    const alone = { ...opened, views: [first] as const };
    const changed = sets.map((s) => ({
      ...s,
      values: undefined as never,
      own: s.own!.map(({ changes }) => ({ changes: changes! })),
    }));
    const [a, b] = await lastLogits(opened, tieFfns(alone.views, changed).files);
    expect(difference(a, b)).toBeGreaterThan(1e-3);
  },
);

const python = process.env.LAYERFOLD_PYTHON || undefined;

test.runIf(python)(
  'onnx.checker accepts what it accepted before',
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'layerfold-'));
    try {
      const paths: string[] = [];
      for (const name of MODELS) {
        const opened = await openNamed(name);
        const random = createRandom(name.length);
        const sets: TiedFfn[] = [];
        for (const group of opened.search.groups) sets.push(await drawn(opened, random, group));
        const { files } = tieFfns(opened.views, sets);
        for (const [kind, edited] of [
          ['before', undefined],
          ['after', files],
        ] as const) {
          mkdirSync(join(folder, name, kind), { recursive: true });
          for (const file of onDisk(opened, edited)) {
            const path = join(folder, name, kind, file.name);
            writeFileSync(path, new Uint8Array(await file.blob.arrayBuffer()));
            if (path.endsWith('.onnx')) paths.push(path);
          }
        }
      }
      const script = `
import json, sys, onnx
for path in json.load(sys.stdin):
    try: onnx.checker.check_model(path, full_check=True)
    except Exception as e: print(json.dumps([path, str(e)[:300]]))`;
      const { stdout, stderr, status } = spawnSync(python!, ['-c', script], {
        encoding: 'utf8',
        input: JSON.stringify(paths),
      });
      expect({ stderr, status }).toEqual({ stderr: '', status: 0 });
      const complaints = stdout
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line) as [string, string]);
      const before = new Set(
        complaints.filter(([p]) => p.includes('/before/')).map(([p]) => p.replace('/before/', '/after/')),
      );
      expect(complaints.filter(([p]) => p.includes('/after/') && !before.has(p))).toEqual([]);
      expect(before.size).toBeLessThan(paths.length / 4);
    } finally {
      rmSync(folder, { recursive: true });
    }
  },
  120_000,
);
