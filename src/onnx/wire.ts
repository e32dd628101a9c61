/**
 * A cursor over the protobuf wire format that sees the file through one small window.
 *
 * Why: a model of gigabytes must be scanned in megabytes of memory, and without an async hop for each of its
 * hundreds of thousands of fields. Parsers are generators: they ask `need(n)` and yield only where the window does
 * not hold the next n bytes; `drive` then reads on. Everything between two yields is synchronous.
 *
 * Format: https://protobuf.dev/programming-guides/encoding/. Offsets are absolute bytes of the file.
 * Known limits: groups (wire types 3 and 4) are refused, onnx.proto3 has none.
 */

import { FIRST_WINDOW, LAST_WINDOW, MAX_ALL_TEXT, MAX_ELEMENTS, MAX_FIELDS, MAX_TEXT } from './limits.ts';
import type { ByteRange } from './types.ts';
import { OnnxError } from './types.ts';

export const Wire = { varint: 0, fixed64: 1, bytes: 2, fixed32: 5 } as const;

/** Bytes that a tag with a length or a scalar value takes at most. */
export const HEADER = 20;

/** A parser that pauses where more of the file is needed. */
export type Step<T> = Generator<void, T, void>;

/** A message: where it stands in the file, and in which other message. Kept as the layout that the writer edits. */
export interface Frame {
  /** What it is, for messages: "a node". */
  readonly label: string;
  readonly parent: Frame | null;
  /** First byte of the tag. */
  readonly start: number;
  /** First byte of the length. */
  readonly lengthAt: number;
  /** First byte of the payload. */
  readonly body: number;
  /** End of the payload. */
  readonly end: number;
}

export function fieldRange(frame: Frame): ByteRange {
  return { start: frame.start, end: frame.end };
}

export function bodyRange(frame: Frame): ByteRange {
  return { start: frame.body, end: frame.end };
}

const DAMAGED = 'the file is damaged or was cut short, so export or download it again';

export class WireCursor {
  /** Next byte to read. */
  pos = 0;
  /** Of the field whose header was read last: its number, wire type, first byte, and for bytes the payload's end. */
  field = 0;
  wire = 0;
  start = 0;
  lengthAt = 0;
  end = 0;

  private window = new Uint8Array(0);
  private view = new DataView(this.window.buffer);
  private windowStart = 0;
  private wanted = 0;
  private nextWindow = FIRST_WINDOW;
  private elements = 0;
  private fields = 0;
  private textBytes = 0;
  private lo = 0;
  private hi = 0;
  private readonly decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

  constructor(
    private readonly source: Blob,
    readonly size = source.size,
  ) {}

  /** A cursor over bytes in memory that stand at `offset` of the file; it never needs more. */
  static over(bytes: Uint8Array<ArrayBuffer>, offset: number): WireCursor {
    const cursor = new WireCursor(new Blob([]), offset + bytes.length);
    cursor.setWindow(bytes, offset);
    cursor.pos = offset;
    return cursor;
  }

  /** True where the window lacks some of the next `count` bytes that the file has: yield, then go on. */
  need(count: number): boolean {
    const last = Math.min(this.pos + count, this.size);
    if (this.pos >= this.windowStart && last <= this.windowStart + this.window.length) return false;
    this.wanted = last - this.pos;
    return true;
  }

  /** Reads the window that the last `need` asked for. */
  async fill(): Promise<void> {
    const windowEnd = this.windowStart + this.window.length;
    const inSequence = this.pos >= this.windowStart && this.pos <= windowEnd;
    this.nextWindow = inSequence ? Math.min(this.nextWindow * 2, LAST_WINDOW) : FIRST_WINDOW;
    const stop = Math.min(this.size, this.pos + Math.max(this.wanted, this.nextWindow));
    this.setWindow(await readRange(this.source, this.pos, stop), this.pos);
  }

  private setWindow(bytes: Uint8Array<ArrayBuffer>, start: number): void {
    this.window = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.windowStart = start;
  }

