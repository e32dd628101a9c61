/** Labels by tables and by folders. */
import { describe, expect, test } from 'vitest';
import type { NamedBlob } from './files.ts';
import { labelsOf } from './image-labels.ts';

const named = (path: string, text = ''): NamedBlob =>
  Object.assign(new Blob([text]), { name: path.split('/').at(-1)!, path });
const config = (names: string[]) => named('config.json', JSON.stringify({ id2label: { ...names } }));
const files = ['x/a.png', 'x/b.png', 'x/c.png'].map((p) => named(p));
const byTable = (text: string, options: { name?: string; config?: NamedBlob; classes?: number } = {}) =>
  labelsOf(files, [named(options.name ?? 'labels.csv', text)], options.config, options.classes);
const byFolder = (folders: string[], names?: string[], classes?: number) =>
  labelsOf(
    folders.map((f, k) => named(`${f}/${k}.png`)),
    [],
    names && config(names),
    classes,
  );

describe('a table of labels', () => {
  test.each([
    ['a.png,2\nb.png,0\nc.png,1\n', 'labels.csv'],
    ['file,label\r\nx/a.png,2\r\nx/b.png,0\r\n\r\nc.png,1', 'labels.csv'],
    ['id\tLabel\tPath\n7\t2\t./x/a.png\n8\t0\tb.png\n9\t1\tx\\c.png', 'labels.tsv'],
    ['\uFEFF"a.png","2"\r"b.png","0"\r"c.png",1\rd.png,5', 'labels.csv'],
  ])('%j is read', async (text, name) => {
    expect((await byTable(text, { name })).values).toEqual([2, 0, 1]);
  });

  test('may use the model’s names, and keeps commas and quotes in quotes', async () => {
    const text = 'a.png,"tench, Tinca tinca"\nb.png,"say ""hi"""\nc.png,TENCH';
    const told = await byTable(text, { config: config(['say "hi"', 'tench, Tinca tinca']) });
    expect(told).toEqual({
      values: [1, 0, 1],
      notes: ["Labels are from “labels.csv”, by the model's own names of classes."],
    });
  });

  test.each([
    ['', {}, '“labels.csv” is empty. Give a file and its label a line.'],
    [
      'a.png,1\nb.png\n',
      {},
      'Line 2 of “labels.csv” has no label: give a file and its label a line, as in cat-1.png,cat.',
    ],
    [
      'a.png,1\n"b.png,1\n',
      {},
      '“labels.csv” has a quote that is not closed, in the row that begins at line 2.',
    ],
    [
      'a.png,1\nb.png,1',
      {},
      '“labels.csv” has no label for “x/c.png”. Add a line for it, or leave the image out.',
    ],
    [
      'a.png,1\na.png,2',
      {},
      '“a.png” has two labels: “1” in line 1 of “labels.csv” and “2” in line 2 of “labels.csv”.',
    ],
    [
      'a.png,1\nb.png,0\nc.png,3',
      { classes: 3 },
      '“labels.csv” gives the label 3; the model has 3 classes, from 0.',
    ],
    [
      'a.png,x\nb.png,y\nc.png,z',
      { classes: 2 },
      '“labels.csv” gives 3 different labels; the model has 2 classes.',
    ],
  ])('%j is refused', async (text, options, sentence) => {
    await expect(byTable(text, options)).rejects.toThrow(sentence);
  });
});

describe('folders', () => {
  test('are numbered by the model’s names, however written', async () => {
    const { values } = await byFolder(['Big_Dog', 'cat', 'big dog'], ['cat', 'big-dog']);
    expect(values).toEqual([1, 0, 1]);
  });

  test('without names are numbered in order, which is told', async () => {
    const { values, notes } = await byFolder(['b', 'a', 'b'], ['LABEL_0', 'LABEL_1', 'LABEL_2'], 3);
    expect(values).toEqual([1, 0, 1]);
    expect(notes).toEqual([
      'Labels are from the folders, numbered in alphabetic order: a = 0, b = 1. The model has 3 classes: check that these are its first 2, or drop its config.json.',
    ]);
    expect((await byFolder(['7', '10'])).values).toEqual([7, 10]);
  });

  test('that are one, or stand for splits, are no labels', async () => {
    expect(await byFolder(['a', 'a'])).toEqual({ notes: [] });
    expect(await byFolder(['train', 'test'])).toEqual({ notes: [] });
  });

  test('of which none is a class are no labels, which is told', async () => {
    expect(await byFolder(['fox', 'ox'], ['cat', 'dog'])).toEqual({
      notes: [
        'The folders’ names (fox, ox) are none of the model’s classes in config.json, so they are not used as labels.',
      ],
    });
    expect((await byFolder(['0', '1'], ['cat', 'dog'])).values).toEqual([0, 1]);
  });

  test('that the model does not know are named', async () => {
    await expect(byFolder(['cat', 'fox'], ['cat', 'dog'])).rejects.toThrow(
      "“fox” from the folders is not among the model's classes in config.json. Rename it as the model calls it, or leave it out.",
    );
    await expect(
      labelsOf([named('a/1.png'), named('b/1.png')], [], named('config.json', '['), 2),
    ).rejects.toThrow('“config.json” is not valid JSON.');
  });
});
