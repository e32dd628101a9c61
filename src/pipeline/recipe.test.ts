/** A merge done again by its recipe gives the same bytes, on a model opened anew, without data and without alignment. */
import { beforeAll, describe, expect, test } from 'vitest';
import { solveAssignment } from '../align/assignment.ts';
import { sortFiles } from '../data/files.ts';
import { createCpuBackend } from '../kernels/cpu/index.ts';
import { linkOf, recipeOfLink } from '../recipe/link.ts';
import { storePermutation } from '../recipe/permutations.ts';
import { parseRecipe, writeRecipe } from '../recipe/recipe.ts';
import type { FileIdentity, Recipe } from '../recipe/schema.ts';
import { createRuntimeGemm } from '../runtime/ort/gemm.ts';
import { loadNodeFactory } from '../runtime/ort/node.ts';
import { namedFile } from '../testing/studio-in-node.ts';
import type { StageContext } from './context.ts';
import { addFiles, NO_FILES, prepareData } from './data-stage.ts';
import { composeDownload } from './downloads.ts';
import { identify } from './identity.ts';
import { LiveModel } from './live-model.ts';
import { ModelFolder } from './model-folder.ts';
import { openModels } from './opened.ts';
import { PairStore } from './pairs.ts';
import { Job } from './progress.ts';
import { dataIdentity, mergeByRecipe, permutationsOf, recipeOf } from './recipe.ts';
import { variantKey } from './sweep.ts';
import type { MergePlan } from './types.ts';
import { buildVariant, savingOf, type Variant } from './variant.ts';

const SAMPLE = 'public/samples/digits-vit';
const DATA = ['calibrate', 'select'].flatMap((s) => [`${s}-images.npy`, `${s}-labels.npy`]);

/** The sample opened anew. Without data, alignment fails. */
async function opened(withData: boolean) {
  const model = await namedFile(`${SAMPLE}/model.onnx`);
  const beside = withData ? await Promise.all(DATA.map((f) => namedFile(`${SAMPLE}/${f}`))) : [];
  const sessions = await loadNodeFactory();
  const one = await openModels([model], [model]);
  const stage = await prepareData(one, addFiles(NO_FILES, sortFiles(beside)));
  const job = new Job();
  const context: StageContext = {
    opened: one,
    live: await LiveModel.create(one, sessions, job),
    dataset: stage.dataset,
    backend: createCpuBackend({ gemm: createRuntimeGemm(sessions) }),
    solve: async (score, size) => {
      if (!withData) throw new Error('aligned anew');
      return solveAssignment(score, size);
    },
    pairs: new PairStore(),
    job,
  };
  return { context, files: await identify(one, job) };
}

async function bytesOf({ opened: one }: StageContext, variant: Variant): Promise<Buffer> {
  const { blob } = await composeDownload(one, variant, 'onnx', new ModelFolder(), new Job());
  return Buffer.from(await blob.arrayBuffer());
}

let first: Awaited<ReturnType<typeof opened>>;
let again: Awaited<ReturnType<typeof opened>>;
let groupId: string;
beforeAll(async () => {
  first = await opened(true);
  again = await opened(false);
  groupId = first.context.opened.search.groups[0].id;
}, 120_000);

/** Merges, and writes the recipe to text and back. */
async function merged(plan: Partial<MergePlan>): Promise<{ variant: Variant; recipe: Recipe }> {
  const { context, files } = first;
  const sets = [
    { groupId, layers: [3, 4] },
    { groupId, layers: [6, 8] },
  ];
  const asked: MergePlan = { sets, method: 'permute', reference: 'first', score: 'default', ...plan };
  // What is best does not matter here, only that it is done again without being chosen again.
  let calls = 0;
  const variant = await buildVariant(context, asked, async () => Math.abs(++calls - 3));
  const recipe = recipeOf(context.opened, variant, {
    app: '0.1.0',
    files,
    data: dataIdentity(context.dataset!, DATA),
    permutations: permutationsOf(variant),
    saving: savingOf(context.opened, variant),
    evaluations: [],
    notes: [],
  });
  return { variant, recipe: parseRecipe(writeRecipe(recipe)) };
}

const plans: readonly Partial<MergePlan>[] = [
  {},
  { reference: 'middle', score: ['preactivation', 'hidden', 'output-weights'] },
  { method: 'random', seed: 3 },
  { method: 'copy', reference: 'last', score: 'best' },
  { method: 'vanilla' },
  { method: 'ffn-drop' },
];

test.each(plans)('replayed: %o gives the same bytes and saving', async (plan) => {
  const { variant, recipe } = await merged(plan);
  const replayed = await mergeByRecipe(again.context, recipe, again.files);
  expect(replayed.plan).toEqual(variant.plan);
  expect(savingOf(again.context.opened, replayed)).toEqual(savingOf(first.context.opened, variant));
  const bytes = await bytesOf(first.context, variant);
  expect(bytes.equals(await bytesOf(again.context, replayed))).toBe(true);
  expect(bytes.length).toBe(recipe.results?.bytesAfter);
});

