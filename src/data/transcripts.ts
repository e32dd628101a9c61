/**
 * What is said in recordings: a table or JSON lines of a file and its text, or a .txt of the recording's own name.
 *
 * Known limits: a recording is found by its path or, where only one has it, its name; with or without its ending.
 */
import { parseRows } from './csv.ts';
import { DataError } from './errors.ts';
import { type NamedBlob, pathOf } from './files.ts';
import { decodeText, parseRecord } from './text-files.ts';

const FILES = ['file', 'file_name', 'filename', 'path', 'audio', 'audio_filepath', 'name', 'id'];
const TEXTS = ['text', 'transcript', 'transcription', 'sentence', 'normalized_text'];

/**
 * @returns a text for each recording, in their order, or undefined where there are none at all
 * @throws DataError where some have a text and others have none
 */
export async function readTranscripts(
  recordings: readonly NamedBlob[],
  texts: readonly NamedBlob[],
  tables: readonly NamedBlob[],
): Promise<readonly string[] | undefined> {
  const known = new Map<string, string>();
  const add = (file: string, text: string) => {
    const path = file.replaceAll('\\', '/').replace(/^(\.?\/)+/, '');
    known.set(stemOf(path), text.trim());
  };
  for (const table of tables) await readTable(table, add);
  for (const file of texts) {
    const { text } = decodeText(new Uint8Array(await file.arrayBuffer()), file.name);
    if (!/\.(jsonl|ndjson)$/i.test(file.name)) add(pathOf(file), text);
    else readRecords(text, file.name, add);
  }
  if (known.size === 0) return undefined;
  const names = new Map([...known].map(([stem, text]) => [stem.split('/').at(-1)!, text]));
  const found = recordings.map((file) => {
    const stem = stemOf(pathOf(file));
    return known.get(stem) ?? names.get(stem.split('/').at(-1)!);
  });
  if (found.every((text) => text === undefined)) return undefined;
  const without = found.indexOf(undefined);
  if (without >= 0) {
    throw new DataError(
      `“${recordings[without].name}” has no transcript, but others have. Add it to the table of files and texts, or leave the recording out.`,
    );
  }
  return found as string[];
}

function stemOf(path: string): string {
  return path.replace(/\.[^./]*$/, '').toLowerCase();
}

async function readTable(table: NamedBlob, add: (file: string, text: string) => void): Promise<void> {
  const { text } = decodeText(new Uint8Array(await table.arrayBuffer()), table.name);
  const rows = parseRows(text, table.name.toLowerCase().endsWith('.tsv') ? '\t' : ',', table.name);
  const heading = rows[0]?.fields.map((f) => f.trim().toLowerCase()) ?? [];
  const [fileAt, textAt] = [FILES, TEXTS].map((names) => heading.findIndex((h) => names.includes(h)));
  const headed = fileAt >= 0 && textAt >= 0;
  for (const { fields, line } of rows.slice(headed ? 1 : 0)) {
    const [file, said] = headed ? [fields[fileAt], fields[textAt]] : fields;
    if (file === undefined || said === undefined) {
      throw new DataError(
        `Line ${line} of “${table.name}” has one column: give a recording and its text a line, as in clip-1.wav,“Good morning.”`,
      );
    }
    add(file.trim(), said);
  }
}

function readRecords(text: string, name: string, add: (file: string, text: string) => void): void {
  text.split('\n').forEach((row, k) => {
    if (row.trim() === '') return;
    const record = parseRecord(row, k + 1, name);
    const [file, said] = [FILES, TEXTS].map((keys) => record[keys.find((key) => key in record) ?? '']);
    if (typeof file !== 'string' || typeof said !== 'string') {
      throw new DataError(
        `Line ${k + 1} of “${name}” has no recording and text. Give each record the fields “file” and “text”.`,
      );
    }
    add(file, said);
  });
}
