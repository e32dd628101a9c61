/**
 * Labels of picture files, from a table (`file,label`) or from the folders that they are in.
 *
 * A label's number comes from the model's own names (id2label of config.json) where it has some; a label that is a
 * whole number is that class; otherwise the names, sorted by code points, are numbered from 0, which is what most
 * training scripts do. Folders of which none is a class of the model are no labels. What was done is told.
 */
import { type LabelRow, readLabelTable } from './csv.ts';
import { DataError } from './errors.ts';
import { type NamedBlob, pathOf, splitOfFolder } from './files.ts';

export interface Labels {
  /** One a file, in their order; absent where nothing tells them. */
  readonly values?: readonly number[];
  /** Sentences. */
  readonly notes: readonly string[];
}

/**
 * @param classes number of the model's classes, where known
 * @throws DataError where labels are incomplete, or do not belong to the model
 */
export async function labelsOf(
  files: readonly NamedBlob[],
  tables: readonly NamedBlob[],
  config: NamedBlob | undefined,
  classes: number | undefined,
): Promise<Labels> {
  const fromTable = tables.length > 0;
  const names = fromTable ? await namesFromTables(files, tables) : namesFromFolders(files);
  if (!names) return { notes: [] };
  const where = fromTable ? tables.map((t) => `“${t.name}”`).join(' and ') : FOLDERS;
  const known = await modelNames(config);
  if (!fromTable && known.size > 0 && areForeign(names, known)) {
    const shown = [...new Set(names)].sort();
    return {
      notes: [
        `The folders’ names (${shown.slice(0, 3).join(', ')}${shown.length > 3 ? ', …' : ''}) are none of the model’s classes in config.json, so they are not used as labels.`,
      ],
    };
  }
  const { number, note } = numbering([...new Set(names)].sort(), known, classes, where);
  return { values: names.map((n) => number.get(n)!), notes: [note] };
}

async function namesFromTables(
  files: readonly NamedBlob[],
  tables: readonly NamedBlob[],
): Promise<readonly string[]> {
  const byPath = new Map<string, LabelRow & { table: string }>();
  for (const table of tables) {
    for (const row of await readLabelTable(table)) {
      const before = byPath.get(row.file);
      if (before && before.label !== row.label) {
        throw new DataError(
          `“${row.file}” has two labels: “${before.label}” in line ${before.line} of “${before.table}” and “${row.label}” in line ${row.line} of “${table.name}”.`,
        );
      }
      byPath.set(row.file, { ...row, table: table.name });
    }
  }
  return files.map((file) => {
    // The table may name the file alone, or its path from any folder on.
    const parts = pathOf(file).split('/');
    for (let k = 0; k < parts.length; k++) {
      const row = byPath.get(parts.slice(k).join('/'));
      if (row) return row.label;
    }
    throw new DataError(
      `“${tables[0].name}” has no label for “${pathOf(file)}”. Add a line for it, or leave the image out.`,
    );
  });
}

/** The folder right above each file, where there are at least two that do not stand for splits. */
function namesFromFolders(files: readonly NamedBlob[]): readonly string[] | undefined {
  const folders = files.map((file) => pathOf(file).split('/').at(-2));
  if (folders.some((f) => f === undefined || splitOfFolder(f))) return undefined;
  return new Set(folders).size > 1 ? (folders as string[]) : undefined;
}

/** The model's own names of classes, but for placeholders (LABEL_0). @throws DataError for a damaged config.json */
async function modelNames(config: NamedBlob | undefined): Promise<ReadonlyMap<string, number>> {
  const names = new Map<string, number>();
  if (!config) return names;
  let json: { id2label?: unknown } | null;
  try {
    json = JSON.parse(await config.text());
  } catch {
    throw new DataError(
      `“${config.name}” is not valid JSON. Drop the config.json that was saved with the model.`,
    );
  }
  if (typeof json?.id2label !== 'object' || json.id2label === null) return names;
  for (const [id, label] of Object.entries(json.id2label)) {
    if (typeof label !== 'string' || /^LABEL_\d+$/.test(label)) continue;
    // ImageNet's names are lists of synonyms: “tench, Tinca tinca”.
    for (const name of [label, ...label.split(',')]) {
      const plain = plainName(name);
      if (!names.has(plain)) names.set(plain, Number(id));
    }
  }
  return names;
}

const FOLDERS = 'the folders';

const plainName = (name: string) =>
  name
    .trim()
    .toLowerCase()
    .replace(/[\s_-]+/g, ' ');

/** Whether no name is a class or a number: the folders then stand for something else. */
function areForeign(names: readonly string[], known: ReadonlyMap<string, number>): boolean {
  return names.every((n) => !known.has(plainName(n)) && !/^\d+$/.test(n));
}

function numbering(
  names: readonly string[],
  known: ReadonlyMap<string, number>,
  classes: number | undefined,
  where: string,
): { number: ReadonlyMap<string, number>; note: string } {
  const number = new Map<string, number>();
  const gives = where === FOLDERS || where.includes('” and “') ? 'give' : 'gives';
  const strangers = names.filter((n) => !known.has(plainName(n)));
  if (known.size > 0 && strangers.length < names.length) {
    if (strangers.length > 0) {
      throw new DataError(
        `“${strangers[0]}” from ${where} is not among the model's classes in config.json. Rename it as the model calls it, or leave it out.`,
      );
    }
    for (const name of names) number.set(name, known.get(plainName(name))!);
    return { number, note: `Labels are from ${where}, by the model's own names of classes.` };
  }
  if (names.every((n) => /^\d+$/.test(n))) {
    const high = names.find((n) => classes !== undefined && Number(n) >= classes);
    if (high !== undefined)
      throw new DataError(
        `${capital(where)} ${gives} the label ${high}; the model has ${classes} classes, from 0.`,
      );
    for (const name of names) number.set(name, Number(name));
    return { number, note: `Labels are from ${where}: numbers of classes.` };
  }
  if (known.size > 0) {
    throw new DataError(
      `“${names[0]}” from ${where} is not among the model's classes in config.json. Rename it as the model calls it, or leave it out.`,
    );
  }
  if (classes !== undefined && names.length > classes) {
    throw new DataError(
      `${capital(where)} ${gives} ${names.length} different labels; the model has ${classes} classes.`,
    );
  }
  names.forEach((name, k) => {
    number.set(name, k);
  });
  const few = classes !== undefined && names.length < classes;
  const shown = names.slice(0, 4).map((n, k) => `${n} = ${k}`);
  return {
    number,
    note: `Labels are from ${where}, numbered in alphabetic order: ${shown.join(', ')}${names.length > 4 ? ', …' : ''}.${few ? ` The model has ${classes} classes: check that these are its first ${names.length}, or drop its config.json.` : ''}`,
  };
}

function capital(text: string): string {
  return text[0].toUpperCase() + text.slice(1);
}