  /** Reads the header of the next field of `frame`. Needs HEADER bytes. */
  header(frame: Frame): void {
    this.start = this.pos;
    if (++this.fields > MAX_FIELDS) throw this.tooLarge('fields', MAX_FIELDS);
    const tag = this.unsigned(frame);
    this.field = Math.floor(tag / 8);
    this.wire = tag % 8;
    if (this.field < 1 || this.field >= 2 ** 29) {
      throw new OnnxError(
        'bad-wire-type',
        `A field of ${frame.label} at byte ${this.start} has the number ${this.field}, which protobuf does not allow; ${DAMAGED}.`,
        this.start,
      );
    }
    if (this.wire === Wire.bytes) {
      this.lengthAt = this.pos;
      const length = this.unsigned(frame);
      this.end = this.pos + length;
      if (length > frame.end - this.pos) throw this.tooLong(frame, length);
    } else if (this.wire === Wire.varint || this.wire === Wire.fixed64 || this.wire === Wire.fixed32) {
      this.end = this.pos;
    } else {
      throw new OnnxError(
        'bad-wire-type',
        `Field ${this.field} of ${frame.label} at byte ${this.start} has wire type ${this.wire}, which ONNX does not use; ${DAMAGED}.`,
        this.start,
      );
    }
  }

  /** @throws OnnxError `bad-wire-type` where the field just begun is not stored as its type is. */
  expect(wire: number, frame: Frame): void {
    if (this.wire === wire) return;
    throw new OnnxError(
      'bad-wire-type',
      `Field ${this.field} of ${frame.label} at byte ${this.start} has wire type ${this.wire} where ${wire} was expected; ${DAMAGED}.`,
      this.start,
    );
  }

  /** Moves past the value of the field just begun. */
  skip(frame: Frame): void {
    if (this.wire === Wire.bytes) this.pos = this.end;
    else if (this.wire === Wire.varint) this.varint(frame);
    else this.take(this.wire === Wire.fixed32 ? 4 : 8, frame);
  }

  /** Opens the message that is the payload of the field just begun; it counts as `cost` elements. */
  enter(parent: Frame, label: string, cost: number): Frame {
    this.expect(Wire.bytes, parent);
    this.charge(cost);
    return { label, parent, start: this.start, lengthAt: this.lengthAt, body: this.pos, end: this.end };
  }

  /** Counts parsed structure. @throws OnnxError `too-large` */
  charge(count: number): void {
    this.elements += count;
    if (this.elements > MAX_ELEMENTS) throw this.tooLarge('elements', MAX_ELEMENTS);
  }

  /** Begins a text field; true where the window lacks it. */
  textMissing(frame: Frame): boolean {
    this.expect(Wire.bytes, frame);
    const length = this.end - this.pos;
    if (length > MAX_TEXT) {
      throw new OnnxError(
        'too-large',
        `Field ${this.field} of ${frame.label} at byte ${this.start} is a text of ${length} bytes, over the limit of ${MAX_TEXT}; shorten the names in the model.`,
        this.start,
      );
    }
    this.charge(1);
    this.textBytes += length;
    if (this.textBytes > MAX_ALL_TEXT) throw this.tooLarge('bytes of text', MAX_ALL_TEXT);
    return this.need(length);
  }

  /** The text field begun with `textMissing`. @throws OnnxError `bad-text` where it is not UTF-8. */
  text(frame: Frame): string {
    const text = this.bytesAsText();
    if (text !== undefined) return text;
    throw new OnnxError(
      'bad-text',
      `Field ${this.field} of ${frame.label} at byte ${this.start} is not UTF-8 text; ${DAMAGED}.`,
      this.start,
    );
  }

  /** As `text`, for fields that may hold any bytes: `undefined` where they are not UTF-8. */
  bytesAsText(): string | undefined {
    const from = this.pos - this.windowStart;
    const bytes = this.window.subarray(from, from + this.end - this.pos);
    this.pos = this.end;
    try {
      return this.decoder.decode(bytes);
    } catch {
      return undefined;
    }
  }

  /** A varint as a signed 64-bit integer; beyond 2^53 it loses precision. */
  signed(frame: Frame): number {
    this.varint(frame);
    return (this.hi | 0) * 2 ** 32 + this.lo;
  }

  /** A varint as an unsigned 64-bit integer; beyond 2^53 it loses precision. */
  unsigned(frame: Frame): number {
    this.varint(frame);
    return this.hi * 2 ** 32 + this.lo;
  }

