import { expect, test } from 'vitest';
import { restorePaths, withPaths } from './paths.ts';

/** A message copies what a File is made of, and nothing that was added. */
const sent = (items: ReturnType<typeof withPaths>) =>
  items.map(({ file, path }) => ({ file: new File([file], file.name), path }));

const named = (name: string, added: object) => Object.assign(new File(['x'], name), added);

test('paths of dropped and of picked files survive the message', () => {
  const files = [
    named('1.png', { path: '/digits/7/1.png' }),
    named('2.png', { webkitRelativePath: 'digits/3/2.png' }),
    named('model.onnx', {}),
  ];
  const arrived = restorePaths(sent(withPaths(files))) as (File & { path?: string })[];
  expect(arrived.map(({ name, path }) => [name, path])).toEqual([
    ['1.png', '/digits/7/1.png'],
    ['2.png', 'digits/3/2.png'],
    ['model.onnx', undefined],
  ]);
});
