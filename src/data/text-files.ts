/**
 * Text out of files: plain text, or one JSON object a line (.jsonl, .ndjson).
 *
 * Plain text is taken as it is, line ends included; only a byte order mark is left out. It is UTF-8 unless a mark
 * says UTF-16; bytes that are no UTF-8 are read as Windows-1252, and that is told. Of JSON lines the field “text” is
 * taken or, without one, the first field of the first object that is a string; the records follow each other with a
 * blank line between them, as one text.
 */
import { DataError } from './errors.ts';
import type { NamedBlob } from './files.ts';

export interface PlainText {
  readonly text: string;
  /** Sentences. */
  readonly notes: readonly string[];
}

/** @throws DataError for what is no text */
export async function readText(file: NamedBlob): Promise<PlainText> {
  const plain = decodeText(new Uint8Array(await file.arrayBuffer()), file.name);
  return /\.(jsonl|ndjson)$/i.test(file.name) ? joinRecords(plain, file.name) : plain;
}

/** Bytes as text, whatever their encoding. @throws DataError for what is no text */
export function decodeText(bytes: Uint8Array, name: string): PlainText {
  if (bytes[0] === 0xff && bytes[1] === 0xfe)
    return { text: new TextDecoder('utf-16le').decode(bytes), notes: [] };
  if (bytes[0] === 0xfe && bytes[1] === 0xff)
    return { text: new TextDecoder('utf-16be').decode(bytes), notes: [] };
  if (bytes.subarray(0, 65_536).includes(0)) {
    throw new DataError(`“${name}” is not text: it has zero bytes. Drop plain text in UTF-8.`);
  }
  try {
    return { text: new TextDecoder('utf-8', { fatal: true }).decode(bytes), notes: [] };
  } catch {
    return {
      text: new TextDecoder('windows-1252').decode(bytes),
      notes: [`“${name}” is not UTF-8; it was read as Windows-1252.`],
    };
  }
}

function joinRecords({ text, notes }: PlainText, name: string): PlainText {
  const records: string[] = [];
  let field: string | undefined;
  text.split('\n').forEach((row, k) => {
    if (row.trim() === '') return;
    const record = parseRecord(row, k + 1, name);
    field ??= fieldOf(record);
    const value = field === undefined ? undefined : record[field];
    if (typeof value !== 'string') {
      throw new DataError(
        field === undefined
          ? `Line ${k + 1} of “${name}” has no field that is a string. Give each record a field “text”.`
          : `Line ${k + 1} of “${name}” has no text in its field “${field}”. Leave the line out, or add it.`,
      );
    }
    records.push(value);
  });
  if (field === undefined) throw new DataError(`“${name}” has no record. Give one JSON object a line.`);
  const count = records.length === 1 ? 'the one record' : `${records.length} records`;
  return {
    text: records.join('\n\n'),
    notes: [
      ...notes,
      `Of “${name}” the field “${field}” is read: ${count}, joined by blank lines into one text.`,
    ],
  };
}

/** One line of JSON. @throws DataError for what is no object */
export function parseRecord(row: string, line: number, name: string): Record<string, unknown> {
  let record: unknown;
  try {
    record = JSON.parse(row);
  } catch {
    throw new DataError(`Line ${line} of “${name}” is not valid JSON. Give one JSON object a line.`);
  }
  if (typeof record === 'string') return { text: record };
  if (typeof record !== 'object' || record === null || Array.isArray(record)) {
    throw new DataError(`Line ${line} of “${name}” is not a JSON object. Give one JSON object a line.`);
  }
  return record as Record<string, unknown>;
}

function fieldOf(record: Record<string, unknown>): string | undefined {
  if (typeof record.text === 'string') return 'text';
  return Object.keys(record).find((key) => typeof record[key] === 'string');
}
