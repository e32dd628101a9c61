import { describe, expect, it } from 'vitest';
import { opened } from '../testing/studio-setup.ts';
import { examplesKind } from './examples.ts';

describe('what is set side by side', () => {
  it.each([
    [{}, 'written'],
    [{ needsData: true }, 'written'],
    [{ images: true }, 'pictures'],
    [{ unit: 'clips' }, null],
    [{ unknownInputs: true }, null],
  ] as const)('of a model opened with %o is %s', async (options, kind) => {
    const { now } = await opened(options);
    expect(examplesKind(now())).toBe(kind);
  });
});
