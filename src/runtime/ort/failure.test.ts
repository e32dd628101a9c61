/** What onnxruntime, Emscripten and wasm say when they fail, and which kind of failure it is. */
import { expect, test } from 'vitest';
import { translateFailure } from './failure.ts';

test.each<readonly [string, unknown, string]>([
  // A C++ exception whose text could not be read: its address.
  ['a bare number', 5_284_712, 'out-of-memory'],
  ['std::bad_alloc', new Error('std::bad_alloc'), 'out-of-memory'],
  ['of V8', new RangeError('Array buffer allocation failed'), 'out-of-memory'],
  ['of wasm', new RangeError('WebAssembly.Memory(): could not allocate memory'), 'out-of-memory'],
  ['Emscripten’s end', new Error('Aborted(OOM). Build with -sASSERTIONS for more info.'), 'stopped'],
  ['after it', new Error('program has already aborted!'), 'stopped'],
  ['a trap', new WebAssembly.RuntimeError('memory access out of bounds'), 'stopped'],
  ['unreachable', new WebAssembly.RuntimeError('unreachable'), 'stopped'],
  [
    'an index of the data, which is no trap',
    new Error('indices element out of data bounds, idx=70 must be within the inclusive range [-65,64]'),
    'other',
  ],
  ['an operator', new Error('[ONNXRuntimeError] : NOT_IMPLEMENTED : Foo(1)'), 'unsupported-operator'],
])('%s', (_, error, code) => {
  const failure = translateFailure(error, 'run');
  expect(failure.code).toBe(code);
  expect(failure.message).toMatch(/\.$/);
  if (code === 'stopped') expect(failure.message).toMatch(/what is shown stays\. Open the model again/);
  if (code === 'out-of-memory') expect(failure.message).toMatch(/not enough memory.*Close other tabs/);
});
