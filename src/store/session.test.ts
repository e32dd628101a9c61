/** The session: kept, checked, and given back to the same model and data only. */
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { memoryPlace } from '../testing/memory-place.ts';
import { opened } from '../testing/studio-setup.ts';
import { initialFacts } from './facts.ts';
import {
  factsOfSession,
  parseSession,
  resumeSession,
  type SessionParts,
  type SessionSnapshot,
  sessionOf,
} from './session.ts';
import { createSessionWriter } from './session-place.ts';

const files = [{ name: 'model.onnx', bytes: 5, sha256: 'a'.repeat(64) }];
const parts: SessionParts = {
  savedAt: 1,
  files,
  dataKey: 'data',
  recipe: '{}',
  sweepSeed: {
    identity: { app: '0.1.0', model: [files[0].sha256], data: 'data', inference: 'wasm' },
    entries: [],
  },
};

/** A studio in which everything was done once. */
async function worked() {
  const all = await opened();
  const { now } = all;
  await now().measure();
  await now().align(3, 4);
  await now().runSweep(2, 3);
  await now().proposePlans(2);
  now().pickWindow(4, 7);
  await now().runMerge();
  await now().evaluate();
  return all;
}

async function kept(): Promise<SessionSnapshot> {
  const { now } = await worked();
  return structuredClone(sessionOf(now(), parts)!);
}

describe('a snapshot', () => {
  test('holds every result of the page, and comes back as it was', async () => {
    const { now } = await worked();
    const place = memoryPlace();
    await place.save(sessionOf(now(), parts)!);
    const { snapshot, sentence } = parseSession(await place.load());
    expect(sentence).toBeUndefined();
    const facts = factsOfSession(snapshot!);
    const { model, data, similarity, picks, sweeps, plan, evaluation, tried } = now();
    // Nothing that is compared is empty: the test would show nothing.
    expect(Object.keys(similarity.byGroup)).toHaveLength(1);
    expect(Object.values(sweeps)[0].entries.length).toBe(21);
    expect(tried).toHaveLength(1);
    expect(plan?.result.candidates.length).toBeGreaterThan(0);
    expect(facts).toMatchObject({ model, data, similarity, picks, sweeps, plan, evaluation, tried });
    expect(facts.merge).toEqual({ ...now().merge, held: null });
    expect(facts.merge?.result?.saving.bytesSaved).toBeGreaterThan(0);
    expect(facts.metric).toEqual({ chosen: now().metric.chosen, held: null });
  });

  test('is none while no model is open', () => {
    expect(sessionOf(initialFacts, parts)).toBeNull();
  });
});

describe('what cannot be read is a fresh start', () => {
  test('nothing kept: without a word', () => {
    expect(parseSession(undefined)).toEqual({ snapshot: null, sentence: null });
  });

  test('of another version', async () => {
    expect(parseSession({ ...(await kept()), version: 99 })).toEqual({
      snapshot: null,
      sentence: 'The last session was kept by another version of Layerfold, so this one starts afresh.',
    });
  });

  test.each<readonly [string, (s: SessionSnapshot) => unknown]>([
    ['facts.evaluation', (s) => ({ ...s, facts: { ...s.facts, evaluation: 'good' } })],
    [
      'facts.tried.0.saving.bytesAfter',
      (s) => {
        const [first] = s.facts.tried;
        return {
          ...s,
          facts: { ...s.facts, tried: [{ ...first, saving: { ...first.saving, bytesAfter: null } }] },
        };
      },
    ],
    ['facts.model', (s) => ({ ...s, facts: { ...s.facts, model: undefined } })],
    ['sweepSeed.entries.0', (s) => ({ ...s, sweepSeed: { ...s.sweepSeed, entries: [['key']] } })],
    ['the whole', () => 'text'],
  ])('broken at %s', async (at, broken) => {
    const { snapshot, sentence } = parseSession(broken(await kept()));
    expect(snapshot).toBeNull();
    expect(sentence).toMatch(
      new RegExp(
        `^What was kept of the last session is damaged \\(${at.replaceAll('.', '\\.')}[^)]*\\), so this one starts afresh\\.$`,
      ),
    );
  });

  test('a matrix that is not square', async () => {
    const snapshot = await kept();
    const [matrices] = Object.values(snapshot.facts.similarity.byGroup);
    matrices.cka!.size = 5;
    expect(parseSession(snapshot).sentence).toContain('similarity.byGroup');
  });
});

describe('resuming', () => {
  test('with the same model under another name, and the same data, gives all back', async () => {
    const snapshot = await kept();
    const renamed = [{ ...files[0], name: 'copy.onnx' }];
    const { facts, sweepSeed, sentence } = resumeSession(snapshot, { files: renamed, dataKey: 'data' });
    expect(sentence).toBeNull();
    expect(sweepSeed).toEqual(parts.sweepSeed);
    expect(facts).toMatchObject({ tried: snapshot.facts.tried, sweeps: snapshot.facts.sweeps });
    // The file that is open tells of itself.
    expect(facts).not.toHaveProperty('model');
    expect(facts).not.toHaveProperty('data');
  });

  test('with another model gives nothing, and asks by name and hash', async () => {
    const other = [{ ...files[0], sha256: 'b'.repeat(64) }];
    const { facts, sweepSeed, sentence } = resumeSession(await kept(), { files: other, dataKey: 'data' });
    expect([facts, sweepSeed]).toEqual([{}, null]);
    expect(sentence).toContain(`“model.onnx” (5 bytes, SHA-256 ${'a'.repeat(64)})`);
  });

  test.each([null, 'other'])('with the data %s gives what needs none', async (dataKey) => {
    const snapshot = await kept();
    const { facts, sweepSeed, sentence } = resumeSession(snapshot, { files, dataKey });
    expect(Object.keys(facts).sort()).toEqual(['merge', 'picks']);
    expect(facts.merge?.result).toEqual(snapshot.facts.merge.result);
    expect(sweepSeed).toBeNull();
    expect(sentence).toMatch(
      /^The picks and the merge are back\. What was measured is not, because .*text, \d+ tokens to calibrate/,
    );
  });
});

describe('the writer', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  async function writer() {
    vi.useRealTimers();
    const snapshot = await kept();
    vi.useFakeTimers();
    const place = memoryPlace();
    const said: string[] = [];
    let made = 0;
    const make = async () => ({ ...snapshot, savedAt: ++made });
    const session = createSessionWriter(place, make, (sentence) => said.push(sentence), 1000);
    return { place, said, ...session };
  }

  test('gathers changes, and is not put off by them', async () => {
    const { place, touch } = await writer();
    for (let k = 0; k < 25; k++) {
      touch();
      await vi.advanceTimersByTimeAsync(100);
    }
    expect(place.writes).toBe(2);
    await vi.advanceTimersByTimeAsync(5000);
    expect(place.writes).toBe(3);
    expect(await place.load()).toMatchObject({ savedAt: 3 });
  });

  test('writes at once when the page goes, and nothing where nothing changed', async () => {
    const { place, touch, flush } = await writer();
    touch();
    await flush();
    await flush();
    expect(place.writes).toBe(1);
    await vi.advanceTimersByTimeAsync(5000);
    expect(place.writes).toBe(1);
  });

  test('says once that nothing can be kept', async () => {
    const { place, said, touch, flush } = await writer();
    const round = async (failing: string | null) => {
      place.failing = failing;
      touch();
      await flush();
    };
    await round('full');
    await round('full');
    await round(null);
    await round('full again');
    expect(said).toEqual(['full', 'full again']);
    expect(place.writes).toBe(1);
  });
});
