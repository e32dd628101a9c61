/**
 * Pairs of texts – sentence and translation, text and summary – out of what people have them in.
 *
 * JSON lines ({"source", "target"}, {"src", "tgt"}, {"text", "summary"}, …, or an object of two languages, as
 * {"translation": {"en": …, "de": …}}), tables of two columns, two files with a line each (`x.source.txt` and
 * `x.target.txt`, `x.src` and `x.tgt`). Plain text has one side only: each line then stands on both, which is told.
 */
import { parseRows } from './csv.ts';
import { DataError } from './errors.ts';
import { type NamedBlob, type SplitName, splitOf } from './files.ts';
import { decodeText, parseRecord } from './text-files.ts';

export interface TextPair {
  readonly source: string;
  readonly target: string;
}

export interface PairFile {
  readonly split: SplitName | undefined;
  readonly pairs: readonly TextPair[];
  readonly notes: readonly string[];
}

/** Names of the two sides, in the order in which they are looked for. */
const SIDES: readonly (readonly [string, string])[] = [
  ['source', 'target'],
  ['src', 'tgt'],
  ['input', 'output'],
  ['text', 'summary'],
  ['document', 'summary'],
  ['article', 'highlights'],
  ['question', 'answer'],
  ['inputs', 'targets'],
];
/** Of tables also a file and its text. */
const TABLE_SIDES: readonly (readonly [string, string])[] = [
  ...SIDES,
  ...['file', 'filename', 'file_name', 'image', 'path'].flatMap((file) =>
    ['text', 'caption'].map((text) => [file, text] as const),
  ),
];
const SOURCE = /[._-](source|src)(\.txt)?$|\.src$/i;
const TARGET = /[._-](target|tgt)(\.txt)?$|\.tgt$/i;

/** @throws DataError for files that are no pairs */
export async function readPairs(
  texts: readonly NamedBlob[],
  tables: readonly NamedBlob[],
): Promise<readonly PairFile[]> {
  const files: PairFile[] = [];
  const targets = texts.filter((f) => TARGET.test(f.name));
  for (const file of texts) {
    if (TARGET.test(file.name)) continue;
    if (SOURCE.test(file.name)) files.push(await readTwo(file, targets));
    else if (/\.(jsonl|ndjson)$/i.test(file.name)) files.push(await readLines(file));
    else files.push(await readPlain(file));
  }
  const sources = texts.filter((f) => SOURCE.test(f.name)).map((f) => f.name.replace(SOURCE, ''));
  const alone = targets.find((t) => !sources.includes(t.name.replace(TARGET, '')));
  if (alone) {
    throw new DataError(
      `“${alone.name}” has no source beside it. Drop the file of the same name with “source” (or .src) for “target” too.`,
    );
  }
  for (const table of tables) files.push(await readTable(table));
  return files;
}

const textOf = async (file: NamedBlob) => decodeText(new Uint8Array(await file.arrayBuffer()), file.name);
const linesOf = (text: string) => text.replace(/\r?\n$/, '').split(/\r?\n/);

async function readTwo(file: NamedBlob, targets: readonly NamedBlob[]): Promise<PairFile> {
  const stem = file.name.replace(SOURCE, '');
  const other = targets.find((t) => t.name.replace(TARGET, '') === stem);
  if (!other) {
    throw new DataError(
      `“${file.name}” has no target beside it. Drop the file of the same name with “target” (or .tgt) for “source” too.`,
    );
  }
  const [left, right] = [await textOf(file), await textOf(other)];
  const [a, b] = [linesOf(left.text), linesOf(right.text)];
  if (a.length !== b.length) {
    throw new DataError(
      `“${file.name}” has ${a.length} lines and “${other.name}” has ${b.length}. Each line must have its counterpart.`,
    );
  }
  const pairs = a.map((source, k) => ({ source, target: b[k] }));
  return { split: splitOf(file.name), pairs: whole(pairs), notes: [...left.notes, ...right.notes] };
}

