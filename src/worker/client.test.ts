/** The page's side of a worker that dies, or says that its runtime is broken: a new one takes its place. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createWorkerClient } from './client.ts';
import type { FromWorker, ToWorker } from './protocol.ts';

/** A worker that answers as it is told to. */
class FakeWorker {
  static made: FakeWorker[] = [];
  static answer: (method: string) => unknown = () => null;
  readonly asked: string[] = [];
  ended = false;
  onmessage: (event: { data: FromWorker }) => void = () => {};
  onerror: (event: { message: string; preventDefault(): void }) => void = () => {};

  constructor() {
    FakeWorker.made.push(this);
  }
  postMessage(message: ToWorker): void {
    if (message.type !== 'call') return;
    const { id, method } = message;
    this.asked.push(method);
    const value = FakeWorker.answer(method);
    queueMicrotask(() => {
      if (value === 'dies') this.onerror({ message: 'out of memory', preventDefault() {} });
      else if (value instanceof Error) {
        const { name, message: words } = value;
        this.onmessage({ data: { type: 'error', id, error: { name, message: words } } });
      } else this.onmessage({ data: { type: 'result', id, value } });
    });
  }
  terminate(): void {
    this.ended = true;
  }
}

beforeEach(() => {
  FakeWorker.made = [];
  FakeWorker.answer = () => null;
  vi.stubGlobal('Worker', FakeWorker);
});
afterEach(() => void vi.unstubAllGlobals());

test('a worker that dies rejects with a remedy, and the next call starts another, asked for the same engine', async () => {
  const api = createWorkerClient();
  await api.engine('force');
  FakeWorker.answer = () => 'dies';
  await expect(api.measure()).rejects.toMatchObject({
    name: 'WorkerDied',
    message: expect.stringMatching(/what is shown stays\. Open the model again to go on\.$/),
  });
  FakeWorker.answer = () => null;
  await api.open([]);
  expect(FakeWorker.made.map(({ asked, ended }) => [ended, ...asked])).toEqual([
    [true, 'engine', 'measure'],
    [false, 'engine', 'open'],
  ]);
});

test('one whose runtime is broken tells what it knows until the next model is opened', async () => {
  const api = createWorkerClient();
  await api.engine('auto');
  FakeWorker.answer = (method) =>
    method === 'merge' ? Object.assign(new Error('The runtime stopped.'), { name: 'WorkerDied' }) : null;
  await expect(
    api.merge({ sets: [], method: 'permute', reference: 'first', score: 'default' }),
  ).rejects.toThrow('The runtime stopped.');
  await api.identity();
  await api.sweepSeed();
  await api.open([]);
  expect(FakeWorker.made.map(({ asked, ended }) => [ended, ...asked])).toEqual([
    [true, 'engine', 'merge', 'identity', 'sweepSeed'],
    [false, 'engine', 'open'],
  ]);
});
