/** The words that browsers and runtimes use when memory, storage or files fail them, and what the page says instead. */
import { describe, expect, test } from 'vitest';
import { GpuLimitError, gpuOutOfMemory } from '../kernels/errors.ts';
import { isMemoryFailure, platformSentence } from './platform-errors.ts';
import { toWire } from './protocol.ts';

const faults: readonly Error[] = [
  // V8
  new RangeError('Array buffer allocation failed'),
  new RangeError('Invalid typed array length: 4294967296'),
  new RangeError('Invalid array length'),
  new RangeError('Invalid string length'),
  new RangeError('WebAssembly.Memory.grow(): Unable to grow instance memory'),
  new RangeError('WebAssembly.Memory(): could not allocate memory'),
  new DOMException('Data cannot be cloned, out of memory.', 'DataCloneError'),
  // SpiderMonkey
  new RangeError('invalid array length'),
  Object.assign(new Error('allocation size overflow'), { name: 'InternalError' }),
  new Error('out of memory'),
  // JavaScriptCore
  new RangeError('Out of memory'),
  new RangeError('Array size is not a small enough positive integer.'),
  new RangeError('Length out of range of buffer'),
  new Error('std::bad_alloc'),
];

describe('an allocation that fails', () => {
  test.each(faults.map((error) => [error.message, error] as const))('%s', (_, error) => {
    const { message, details } = toWire(error);
    expect(message).toMatch(
      /^There was not enough memory for this step; what is shown stays\. Close other tabs/,
    );
    expect(details).toBe(error.message);
  });

  test('is not taken for one of ours, nor ours for it', () => {
    const sentence = 'A plan of 3 layers cannot remove 4 FFNs.';
    expect(toWire(new RangeError(sentence))).toEqual({ name: 'RangeError', message: sentence });
    expect(isMemoryFailure('Values of 2×3 and 3×2 do not fit together.')).toBe(false);
    // The platform's others are faults of ours.
    expect(toWire(new RangeError('Maximum call stack size exceeded')).message).toMatch(
      /^Something went wrong/,
    );
  });

  test('on the GPU keeps its own sentence, which names the way to the CPU', () => {
    const { name, message } = toWire(gpuOutOfMemory('Not enough memory left.'));
    expect(name).toBe('GpuError');
    expect(message).toMatch(
      /^The GPU is out of memory \(Not enough memory left\); what is shown stays\. .*\?gpu=off/,
    );
    const limit = new GpuLimitError('maxBufferSize, bytes', 1, 2, 'A matrix');
    expect(toWire(limit).message).toBe(limit.message);
  });
});

test.each([
  ['QuotaExceededError', /no room left.*Free some space/],
  ['NotReadableError', /could not be read.*Drop it again/],
  ['NotAllowedError', /did not let the page write.*Choose another place/],
])('%s is told with what to do', (name, words) => {
  expect(platformSentence(name, 'Failed to execute something.')).toMatch(words);
  expect(toWire(new DOMException('Failed to execute something.', name)).message).toMatch(words);
});

test('what the browser says of anything else is left alone', () => {
  expect(platformSentence('SyntaxError', 'Unexpected token')).toBeNull();
});
