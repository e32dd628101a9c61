/** Archives, unpacked by fflate and by our reader's rules (src/data/archive.ts), which share nothing with the writer. */
import { unzipSync } from 'fflate';
import { describe, expect, test } from 'vitest';
import { openZip } from '../data/archive.ts';
import { createRandom } from '../testing/random.ts';
import { named } from '../testing/safetensors-builder.ts';
import { zipBlob, zipOf } from './zip.ts';

const bytesOf = async (blob: Blob) => new Uint8Array(await blob.arrayBuffer());
/** Comparing megabytes element by element would take minutes. */
const isSame = (a: Uint8Array, b: Uint8Array) => Buffer.compare(a, b) === 0;
const random = createRandom(3);
const noise = (count: number) => Uint8Array.from({ length: count }, () => random.integer(256));

test('what went in comes out, stored', async () => {
  const contents: Record<string, Uint8Array<ArrayBuffer>> = {
    'model.onnx': noise(4_200_001),
    'onnx/größe.json': new TextEncoder().encode('{"a":1}'),
    empty: new Uint8Array(),
  };
  const seen: [number, number][] = [];
  const files = Object.entries(contents).map(([name, bytes]) => ({ name, blob: new Blob([bytes]) }));
  const blob = await zipBlob(files, (...progress) => seen.push(progress));
  expect(blob.size).toBe(zipOf(files).size);
  expect(seen.at(-1)).toEqual([blob.size, blob.size]);
  expect(seen.length).toBeGreaterThan(5);
  expect(seen.every(([written], k) => k === 0 || written > seen[k - 1][0])).toBe(true);
  const unzipped = unzipSync(await bytesOf(blob));
  expect(Object.keys(unzipped)).toEqual(Object.keys(contents));
  for (const [name, bytes] of Object.entries(unzipped)) expect(isSame(bytes, contents[name])).toBe(true);
  const entries = await openZip(named('x.zip', blob));
  expect(entries.map(({ name }) => name)).toEqual(Object.keys(contents));
  for (const entry of entries) expect(isSame(await entry.read(), contents[entry.name])).toBe(true);
});

test('the same files give the same bytes, whenever and wherever', async () => {
  const files = [
    { name: 'a', blob: new Blob(['x']) },
    { name: 'b', blob: new Blob(['y']), modified: new Date(2026, 10, 24, 13, 30, 8) },
  ];
  const zone = process.env.TZ;
  const made: Uint8Array[] = [];
  for (const tz of ['UTC', 'Pacific/Auckland']) {
    process.env.TZ = tz;
    made.push(await bytesOf(await zipBlob([files[0]])));
  }
  process.env.TZ = zone ?? '';
  if (zone === undefined) delete process.env.TZ;
  expect(made[1]).toEqual(made[0]);
  // MS-DOS: seconds by two in 5 bits, minutes in 6, hours in 5; day in 5, month in 4, years since 1980 in 7.
  const times = (bytes: Uint8Array) => {
    const view = new DataView(bytes.buffer);
    return [view.getUint16(10, true), view.getUint16(12, true)];
  };
  expect(times(made[0])).toEqual([0, 1 | (1 << 5)]);
  const dated = await bytesOf(await zipBlob([files[1]]));
  expect(times(dated)).toEqual([4 | (30 << 5) | (13 << 11), 24 | (11 << 5) | (46 << 9)]);
});

describe('streams', () => {
  /** A file whose slices are made when they are read: sizes that no test could hold. */
  function hollow(size: number, reads: number[] = []): Blob {
    const part = (start: number, end: number) =>
      ({
        size: end - start,
        arrayBuffer: async () => {
          reads.push(start);
          return new ArrayBuffer(end - start);
        },
      }) as Blob;
    return { size, slice: (start: number, end: number) => part(start, end) } as Blob;
  }

  test('nothing is read before it is asked for', async () => {
    const reads: number[] = [];
    const reader = zipOf([{ name: 'big', blob: hollow(2 ** 40, reads) }]).stream.getReader();
    await new Promise((resolve) => setTimeout(resolve, 10));
    expect(reads).toEqual([]);
    let bytes = 0;
    while (bytes < 8 << 20) bytes += (await reader.read()).value!.byteLength;
    expect(reads.length).toBeLessThanOrEqual(4);
    await reader.cancel();
  });

  test('sizes over 4 GB are predicted as zip64', () => {
    const size = 5 * 2 ** 30;
    // Headers of 30 and 46 bytes with the name, a descriptor of 24, an extra field of 28, ends of 56, 20 and 22.
    expect(zipOf([{ name: 'big', blob: hollow(size) }]).size).toBe(size + 30 + 3 + 24 + 46 + 3 + 28 + 98);
  });

  test('cancelling ends it with its reason', async () => {
    const stop = new AbortController();
    const files = [{ name: 'big', blob: hollow(2 ** 32) }];
    const made = zipBlob(files, (written) => written > 1e7 && stop.abort(new Error('enough')), stop.signal);
    await expect(made).rejects.toThrow('enough');
  });

  test('a file that has changed is named', async () => {
    const blob = {
      size: 5,
      slice: () => ({ size: 5, arrayBuffer: () => Promise.reject(new Error('gone')) }),
    };
    await expect(zipBlob([{ name: 'a.onnx', blob: blob as unknown as Blob }])).rejects.toThrow(
      '“a.onnx” could not be read while saving (gone); the file',
    );
  });
});

test('names are checked', () => {
  const zip = (...names: string[]) => zipOf(names.map((name) => ({ name, blob: new Blob() })));
  expect(() => zip()).toThrow('There is no file');
  expect(() => zip('a', 'a')).toThrow('Two files of the archive are named “a”');
  for (const name of ['', '/a', 'a/../b', 'a\\b', 'a/']) expect(() => zip(name)).toThrow('cannot be a name');
});
