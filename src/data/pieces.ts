/**
 * Cuts a long text into pieces that can be encoded one by one.
 *
 * Why: a tokenizer encodes a text in one go, in which a worker answers nothing and memory grows with the text.
 *
 * The best place is between a letter and a line's end: there the pre-tokenizers of GPT-2, of its successors and of
 * BERT cut anyway, and look at nothing further on, so that the tokens are those of the whole text (text-files.test.ts).
 * Next is after a line's end, then before a space; there a token that would have crossed the cut becomes two. A
 * tokenizer that marks the beginning of a text (SentencePiece's ▁) may begin each piece after the first with one more
 * token. Either way that is one token in some 50,000. A text with neither lines nor spaces stays whole.
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
    const end = cutAt(text, start + length, start + 4 * length);
    if (end === undefined) break;
    pieces.push(text.slice(start, end));
    start = end;
  }
  pieces.push(text.slice(start));
  return pieces;
}

/** Where to cut at or after `from`: the best kind of place before `by`, else the first of any kind. */
function cutAt(text: string, from: number, by: number): number | undefined {
  const place = (pattern: RegExp, within: number): number | undefined => {
    pattern.lastIndex = from - 1;
    const match = pattern.exec(text);
    if (!match) return undefined;
    const at = match.index + match[0].length;
    return at <= within && at < text.length ? at : undefined;
  };
  const best = place(/\p{L}(?=\r?\n)/gu, by) ?? place(/\S\n(?=\S)/g, by);
  // A rest that is not much longer than a piece had better stay whole.
  if (best !== undefined || text.length <= by) return best;
  return (
    place(/\n/g, by) ??
    place(/\S(?= \S)/g, by) ??
    place(/\n/g, text.length) ??
    place(/\S(?= \S)/g, text.length)
  );
}
