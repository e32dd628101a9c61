/**
 * Splices: replaces ranges of nested messages, keeps every other byte, and corrects the enclosing lengths.
 *
 * Why: an edit deep in a file changes the length of each message around it and nothing else. This module knows the
 * nesting (frames) and not what is in it; `writer.ts` says what to replace.
 */

import type { Chunk } from './encode.ts';
import { byteCount, join, varint } from './encode.ts';
import type { ByteRange, ComposedFile } from './types.ts';
import { type Frame, readRange } from './wire.ts';

/** Bytes that `toStream` reads and yields at a time. */
const STREAM_CHUNK = 4 << 20;
/** New bytes up to this size are copied together; larger ones stay parts of their own. */
const SMALL = 64 << 10;
/** Ranges that are no further apart are read together. */
const NEAR = 64 << 10;

/** A piece of the new file: a range of the source, or new bytes. */
type Piece = ByteRange | Chunk;

/** What replaces a range: new bytes (none = dropped), or a message that is itself spliced. */
type Content = readonly Chunk[] | Frame;

interface Splice {
  readonly end: number;
  readonly content: Content;
}

interface MessagePlan {
  /** By the first byte of what is replaced. */
  readonly splices: Map<number, Splice>;
  readonly appended: Chunk[];
}

/** The edits of a file, collected message by message. */
export class Composition {
  private readonly plans = new Map<Frame, MessagePlan>();
  /** Fields that stand right behind a message. */
  private readonly behind = new Map<Frame, Chunk[]>();

  /** @param always a message that is written anew even where nothing in it changes. */
  constructor(
    private readonly source: Blob,
    private readonly always: Frame,
  ) {
    this.planOf(always);
  }

  /** Replaces bytes [start, end) of the payload of `frame`; an empty list drops them. */
  replace(frame: Frame, start: number, end: number, content: readonly Chunk[]): void {
    this.planOf(frame).splices.set(start, { end, content });
  }

  /** Drops a whole message, edits in it included. */
  drop(frame: Frame): void {
    if (frame.parent) this.replace(frame.parent, frame.start, frame.end, []);
  }

  /** Adds fields at the end of the payload of `frame`. */
  append(frame: Frame, chunks: readonly Chunk[]): void {
    this.planOf(frame).appended.push(...chunks);
  }

  /** Adds fields right behind a message, in the one that it stands in. */
  insertBehind(frame: Frame, chunks: readonly Chunk[]): void {
    this.planOf(frame);
    this.behind.set(frame, [...(this.behind.get(frame) ?? []), ...chunks]);
  }

  /** The plan of a message; the messages around it are then written anew, too. */
  private planOf(frame: Frame): MessagePlan {
    const known = this.plans.get(frame);
    if (known) return known;
    const plan: MessagePlan = { splices: new Map(), appended: [] };
    this.plans.set(frame, plan);
    if (frame.parent) {
      const around = this.planOf(frame.parent).splices;
      if (!around.has(frame.start)) around.set(frame.start, { end: frame.end, content: frame });
    }
    return plan;
  }

  /** The composed file. */
  finish(): ComposedFile {
    let root = this.always;
    while (root.parent) root = root.parent;
    const { start, body, end } = this.always;
    const { source } = this;
    const { pieces, size } = this.body(root);
    let gathered: (Blob | Uint8Array)[] | undefined;
    const parts = () => (gathered ??= gather(source, pieces, new Set([start, body, end])));
    const toBlob = () => new Blob(parts() as BlobPart[]);
    return {
      get parts() {
        return parts();
      },
      size,
      toBlob,
      toBytes: () => readTogether(source, pieces, size),
      toStream: () => streamOf(toBlob()),
    };
  }

