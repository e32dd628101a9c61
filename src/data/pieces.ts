/**
 * Cuts a long text into pieces that can be encoded one by one.
 *
 * Why: a tokenizer encodes a text in one go, in which a worker answers nothing and memory grows with the text.
 *
 * A piece ends after a line's end, preferably one between two lines with no blank before or after it: there the
 * pre-tokenizers of the common byte-level and word-piece tokenizers cut anyway, and the tokens are those of the whole
 * text (see pieces.test.ts). Where a tokenizer marks the beginning of a text (SentencePiece's ▁), each piece after
 * the first may begin with one token more or another one: one in some 100,000. A text with no line's end is cut
 * before a space; with neither it stays whole.
 */

/** Characters of a piece: some tenths of a second to encode. */
export const PIECE_LENGTH = 1 << 18;

/**
 * @param length least characters of a piece, but for the last
 * @returns pieces that joined are the text
 */
export function cutPieces(text: string, length = PIECE_LENGTH): string[] {
  const pieces: string[] = [];
  let start = 0;
  while (text.length - start > length) {
    const end = cutAfter(text, start + length, start + 2 * length);
    if (end === undefined) break;
    pieces.push(text.slice(start, end));
    start = end;
  }
  pieces.push(text.slice(start));
  return pieces;
}

/** Where to cut at or after `from`: the best kind of place before `by`, else the first of any kind. */
function cutAfter(text: string, from: number, by: number): number | undefined {
  const place = (pattern: RegExp, within: number): number | undefined => {
    pattern.lastIndex = from - 1;
    const match = pattern.exec(text);
    if (!match) return undefined;
    const at = match.index + match[0].length;
    return at <= within && at < text.length ? at : undefined;
  };
  return (
    place(/\S\r?\n(?=\S)/g, by) ??
    place(/\n/g, by) ??
    place(/\S(?= \S)/g, by) ??
    place(/\n/g, text.length) ??
    place(/\S(?= \S)/g, text.length)
  );
}
