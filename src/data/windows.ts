/**
 * Windows over a text's tokens: which tokens are fed together, and which of them are scored.
 *
 * Chunks do not overlap: each scores all of its tokens but its first. Strided windows are contextLength long and move
 * by `stride`; each scores the tokens that no window before it scored, so that most are predicted from at least
 * contextLength − stride tokens, and the text's every token but its first is scored exactly once. The exception is
 * stride = contextLength: there the first token of a window has nothing before it, in its window or in any other, so
 * it is not scored, and windows and scores are those of chunks. A text ends with a shorter window where it must;
 * nothing is padded.
 *
 * Source: the recipe for models of fixed length in the documentation of Hugging Face's transformers, with the
 * difference that the mean is taken over tokens, not over windows.
 */

/** A stretch of one text's tokens: start inclusive, end exclusive. */
export interface Span {
  readonly text: Int32Array;
  readonly start: number;
  readonly end: number;
}

export interface TokenWindow {
  readonly ids: Int32Array;
  /** First position in the window that is scored; at least 1. */
  readonly from: number;
}

/** A text in chunks of `length` tokens. A last token alone, which would predict nothing, is left out. */
export function cutChunks(text: Int32Array, length: number): Span[] {
  const chunks: Span[] = [];
  for (let start = 0; start + 1 < text.length; start += length) {
    chunks.push({ text, start, end: Math.min(start + length, text.length) });
  }
  return chunks;
}

/** Chunks that follow each other in one text, joined; the token that was left out at a text's end comes back. */
export function joinChunks(chunks: readonly Span[]): Span[] {
  const joined: Span[] = [];
  for (const { text, start, end: chunkEnd } of chunks) {
    const end = chunkEnd === text.length - 1 ? text.length : chunkEnd;
    const last = joined.at(-1);
    if (last?.text === text && last.end === start) joined[joined.length - 1] = { ...last, end };
    else joined.push({ text, start, end });
  }
  return joined;
}

export function chunkWindow({ text, start, end }: Span): TokenWindow {
  return { ids: text.subarray(start, end), from: 1 };
}

/** The windows of one stretch; see above. */
export function stridedWindows(span: Span, length: number, stride: number): TokenWindow[] {
  const windows: TokenWindow[] = [];
  let scored = span.start;
  for (let start = span.start; scored < span.end; start += stride) {
    const end = Math.min(start + length, span.end);
    const from = Math.max(scored, start + 1);
    if (from < end) windows.push({ ids: span.text.subarray(start, end), from: from - start });
    scored = end;
  }
  return windows;
}

/** Runs of windows of equal length, in order: a batch needs one length. */
export function groupByLength<T extends Pick<TokenWindow, 'ids'>>(windows: readonly T[]): T[][] {
  const groups: T[][] = [];
  for (const window of windows) {
    const last = groups.at(-1);
    if (last && last[0].ids.length === window.ids.length) last.push(window);
    else groups.push([window]);
  }
  return groups;
}
