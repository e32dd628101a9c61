/**
 * Tables of labels: `file,label` a line, with or without a heading; tabs where the file ends in .tsv.
 *
 * Fields may be quoted ("" stands for a quote); line ends may be of any kind. Source: RFC 4180.
 */
import { DataError } from './errors.ts';
import type { NamedBlob } from './files.ts';

export interface LabelRow {
  readonly file: string;
  readonly label: string;
  /** In the file, from 1. */
  readonly line: number;
}

const FILE_HEADINGS = ['file', 'filename', 'file_name', 'image', 'path', 'name'];
const LABEL_HEADINGS = ['label', 'class', 'target', 'category'];

/** @throws DataError for a table without files and labels */
export async function readLabelTable(table: NamedBlob): Promise<readonly LabelRow[]> {
  const rows = parseRows(
    await table.text(),
    table.name.toLowerCase().endsWith('.tsv') ? '\t' : ',',
    table.name,
  );
  if (rows.length === 0) throw new DataError(`“${table.name}” is empty. Give a file and its label a line.`);
  const heading = rows[0].fields.map((f) => f.trim().toLowerCase());
  const [fileAt, labelAt] = [FILE_HEADINGS, LABEL_HEADINGS].map((names) =>
    heading.findIndex((h) => names.includes(h)),
  );
  const headed = fileAt >= 0 && labelAt >= 0;
  const [f, l] = headed ? [fileAt, labelAt] : [0, 1];
  return rows.slice(headed ? 1 : 0).map(({ fields, line }) => {
    const [file, label] = [fields[f]?.trim() ?? '', fields[l]?.trim() ?? ''];
    if (file === '' || label === '') {
      throw new DataError(
        `Line ${line} of “${table.name}” has no ${file === '' ? 'file' : 'label'}: give a file and its label a line, as in cat-1.png,cat.`,
      );
    }
    return { file: file.replaceAll('\\', '/').replace(/^(\.?\/)+/, ''), label, line };
  });
}

/** The rows of a table that are not empty. @throws DataError for a quote that is not closed */
export function parseRows(
  text: string,
  separator: string,
  name: string,
): { fields: string[]; line: number }[] {
  const rows: { fields: string[]; line: number }[] = [];
  let fields: string[] = [];
  let field = '';
  let line = 1;
  let started = 1;
  let quoted = false;
  const endRow = () => {
    fields.push(field);
    if (fields.length > 1 || fields[0].trim() !== '') rows.push({ fields, line: started });
    fields = [];
    field = '';
    started = line;
  };
  for (let k = 0; k < text.length; k++) {
    const c = text[k];
    const newline = c === '\n' || (c === '\r' && text[k + 1] !== '\n');
    if (newline) line++;
    if (quoted) {
      if (c !== '"') field += c;
      else if (text[k + 1] === '"') field += text[++k];
      else quoted = false;
    } else if (c === '"' && field.trim() === '') {
      quoted = true;
      field = '';
    } else if (c === separator) {
      fields.push(field);
      field = '';
    } else if (newline) endRow();
    else if (c !== '\r') field += c;
  }
  if (quoted)
    throw new DataError(
      `“${name}” has a quote that is not closed, in the row that begins at line ${started}.`,
    );
  endRow();
  return rows;
}