test('layers left out by evaluation are left out again without any', async () => {
  const { variant, recipe } = await merged({ method: 'layer-drop', sets: [{ groupId, layers: [3, 4] }] });
  expect(recipe.droppedLayers).toEqual(variant.droppedLayers);
  const replayed = await mergeByRecipe(again.context, recipe, again.files);
  expect((await bytesOf(first.context, variant)).equals(await bytesOf(again.context, replayed))).toBe(true);
  expect(variantKey(replayed)).toBe(variantKey(variant));
});

test('the best score is carried out as the sum that it was', async () => {
  const { variant, recipe } = await merged({ score: 'best', sets: [{ groupId, layers: [4, 5] }] });
  expect(variant.plan.score).not.toBe('best');
  const replayed = await mergeByRecipe(again.context, recipe, again.files);
  expect((await bytesOf(first.context, variant)).equals(await bytesOf(again.context, replayed))).toBe(true);
});

test('other permutations give other bytes and another key', async () => {
  const { recipe, variant } = await merged({});
  const { permutation: identity, ...place } = { ...permutationsOf(variant)[0] };
  const reversed = storePermutation({ ...place, permutation: identity.inverse() });
  const other = { ...recipe, permutations: [reversed, ...recipe.permutations!.slice(1)] };
  const [a, b] = [
    await mergeByRecipe(again.context, recipe, again.files),
    await mergeByRecipe(again.context, other, again.files),
  ];
  expect((await bytesOf(again.context, a)).equals(await bytesOf(again.context, b))).toBe(false);
  expect(variantKey(a)).not.toBe(variantKey(b));
});

test('from a link the plan is carried out anew, to the same bytes with the same data', async () => {
  const { variant, recipe } = await merged({});
  const linked = recipeOfLink(linkOf(recipe))!;
  const replayed = await mergeByRecipe(first.context, linked, first.files);
  expect((await bytesOf(first.context, variant)).equals(await bytesOf(first.context, replayed))).toBe(true);
  await expect(mergeByRecipe(again.context, linked, again.files)).rejects.toThrow('calibration data');
});

describe('a recipe that does not fit', () => {
  const refusal = async (
    change: (recipe: Recipe) => Partial<Recipe>,
    files: readonly FileIdentity[] = again.files,
  ) => {
    const { recipe } = await merged({});
    return mergeByRecipe(again.context, { ...recipe, ...change(recipe) }, files).then(
      () => 'nothing was refused',
      (error: Error) => error.message,
    );
  };

  test('the model asks for its own', async () => {
    const [file] = again.files;
    const other = { ...file, sha256: '0'.repeat(64) };
    expect(await refusal(() => ({}), [other])).toBe(
      `This is for the file “model.onnx” (${file.bytes} bytes, SHA-256 ${file.sha256}). The “model.onnx” that is open has other contents (${file.bytes} bytes, SHA-256 ${'0'.repeat(64)}). Open that file first.`,
    );
  });

  test.each<readonly [string, (recipe: Recipe) => Partial<Recipe>, string]>([
    [
      'layers',
      ({ plan }) => ({ plan: { ...plan, sets: [{ groupId, layers: [3, 12] }] } }),
      '“plan.sets”: Layer 12 does not exist: this group has the layers 0–11. Pick layers in that range.',
    ],
    [
      'a group',
      ({ plan }) => ({ plan: { ...plan, sets: [{ groupId: 'decoder', layers: [3, 4] }] } }),
      '“plan.sets”: This model has no FFN group “decoder”.',
    ],
    [
      'a score',
      ({ plan }) => ({ plan: { ...plan, score: ['gate'] } }),
      '“plan.score”: These FFNs have no gate, so it cannot be part of the alignment score.',
    ],
    [
      'the best score',
      ({ plan }) => ({ plan: { ...plan, score: 'best' } }),
      '“plan.score” is “best”, but permutations are of one score: it must say which.',
    ],
    [
      'too few permutations',
      ({ permutations }) => ({ permutations: permutations!.slice(1) }),
      '“permutations” has none that aligns layer 4 to layer 3.',
    ],
    [
      'one permutation twice',
      ({ permutations }) => ({ permutations: [permutations![0], ...permutations!] }),
      '“permutations[1]” aligns layer 4 to layer 3, which no set of the plan does, or twice.',
    ],
    [
      'units',
      ({ permutations }) => ({ permutations: permutations!.map((p) => ({ ...p, units: 4 })) }),
      '“permutations[0].units” is 4, but the FFNs of this model have 384 hidden units.',
    ],
    [
      'an order',
      ({ permutations }) => ({
        permutations: permutations!.map((p) => ({ ...p, order: `AQAB${p.order.slice(4)}` })),
      }),
      '“permutations[0].order” (layer 4) is not a permutation of',
    ],
    [
      'layers left out',
      ({ plan }) => ({ plan: { ...plan, method: 'layer-drop' }, droppedLayers: [{ groupId, layers: [12] }] }),
      '“droppedLayers[0]” names layer 12, but the group has the layers 0–11.',
    ],
  ])('%s', async (_, change, sentence) => {
    expect(await refusal(change)).toContain(`This recipe cannot be used: ${sentence}`);
  });
});