  /** A varint as a signed 32-bit integer (int32 and enum fields). */
  int32(frame: Frame): number {
    this.varint(frame);
    return this.lo | 0;
  }

  /** The low 64 bits of a varint, exactly: [low, high] words land in `out[at]`, `out[at + 1]`. */
  words(frame: Frame, out: Uint32Array, at: number): void {
    this.varint(frame);
    out[at] = this.lo;
    out[at + 1] = this.hi;
  }

  float32(frame: Frame): number {
    return this.view.getFloat32(this.take(4, frame), true);
  }

  /** A copy of the next `count` bytes, which must be in the window. */
  copyInto(out: Uint8Array, at: number, count: number, frame: Frame): void {
    const from = this.take(count, frame);
    out.set(this.window.subarray(from, from + count), at);
  }

  /** Moves past `count` bytes of `frame`; their index in the window. */
  private take(count: number, frame: Frame): number {
    const index = this.pos - this.windowStart;
    if (count > frame.end - this.pos) throw this.cut(frame);
    this.pos += count;
    return index;
  }

  private varint(frame: Frame): void {
    const window = this.window;
    const from = this.pos - this.windowStart;
    const room = Math.min(frame.end - this.pos, 10);
    this.lo = 0;
    this.hi = 0;
    for (let i = 0; i < room; i++) {
      const byte = window[from + i];
      const bits = byte & 0x7f;
      if (i < 4) this.lo = (this.lo | (bits << (7 * i))) >>> 0;
      else if (i === 4) {
        this.lo = (this.lo | (bits << 28)) >>> 0;
        this.hi = bits >>> 4;
      } else this.hi = (this.hi | (bits << (7 * i - 32))) >>> 0;
      if (byte < 0x80) {
        this.pos += i + 1;
        return;
      }
    }
    if (room < 10) throw this.cut(frame);
    throw new OnnxError(
      'bad-varint',
      `A number in ${frame.label} at byte ${this.pos} is longer than the 10 bytes that protobuf allows; ${DAMAGED}.`,
      this.pos,
    );
  }

  private cut(frame: Frame): OnnxError {
    const code = frame.end >= this.size ? 'truncated' : 'bad-length';
    return new OnnxError(
      code,
      `The end of ${frame.label} at byte ${frame.end} cuts off the value at byte ${this.pos}; ${DAMAGED}.`,
      this.pos,
    );
  }

  private tooLong(frame: Frame, length: number): OnnxError {
    const code = frame.parent === null ? 'truncated' : 'bad-length';
    return new OnnxError(
      code,
      `Field ${this.field} of ${frame.label} at byte ${this.start} says that it is ${length} bytes long, but only ${frame.end - this.pos} are left; ${DAMAGED}.`,
      this.start,
    );
  }

  private tooLarge(what: string, limit: number): OnnxError {
    return new OnnxError(
      'too-large',
      `The model's structure has more than ${limit} ${what} by byte ${this.pos}, more than Layerfold opens; simplify the model before opening it.`,
      this.pos,
    );
  }
}

/** Runs a parser to its end, reading the file where it pauses. */
export async function drive<T>(cursor: WireCursor, steps: Step<T>): Promise<T> {
  for (;;) {
    const step = steps.next();
    if (step.done) return step.value;
    await cursor.fill();
  }
}

/**
 * Reads bytes [start, end) of a Blob.
 * @throws OnnxError `unreadable` where the file changed, moved or cannot be read; RangeError where memory is too short.
 */
export async function readRange(source: Blob, start: number, end: number): Promise<Uint8Array<ArrayBuffer>> {
  let reason = 'it gave fewer bytes than it has';
  try {
    const bytes = new Uint8Array(await source.slice(start, end).arrayBuffer());
    if (bytes.length === end - start) return bytes;
  } catch (error) {
    // Memory ran short, and nothing is wrong with the file.
    if (error instanceof RangeError) throw error;
    reason = error instanceof Error ? error.message : String(error);
  }
  throw new OnnxError(
    'unreadable',
    `The file could not be read at byte ${start} (${reason.replace(/\.$/, '')}); it may have been changed or moved, so open it again.`,
    start,
  );
}