  /** The new payload of a message. */
  private body(frame: Frame): { pieces: Piece[]; size: number } {
    const plan = this.plans.get(frame);
    if (!plan) return { pieces: [{ start: frame.body, end: frame.end }], size: frame.end - frame.body };
    const pieces: Piece[] = [];
    let size = 0;
    let at = frame.body;
    const keep = (until: number) => {
      if (until > at) pieces.push({ start: at, end: until });
      size += until - at;
    };
    for (const [start, { end, content }] of [...plan.splices].sort(([a], [b]) => a - b)) {
      keep(start);
      at = end;
      const added =
        'label' in content ? this.message(content) : { pieces: content, size: byteCount(content) };
      const behind = ('label' in content && this.behind.get(content)) || [];
      for (const piece of [...added.pieces, ...behind]) pieces.push(piece);
      size += added.size + byteCount(behind);
    }
    keep(frame.end);
    for (const chunk of plan.appended) pieces.push(chunk);
    return { pieces, size: size + byteCount(plan.appended) };
  }

  /** A message with tag and length, which is kept as it was written where it still is right. */
  private message(frame: Frame): { pieces: Piece[]; size: number } {
    const body = this.body(frame);
    if (body.size === frame.end - frame.body) {
      const size = frame.body - frame.start + body.size;
      return { pieces: [{ start: frame.start, end: frame.body }, ...body.pieces], size };
    }
    const length = varint(body.size);
    const size = frame.lengthAt - frame.start + length.length + body.size;
    return { pieces: [{ start: frame.start, end: frame.lengthAt }, length, ...body.pieces], size };
  }
}

/** Joins neighbouring ranges (but not across `cuts`) and neighbouring small bytes into parts. */
function gather(source: Blob, pieces: readonly Piece[], cuts: ReadonlySet<number>): (Blob | Uint8Array)[] {
  const parts: (Blob | Uint8Array)[] = [];
  let range: ByteRange | undefined;
  let small: Uint8Array[] = [];
  const flush = () => {
    if (range) parts.push(source.slice(range.start, range.end));
    if (small.length > 0) parts.push(small.length === 1 ? small[0] : join(small));
    range = undefined;
    small = [];
  };
  for (const piece of pieces) {
    if (piece instanceof Uint8Array) {
      if (piece.byteLength === 0) continue;
      if (range || piece.byteLength > SMALL) flush();
      if (piece.byteLength > SMALL) parts.push(piece);
      else small.push(piece);
    } else if (piece instanceof Blob) {
      flush();
      if (piece.size > 0) parts.push(piece);
    } else {
      if (piece.end === piece.start) continue;
      if (range?.end === piece.start && !cuts.has(piece.start))
        range = { start: range.start, end: piece.end };
      else {
        flush();
        range = piece;
      }
    }
  }
  flush();
  return parts;
}

/** All pieces in one buffer, by few reads: asking a Blob for each of many small ranges takes longer than reading them. */
async function readTogether(
  source: Blob,
  pieces: readonly Piece[],
  size: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const ranges = pieces.filter((piece): piece is ByteRange => 'start' in piece && piece.end > piece.start);
  const spans: { readonly start: number; end: number }[] = [];
  const spanOf = new Map<Piece, number>();
  for (const range of ranges.sort((a, b) => a.start - b.start)) {
    const last = spans.at(-1);
    if (last && range.start - last.end <= NEAR) last.end = Math.max(last.end, range.end);
    else spans.push({ ...range });
    spanOf.set(range, spans.length - 1);
  }
  const read = await Promise.all(spans.map(({ start, end }) => readRange(source, start, end)));
  const out = new Uint8Array(size);
  let at = 0;
  for (const piece of pieces) {
    if ('start' in piece) {
      const span = spanOf.get(piece);
      if (span === undefined) continue;
      const from = piece.start - spans[span].start;
      out.set(read[span].subarray(from, from + piece.end - piece.start), at);
      at += piece.end - piece.start;
    } else {
      const bytes = piece instanceof Uint8Array ? piece : await readRange(piece, 0, piece.size);
      out.set(bytes, at);
      at += bytes.byteLength;
    }
  }
  return out;
}

/** Reads a Blob in large chunks, on demand; cancelling stops reading. */
function streamOf(blob: Blob): ReadableStream<Uint8Array> {
  let at = 0;
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        if (at >= blob.size) return controller.close();
        const end = Math.min(at + STREAM_CHUNK, blob.size);
        controller.enqueue(await readRange(blob, at, end));
        at = end;
        if (at >= blob.size) controller.close();
      },
    },
    { highWaterMark: 1 },
  );
}
