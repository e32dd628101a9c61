/** When the page loads again for isolation (at most once, never with work in it), and what it asks to be kept. */
import { expect, test } from 'vitest';
import { studio } from '../testing/studio-setup.ts';
import { type PageDoor, startServiceWorker } from './service-worker.ts';
import type { StudioStore } from './studio.ts';

interface Situation {
  readonly isolated?: boolean;
  readonly hostname?: string;
  readonly controlled?: boolean;
  readonly touched?: boolean;
  readonly remembers?: boolean;
  readonly memory?: null;
  readonly refuses?: boolean;
  readonly waiting?: boolean;
  readonly noRoom?: boolean;
}

async function visit(situation: Situation, before = async (_: StudioStore) => {}) {
  const { store } = studio();
  await store.getState().probe('off');
  await before(store);
  const log: string[] = [];
  const memory = new Map<string, string>(situation.remembers ? [['layerfold:loaded-again', '1']] : []);
  const active = { postMessage: (message: unknown) => log.push(JSON.stringify(message)) };
  const waiting = situation.waiting ? active : null;
  const registration = { active, waiting } as unknown as ServiceWorkerRegistration;
  const page: PageDoor = {
    isolated: situation.isolated ?? false,
    hostname: situation.hostname ?? 'host.example',
    workers: {
      controller: situation.controlled ? (active as unknown as ServiceWorker) : null,
      register: async () => {
        if (situation.refuses) throw new DOMException('The operation is insecure.', 'SecurityError');
        log.push('register');
        return registration;
      },
      ready: Promise.resolve(registration),
      addEventListener: (kind: string, listener: unknown) => {
        const data = kind === 'message' ? { type: situation.noRoom ? 'no-room' : 'another' } : undefined;
        (listener as (event: { data: unknown }) => void)({ data });
      },
    },
    memory:
      situation.memory === null
        ? null
        : {
            getItem: (key) => memory.get(key) ?? null,
            setItem: (key, value) => void memory.set(key, value),
            removeItem: (key) => void memory.delete(key),
          },
    touched: () => situation.touched ?? false,
    reload: () => log.push('reload'),
    whenIdle: (act) => act(),
  };
  await startServiceWorker(store, page);
  return { log, memory, said: store.getState().errors.map(({ sentence }) => sentence) };
}

const keep = '{"type":"keep","parts":["cpu"]}';

test('a first visit that is not isolated is loaded again, once', async () => {
  const { log, memory } = await visit({});
  expect(log).toEqual(['register', 'reload']);
  expect(memory.size).toBe(1);
  expect((await visit({ remembers: true })).log).toEqual(['register', keep]);
});

test('an isolated visit keeps what it needs, and forgets that it was loaded again', async () => {
  const { log, memory } = await visit({ isolated: true, controlled: true, remembers: true });
  expect(log).toEqual(['register', keep]);
  expect(memory.size).toBe(0);
});

test('a page that somebody touched or works in is not loaded again', async () => {
  expect((await visit({ touched: true })).log).toEqual(['register', keep]);
  expect((await visit({ memory: null })).log).toEqual(['register', keep]);
  const open = await visit({}, (store) => store.getState().openSample('digits-vit'));
  expect(open.log).toEqual(['register', keep]);
});

test('a version that waits takes over before anything is done, and not later', async () => {
  const visited = { isolated: true, controlled: true, waiting: true };
  expect((await visit(visited)).log).toEqual(['register', '{"type":"take-over"}', 'reload']);
  expect((await visit({ ...visited, touched: true })).log).toEqual(['register', keep]);
});

test('the project’s own server needs none, and a browser may refuse', async () => {
  expect((await visit({ hostname: 'localhost', isolated: true })).log).toEqual([]);
  expect((await visit({ hostname: '127.0.0.1' })).log).toEqual(['register', 'reload']);
  expect((await visit({ refuses: true })).log).toEqual([]);
});

test('a storage that is full is told, with what to do', async () => {
  const { said } = await visit({ isolated: true, controlled: true, noRoom: true });
  expect(said).toHaveLength(1);
  expect(said[0]).toMatch(/without a network.*storage is full: delete .*Everything else works\.$/);
  expect((await visit({ isolated: true, controlled: true })).said).toEqual([]);
});
