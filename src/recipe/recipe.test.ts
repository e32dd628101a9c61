/** Recipes there and back, and the sentence for each way in which one can be wrong. */
import { deflateSync, strToU8 } from 'fflate';
import { describe, expect, test } from 'vitest';
import { Permutation } from '../align/permutation.ts';
import { createSeeded } from '../tensor/seeded.ts';
import { sampleRecipe } from '../testing/recipes.ts';
import { RecipeError } from './errors.ts';
import { linkOf, MOST_LINK_CHARACTERS, recipeOfLink } from './link.ts';
import { readPermutation, storePermutation, toBase64 } from './permutations.ts';
import { askForModel, parseRecipe, writeRecipe } from './recipe.ts';
import type { StoredPermutation } from './schema.ts';

/** The error for a recipe with one part changed. */
function errorFor(change: (recipe: ReturnType<typeof JSON.parse>) => void): RecipeError {
  const json = JSON.parse(writeRecipe(sampleRecipe()));
  change(json);
  return caught(() => parseRecipe(JSON.stringify(json)));
}

/** Sets what stands at `a.b[0].c`. */
function put(recipe: ReturnType<typeof JSON.parse>, path: string, value: unknown): void {
  const keys = path.split(/[.[\]]+/).filter((key) => key !== '');
  const last = keys.pop()!;
  keys.reduce((at, key) => at[key], recipe)[last] = value;
}

function caught(run: () => unknown): RecipeError {
  try {
    run();
  } catch (error) {
    expect(error).toBeInstanceOf(RecipeError);
    return error as RecipeError;
  }
  throw new Error('nothing was refused');
}

describe('a recipe file', () => {
  test('is read as it was written', () => {
    expect(parseRecipe(writeRecipe(sampleRecipe()))).toEqual(sampleRecipe());
    const { permutations: _, results: __, ...bare } = sampleRecipe({ data: null });
    expect(parseRecipe(writeRecipe(bare))).toEqual(bare);
  });

  test.each([
    ['not JSON', 'layers: 4', 'This is not a recipe: it is not JSON (it begins with "layers: 4").'],
    ['a number', '3', 'This is not a recipe: it must be an object in JSON.'],
    ['null', 'null', 'This is not a recipe: it must be an object in JSON.'],
    [
      'another format',
      '{"format":"other"}',
      'This recipe cannot be used: “format” is "other", but must be “layerfold-recipe”.',
    ],
  ])('that is %s is refused', (_, text, sentence) => {
    expect(caught(() => parseRecipe(text)).message).toBe(sentence);
  });

  test('of a newer version says who wrote it', () => {
    const error = errorFor((r) => {
      r.version = 2;
      r.app = '3.1.0';
    });
    expect(error.message).toBe(
      'This recipe is of version 2, written by Layerfold "3.1.0"; this page reads version 1. Reload the page to get a newer Layerfold.',
    );
  });

  const broken: readonly (readonly [field: string, value: unknown, sentence: string])[] = [
    [
      'plan.method',
      'mrege',
      'is "mrege", but must be one of “permute”, “vanilla”, “copy”, “random”, “ffn-drop”, “layer-drop”.',
    ],
    ['plan.reference', undefined, 'is missing.'],
    ['plan.sets[0].layers[1]', 5.5, 'is 5.5, but must be a whole number from 0 to 1023.'],
    ['plan.sets[0].layers', [6, 5], 'is [6,5], but must be layers in ascending order, each once.'],
    ['plan.sets[0].layers', [6], 'is [6], but must be a list of 2 to 1024.'],
    [
      'plan.score',
      ['angle'],
      'is ["angle"], but must be “default”, “best” or a list of “preactivation”, “gate”, “hidden”, “input-weights”, “output-weights”.',
    ],
    [
      'plan.recovery[0].rung',
      'R9',
      'is "R9", but must be one of “R0c”, “R0b”, “R1”, “R2”, “R3”, “R4”, “R5”, “R6”, “tune”.',
    ],
    ['plan.recovery[0].set', 1, 'is 1, but there are 1 sets, counted from 0.'],
    ['plan.seed', -1, 'is -1, but must be a whole number from 0 to 9007199254740991.'],
    ['model.files[1].sha256', 'xyz', 'is "xyz", but must be 64 hexadecimal digits.'],
    [
      'model.files[0].name',
      'a\u202eb',
      'is "a�b", but must be text of 1 to 255 characters without control characters.',
    ],
    ['plan.speed', 9, 'is not a known field.'],
    ['permutations[0].order', 'a b', 'is "a b", but must be base64.'],
    ['permutations', {}, 'is {}, but must be a list of 0 to 1024.'],
    ['data', 'text', 'is "text", but must be an object.'],
  ];
  test.each(broken)('with a wrong %s names it and its value', (field, value, sentence) => {
    const error = errorFor((r) => put(r, field, value));
    expect(error.field).toBe(field);
    expect(error.message).toBe(`This recipe cannot be used: “${field}” ${sentence}`);
  });

  test('with a very long value quotes only its beginning', () => {
    expect(errorFor((r) => put(r, 'plan.method', 'x'.repeat(1e5))).message.length).toBeLessThan(250);
  });

  test('cannot reach into prototypes', () => {
    const json = writeRecipe(sampleRecipe()).replace(
      '"options": {',
      '"options": {"__proto__": {"polluted": 1},',
    );
    try {
      parseRecipe(json);
    } catch {}
    expect(({} as { polluted?: number }).polluted).toBeUndefined();
  });
});

