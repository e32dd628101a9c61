/** A file that cannot be read, and a file for which there is no memory, are told apart. */
import { expect, test } from 'vitest';
import { readBytes } from '../checkpoint/header.ts';
import { readRange } from './wire.ts';

/** A file whose windows fail to be read. */
function failing(error: Error): File {
  const file = new File(['01234567'], 'model.safetensors');
  return Object.assign(file, { slice: () => ({ arrayBuffer: () => Promise.reject(error) }) });
}

const moved = failing(new DOMException('The requested file could not be read.', 'NotReadableError'));
const full = failing(new RangeError('Array buffer allocation failed'));

test('a model', async () => {
  await expect(readRange(moved, 4, 8)).rejects.toThrow(
    /^The file could not be read at byte 4 \(.*open it again\.$/,
  );
  await expect(readRange(full, 4, 8)).rejects.toThrow(RangeError);
});

test('a checkpoint', async () => {
  await expect(readBytes(moved, 4, 8)).rejects.toThrow(
    /^“model\.safetensors” could not be read .*drop it again\.$/,
  );
  await expect(readBytes(full, 4, 8)).rejects.toThrow(RangeError);
});
