/** Files keep their paths between threads. */
import { expect, test } from 'vitest';
import { pathOf } from '../data/files.ts';
import { packFiles, unpackFiles } from './protocol.ts';

test('a path from a drop zone, from a folder that was picked, or none, arrives with the file', () => {
  const dropped = Object.assign(new File(['a'], '1.png'), { path: './cats/1.png' });
  const picked = Object.defineProperty(new File(['b'], '2.png'), 'webkitRelativePath', {
    value: 'set/dogs/2.png',
  });
  const alone = new File(['c'], 'model.onnx');
  const sent = packFiles([dropped, picked, alone]);
  // What a copy between threads leaves: name and contents, no property of one's own.
  const copied = sent.map(({ file, path }) => ({ file: new File([file], file.name), path }));
  expect(unpackFiles(copied).map(pathOf)).toEqual(['cats/1.png', 'set/dogs/2.png', 'model.onnx']);
  expect(unpackFiles(copied)[0].name).toBe('1.png');
});