describe('permutations', () => {
  test.each([1, 4, 5120, 65_536, 65_537])('of %d units are read as they were stored', (size) => {
    const random = createSeeded(size);
    const order = Array.from({ length: size }, (_, u) => u);
    for (let u = size - 1; u > 0; u--) {
      const other = random.integer(u + 1);
      [order[u], order[other]] = [order[other], order[u]];
    }
    const place = { groupId: 'g', reference: 4, layer: 5, permutation: Permutation.from(order) };
    const stored = storePermutation(place);
    expect(stored.order.length).toBe(4 * Math.ceil((size * (size > 65_536 ? 4 : 2)) / 3));
    const read = readPermutation(stored, 0);
    expect([...read.permutation.indices]).toEqual(order);
    expect(read).toMatchObject({ groupId: 'g', reference: 4, layer: 5 });
  });

  test('are little-endian', () => {
    const place = { groupId: 'g', reference: 0, layer: 1, permutation: Permutation.from([1, 0]) };
    expect(storePermutation(place).order).toBe('AQAAAA==');
  });

  const refusal = (change: Partial<StoredPermutation>) => {
    const [stored] = sampleRecipe().permutations!;
    return caught(() => readPermutation({ ...stored, ...change }, 3)).message;
  };
  test('that are none are refused', () => {
    const begin = 'This recipe cannot be used: “permutations[3].order” (layer 5) is';
    expect(refusal({ order: toBase64(Uint8Array.of(1, 0, 1, 0, 2, 0, 3, 0)) })).toBe(
      `${begin} not a permutation of 4 units: unit 1 at position 1 is there twice.`,
    );
    expect(refusal({ order: toBase64(Uint8Array.of(0, 0, 1, 0, 9, 0, 3, 0)) })).toBe(
      `${begin} not a permutation of 4 units: unit 9 at position 2 is out of range.`,
    );
    expect(refusal({ units: 5 })).toBe(`${begin} 8 bytes, but 5 units take 10 bytes.`);
    expect(refusal({ order: 'A' })).toBe(`${begin} not base64, but 4 units take 8 bytes.`);
  });
});

describe('a link', () => {
  const packed = (value: unknown) => {
    const text = toBase64(deflateSync(strToU8(JSON.stringify(value))));
    return `#recipe=${text.replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '')}`;
  };

  test('holds settings and hashes, and nothing else', () => {
    const link = linkOf(sampleRecipe());
    expect(link).toMatch(/^#recipe=[\w-]+$/);
    const { permutations: _, results: __, ...settings } = sampleRecipe();
    expect(recipeOfLink(link)).toEqual(settings);
    expect(recipeOfLink(link.slice(1))).toEqual(settings);
  });

  test('is none where the fragment is another', () => {
    expect(recipeOfLink('')).toBeNull();
    expect(recipeOfLink('#see')).toBeNull();
  });

  test('that is cut off, too long or not base64url is refused', () => {
    const link = linkOf(sampleRecipe());
    expect(caught(() => recipeOfLink(link.slice(0, -9))).message).toContain('damaged');
    expect(caught(() => recipeOfLink('#recipe=<b>')).message).toContain('damaged');
    expect(caught(() => recipeOfLink('#recipe=')).message).toContain('damaged');
    expect(caught(() => recipeOfLink(`#recipe=${'A'.repeat(MOST_LINK_CHARACTERS)}`)).message).toContain(
      'too long',
    );
  });

  test('that unpacks into far more than it is, is refused', () => {
    const bomb = packed('a'.repeat(5_000_000));
    expect(bomb.length).toBeLessThan(MOST_LINK_CHARACTERS);
    expect(caught(() => recipeOfLink(bomb)).message).toContain('too large when unpacked');
  });

  test('is checked as a file is, and brings no permutations', () => {
    expect(caught(() => recipeOfLink(packed({ ...sampleRecipe(), app: 7 }))).field).toBe('app');
    expect(caught(() => recipeOfLink(packed(sampleRecipe()))).message).toBe(
      'The recipe in this link cannot be used: a link holds no “permutations”.',
    );
  });

  test('for too long a plan is not made', () => {
    const random = createSeeded(1);
    const files = Array.from({ length: 400 }, (_, k) => ({
      name: `weights-${k}`,
      bytes: k,
      sha256: Array.from({ length: 64 }, () => random.integer(16).toString(16)).join(''),
    }));
    const error = caught(() => linkOf(sampleRecipe({ model: { name: 'm', files } })));
    expect(error.message).toContain('Share the recipe as a file.');
  });
});

describe('another model', () => {
  const { files } = sampleRecipe().model;
  test('is the same under other names', () => {
    expect(askForModel(files, files.map((f) => ({ ...f, name: 'other' })).reverse())).toBeNull();
  });
  test('is asked for by name and hash', () => {
    expect(askForModel(files, [])).toBe(
      `This is for the file “model.onnx” and 1 more (1234 bytes, SHA-256 ${'a'.repeat(64)}). Open that file first.`,
    );
    const other = { name: 'model.onnx', bytes: 5, sha256: 'd'.repeat(64) };
    expect(askForModel(files, [other, files[1]])).toBe(
      `This is for the file “model.onnx” (1234 bytes, SHA-256 ${'a'.repeat(64)}). The “model.onnx” that is open has other contents (5 bytes, SHA-256 ${'d'.repeat(64)}). Open that file first.`,
    );
    expect(askForModel(files.slice(0, 1), files)).toBe(
      'This is for a model without “model.onnx_data”. Open the model again, without that file.',
    );
  });
});
