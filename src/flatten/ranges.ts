/** Reads many small ranges of a file with few reads: neighbours come together. */
import type { ByteRange } from '../onnx/types.ts';
import { readRange } from '../onnx/wire.ts';

const LARGEST_READ = 8 << 20;
/** Bytes between two ranges that are read along rather than skipped. */
const GAP = 4096;

/** The bytes of each range, by its start. @throws OnnxError `unreadable` */
export async function readRanges(
  source: Blob,
  ranges: readonly ByteRange[],
): Promise<ReadonlyMap<number, Uint8Array<ArrayBuffer>>> {
  const sorted = [...ranges].sort((a, b) => a.start - b.start);
  const bytes = new Map<number, Uint8Array<ArrayBuffer>>();
  for (let first = 0; first < sorted.length; ) {
    let last = first;
    let { end } = sorted[first];
    const { start } = sorted[first];
    while (last + 1 < sorted.length) {
      const next = sorted[last + 1];
      if (next.start > end + GAP || next.end - start > LARGEST_READ) break;
      last++;
      end = Math.max(end, next.end);
    }
    const read = await readRange(source, start, end);
    for (const range of sorted.slice(first, last + 1)) {
      bytes.set(range.start, read.subarray(range.start - start, range.end - start));
    }
    first = last + 1;
  }
  return bytes;
}
