/** Archives made by Python, and damaged in all places. */

import fc from 'fast-check';
import { zipSync } from 'fflate';
import { describe, expect, test } from 'vitest';
import reference from '../testing/fixtures/pictures/pictures.json' with { type: 'json' };
import { openZip, unpack } from './archive.ts';
import { DataError } from './errors.ts';
import type { NamedBlob } from './files.ts';
import { parseNpy } from './npy.ts';

const bytesOf = (base64: string) => new Uint8Array(Buffer.from(base64, 'base64'));
const named = (name: string, bytes: Uint8Array): NamedBlob =>
  Object.assign(new Blob([bytes as BlobPart]), { name });
const whole = bytesOf(reference.zip);
const CUT =
  '“x.zip” is cut short or is no zip archive: its table of contents is not whole. Copy or download it again.';

describe('an archive', () => {
  test.each(['npz', 'npzDeflated'] as const)('of NumPy (%s) gives its arrays', async (kind) => {
    const entries = await openZip(named('data.npz', bytesOf(reference[kind])));
    expect(entries.map((e) => e.name)).toEqual(['input_ids.npy', 'weights.npy']);
    const [ids, weights] = await Promise.all(entries.map(async (e) => parseNpy(await e.read(), e.name)));
    expect(ids).toMatchObject({ dtype: '<i8', shape: [6, 4] });
    expect([...ids.data]).toEqual(Array.from({ length: 24 }, (_, k) => BigInt(k)));
    expect(weights).toMatchObject({ dtype: '<f2', shape: [6, 1] });
    [...weights.data].forEach((v, k) => {
      expect(Number(v)).toBeCloseTo(-1 + 0.4 * k, 3);
    });
  });

  test('is a folder of data files; what is of no use is named', async () => {
    const { files, unused } = await unpack([named('set.zip', whole)]);
    expect(files.map((f) => f.path)).toEqual(
      Array.from({ length: 8 }, (_, k) => `set/${k % 2 ? 'cat' : 'dog'}/${k}.png`),
    );
    expect(unused).toEqual(['set.zip/notes.docx']);
  });

  test('gives its entries its split, and may hold others', async () => {
    const npz = zipSync({ 'images.npy': new Uint8Array(3), 'report-labels.npy': new Uint8Array(3) });
    const { files } = await unpack([
      named('all.zip', zipSync({ 'a/select.npz': npz, 'b/': new Uint8Array() })),
    ]);
    expect(files.map((f) => f.name)).toEqual(['select-images.npy', 'report-labels.npy']);
    const [inSelect] = (await unpack([named('select.zip', zipSync({ 'cat/1.png': new Uint8Array(1) }))]))
      .files;
    expect(inSelect.path).toBe('select/cat/1.png');
  });

  test('round-trips any entries, stored or deflated', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.dictionary(fc.stringMatching(/^[a-zé ]{1,8}$/), fc.uint8Array({ maxLength: 300 }), { maxKeys: 5 }),
        fc.constantFrom(0 as const, 6 as const),
        async (entries, level) => {
          const read = await openZip(named('x.zip', zipSync(entries, { level, comment: 'hi' } as object)));
          const got = await Promise.all(read.map(async (e) => [e.name, Buffer.from(await e.read())]));
          expect(Object.fromEntries(got)).toEqual(
            Object.fromEntries(Object.entries(entries).map(([n, b]) => [n, Buffer.from(b)])),
          );
        },
      ),
      { numRuns: 50 },
    );
  });

  test('that is cut short anywhere is refused', async () => {
    for (const length of [0, 10, 21, 200, whole.length - 60, whole.length - 1])
      await expect(openZip(named('x.zip', whole.slice(0, length)))).rejects.toThrow(CUT);
    // The beginning is missing: the table points past the end.
    await expect(openZip(named('x.zip', whole.slice(-400)))).rejects.toThrow(CUT);
  });

  test('with a byte changed gives a sentence or the same bytes', async () => {
    const original = new Map<string, string>();
    for (const e of await openZip(named('x.zip', whole))) original.set(e.name, `${await e.read()}`);
    await fc.assert(
      fc.asyncProperty(fc.nat(whole.length - 1), fc.integer({ min: 1, max: 255 }), async (at, by) => {
        const changed = whole.slice();
        changed[at] ^= by;
        try {
          for (const e of await openZip(named('x.zip', changed))) {
            const bytes = `${await e.read()}`;
            // A changed byte in the table may give an entry another's name, but never other contents.
            expect([...original.values()]).toContain(bytes);
          }
        } catch (error) {
          expect(error).toBeInstanceOf(DataError);
        }
      }),
      { numRuns: 300 },
    );
  });

  test('says what is wrong with an entry', async () => {
    const table = (change: (bytes: Uint8Array, at: number) => void) => {
      const bytes = zipSync({ 'a.npy': new Uint8Array(400).fill(1) });
      change(
        bytes,
        bytes.findIndex((_, k) => bytes[k] === 0x50 && bytes[k + 2] === 1 && bytes[k + 3] === 2),
      );
      return unpack([named('x.zip', bytes)]);
    };
    await expect(table((b, at) => b.fill(9, at + 10, at + 11))).rejects.toThrow(
      '“a.npy” in “x.zip” is packed by method 9, which cannot be read. Make the zip with ordinary (deflate) compression.',
    );
    await expect(table((b, at) => b.fill(1, at + 8, at + 9))).rejects.toThrow(
      '“a.npy” in “x.zip” is encrypted. Make the archive without a password.',
    );
    await expect(table((b, at) => b.fill(9, at + 16, at + 17))).rejects.toThrow(
      '“a.npy” in “x.zip” is damaged: it does not unpack to what was packed. Make the archive again.',
    );
    await expect(table((b, at) => b.fill(0x7f, at + 24, at + 28))).rejects.toThrow(
      '“a.npy” in “x.zip” has 2139062143 bytes; at most 1073741824 can be unpacked. Drop it unpacked.',
    );
  });
});
