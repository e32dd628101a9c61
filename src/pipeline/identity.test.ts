/** Hashes of files against Node's own, read in windows, with progress, and stopped when asked. */
import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import type { NamedBlob } from '../data/files.ts';
import { namedFile } from '../testing/studio-in-node.ts';
import { identify, sha256Of } from './identity.ts';
import type { ModelFile } from './model-files.ts';
import { openModel } from './opened.ts';
import { Job } from './progress.ts';
import type { Progress } from './types.ts';

const quiet = async () => {};
const nodeHash = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

describe('the hash of a blob', () => {
  // FIPS 180-4's own examples.
  test.each([
    ['', 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'],
    ['abc', 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'],
  ])('of “%s” is the standard’s', async (text, hash) => {
    expect(await sha256Of(new Blob([text]), quiet)).toBe(hash);
  });

  test('is the same in windows as in one piece, and no window is larger than 8 MB', async () => {
    const bytes = new Uint8Array((17 << 20) + 5).map((_, i) => (i * 31 + (i >> 13)) & 255);
    const blob = new Blob([bytes]);
    let largest = 0;
    const slice = blob.slice.bind(blob);
    blob.slice = (from = 0, to = 0) => {
      largest = Math.max(largest, to - from);
      return slice(from, to);
    };
    const told: number[] = [];
    const hash = await sha256Of(blob, async (n) => void told.push(n));
    expect(hash).toBe(nodeHash(bytes));
    expect(told).toEqual([8 << 20, 16 << 20, bytes.length]);
    expect(largest).toBe(8 << 20);
    expect(await sha256Of(blob, async () => expect.fail('read twice'))).toBe(hash);
  });
});

describe('the identity of a model', () => {
  test('is name, bytes and hash of its file', async () => {
    const file = await namedFile('public/samples/digits-vit/model.onnx');
    const opened = await openModel(file, file.name);
    const told: Progress[] = [];
    const [identity, ...others] = await identify(opened, new Job({ onProgress: (p) => told.push(p) }));
    expect(others).toEqual([]);
    expect(identity).toEqual({
      name: 'model.onnx',
      bytes: file.size,
      sha256: nodeHash(new Uint8Array(await file.arrayBuffer())),
    });
    expect(told.at(-1)).toMatchObject({ fraction: 1, label: 'Reading model.onnx for its hash' });
  });

  test('names a data file of two models once', async () => {
    const shared = new File(['weights'], 'model.onnx_data') as NamedBlob;
    const part = (fileName: string) =>
      ({
        fileName,
        model: { source: new Blob([fileName]) },
        externals: new Map([['./model.onnx_data', shared]]),
      }) as unknown as ModelFile;
    const files = await identify({ files: [part('encoder.onnx'), part('decoder.onnx')] }, new Job());
    expect(files.map((f) => f.name)).toEqual(['encoder.onnx', 'model.onnx_data', 'decoder.onnx']);
  });

  test('is given up when it is cancelled', async () => {
    const cancel = new AbortController();
    const file = {
      fileName: 'm',
      model: { source: new Blob([new Uint8Array(20 << 20)]) },
      externals: new Map(),
    };
    let told = 0;
    const job = new Job({
      signal: cancel.signal,
      onProgress: () => {
        told++;
        cancel.abort();
      },
    });
    const opened = { files: [file as unknown as ModelFile] };
    await expect(identify(opened, job)).rejects.toThrow(/abort/i);
    expect(told).toBe(1);
  });

  test('of a file that changed asks for it again', async () => {
    const source = new Blob(['x']);
    source.slice = () => {
      throw new DOMException('gone', 'NotReadableError');
    };
    const opened = {
      files: [{ fileName: 'm.onnx', model: { source }, externals: new Map() } as unknown as ModelFile],
    };
    await expect(identify(opened, new Job())).rejects.toThrow(
      '“m.onnx” cannot be read any more: it changed or moved since it was opened. Open it again.',
    );
  });
});