async function readLines(file: NamedBlob): Promise<PairFile> {
  const { text, notes } = await textOf(file);
  const pairs: TextPair[] = [];
  let keys: Keys | undefined;
  text.split('\n').forEach((row, k) => {
    if (row.trim() === '') return;
    const record = parseRecord(row, k + 1, file.name);
    keys ??= keysOf(record);
    const inner = keys?.within === undefined ? record : record[keys.within];
    const [source, target] = [keys?.source, keys?.target].map(
      (key) => (inner as Record<string, unknown> | undefined)?.[key ?? ''],
    );
    if (typeof source !== 'string' || typeof target !== 'string') {
      throw new DataError(
        `Line ${k + 1} of “${file.name}” has no two texts${keys ? ` “${keys.source}” and “${keys.target}”` : ''}. Give each record the fields “source” and “target”.`,
      );
    }
    pairs.push({ source, target });
  });
  if (!keys) throw new DataError(`“${file.name}” has no record. Give one JSON object a line.`);
  const said =
    keys.source === keys.target
      ? onBothSides(file.name)
      : `Of “${file.name}”, “${keys.source}” is what goes in and “${keys.target}” what is to come out.`;
  return { split: splitOf(file.name), pairs: whole(pairs), notes: [...notes, said] };
}

interface Keys {
  readonly within?: string;
  readonly source: string;
  readonly target: string;
}

function keysOf(record: Readonly<Record<string, unknown>>): Keys | undefined {
  const known = SIDES.find(([a, b]) => typeof record[a] === 'string' && typeof record[b] === 'string');
  if (known) return { source: known[0], target: known[1] };
  for (const [within, inner] of Object.entries(record)) {
    if (typeof inner !== 'object' || inner === null || Array.isArray(inner)) continue;
    const strings = Object.entries(inner).filter(([, v]) => typeof v === 'string');
    if (strings.length >= 2) return { within, source: strings[0][0], target: strings[1][0] };
  }
  const strings = Object.keys(record).filter((key) => typeof record[key] === 'string');
  if (strings.length === 1) return { source: strings[0], target: strings[0] };
  return strings.length >= 2 ? { source: strings[0], target: strings[1] } : undefined;
}

async function readTable(table: NamedBlob): Promise<PairFile> {
  const { text, notes } = await textOf(table);
  const rows = parseRows(text, table.name.toLowerCase().endsWith('.tsv') ? '\t' : ',', table.name);
  const heading = rows[0]?.fields.map((f) => f.trim().toLowerCase()) ?? [];
  const known = TABLE_SIDES.find(([a, b]) => heading.includes(a) && heading.includes(b));
  const [from, to] = known ? known.map((side) => heading.indexOf(side)) : [0, 1];
  const pairs = rows.slice(known ? 1 : 0).map(({ fields, line }) => {
    const [source, target] = [fields[from], fields[to]];
    if (source === undefined || target === undefined) {
      throw new DataError(
        `Line ${line} of “${table.name}” has one column. Give a text and its counterpart a line, in quotes where they hold a comma, or parted by tabs in a .tsv.`,
      );
    }
    return { source, target };
  });
  return { split: splitOf(table.name), pairs: whole(pairs), notes };
}

async function readPlain(file: NamedBlob): Promise<PairFile> {
  const { text, notes } = await textOf(file);
  const pairs = linesOf(text).map((line) => ({ source: line, target: line }));
  return { split: splitOf(file.name), pairs: whole(pairs), notes: [...notes, onBothSides(file.name)] };
}

function onBothSides(name: string): string {
  return `“${name}” has no counterparts: each line is both what goes in and what is to come out. Scores then compare models, and say little of how good they are.`;
}

/** Pairs with something on both sides. */
function whole(pairs: readonly TextPair[]): TextPair[] {
  return pairs
    .map(({ source, target }) => ({ source: source.trim(), target: target.trim() }))
    .filter(({ source, target }) => source !== '' && target !== '');
}
