/**
 * The built site on a host that sends no headers, under a sub-path: isolated by its service worker, usable without a
 * network afterwards, replaced by a new version between visits only; and without service workers, on one thread.
 */
import { statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from '@playwright/test';
import { projectRoot } from './server.ts';
import { launchStudio, type Studio } from './studio.ts';
import { relativeDifference } from './support/compare.ts';
import { dynamoModel, reference } from './support/fixtures.ts';
import { servePlainly } from './support/plain-server.ts';
import { quickModel } from './support/quick-model.ts';
import { scratchFolder } from './support/scratch.ts';

const base = '/some/where/';
const name = 'digits-vit';
const truth = reference(name);

const isolated = ({ page }: Studio) => page.evaluate(() => crossOriginIsolated).catch(() => false);

/** Opens, merges and saves. */
async function mergeSample(studio: Studio, path: string): Promise<void> {
  const [first, last] = truth.window;
  await studio.openSample(name);
  await studio.pickWindow(first, last);
  const { bytesSaved } = await studio.merge();
  expect((await studio.download(path)).bytes).toBe(statSync(dynamoModel(name)).size - bytesSaved);
}

test('a bare host: isolated after loading again once, the main job, and the same without the host', async () => {
  const folder = scratchFolder();
  const server = await servePlainly(base);
  const studio = await launchStudio({ gpu: 'off', server });
  const { page } = studio;
  try {
    await expect.poll(() => isolated(studio), { timeout: 60_000 }).toBe(true);
    const loadedBy = () =>
      page.evaluate(
        () => (performance.getEntriesByType('navigation')[0] as PerformanceNavigationTiming).type,
      );
    expect(await loadedBy()).toBe('reload');
    await page.evaluate(() => Object.assign(window, { sameDocument: true }));
    const manifest = JSON.parse(await readFile(join(projectRoot, 'dist/.vite/manifest.json'), 'utf8'));
    const [worker]: string[] = manifest['src/worker/client.ts'].assets;
    const policy = await page.evaluate(
      async (path) => (await fetch(path)).headers.get('content-security-policy'),
      worker,
    );
    expect(policy, 'the policy in the worker').toContain("connect-src 'self' blob:;");
    await mergeSample(studio, join(folder, 'online.onnx'));
    await studio.measure();
    const score = await studio.evaluate();
    expect(relativeDifference(score.original, truth.original.report)).toBeLessThan(0.005);
    expect(relativeDifference(score.merged, truth.merged.permute.report)).toBeLessThan(0.005);
    expect(await page.evaluate(() => 'sameDocument' in window), 'loaded again in the middle').toBe(true);

    await server.close();
    await page.reload();
    expect(await isolated(studio)).toBe(true);
    // Anew, not what was kept.
    await studio.forgetSession();
    await mergeSample(studio, join(folder, 'offline.onnx'));
    const [online, offline] = await Promise.all(
      ['online', 'offline'].map((file) => readFile(join(folder, `${file}.onnx`))),
    );
    expect(offline.equals(online)).toBe(true);
    // What no visit has opened is missed in a sentence.
    await expect(studio.openSample('shakespeare-gpt2')).rejects.toThrow('check the connection');
    expect(studio.requestOrigins).toEqual(new Set([studio.origin]));
  } finally {
    await studio.close();
  }
});

test('a new version waits for the next visit', async () => {
  const server = await servePlainly(base);
  const studio = await launchStudio({ gpu: 'off', threads: 'all', server });
  const { page } = studio;
  try {
    await expect.poll(() => isolated(studio), { timeout: 60_000 }).toBe(true);
    // Work in it, or the page would take the new version at once.
    await studio.openSample(name);
    const built = (file: string) => readFile(join(projectRoot, 'dist', file), 'utf8');
    const worker = (await built('sw.js')).replace(/("path":"index.html","hash":")[^"]+/, '$1another');
    expect(worker).not.toBe(await built('sw.js'));
    server.replaced.set('sw.js', worker);
    server.replaced.set('index.html', (await built('index.html')).replace(/<title>.*?</, '<title>Next<'));
    await page.evaluate(async () => {
      Object.assign(window, { sameDocument: true });
      await (await navigator.serviceWorker.getRegistration())?.update();
    });
    const waiting = () =>
      page.evaluate(async () => Boolean((await navigator.serviceWorker.getRegistration())?.waiting));
    await expect.poll(waiting, { timeout: 60_000 }).toBe(true);
    expect(await page.evaluate(() => 'sameDocument' in window)).toBe(true);

    const other = await page.context().newPage();
    await other.goto(server.url);
    await page.reload();
    // The first load of the runtime comes from the old version's files.
    await studio.openSample(name);
    expect(await page.title(), 'two pages are open').not.toBe('Next');
    await other.close();
    // The page that was closed may be counted for a moment more; one that is loaded waits 15 seconds for the new version.
    await expect(async () => {
      await page.reload();
      await expect(page).toHaveTitle('Next', { timeout: 25_000 });
    }).toPass({ timeout: 120_000 });
    // Isolation is for this: threads that share memory.
    await studio.openModel(quickModel());
    const threads = await page.evaluate(() => navigator.hardwareConcurrency);
    const summary = page.getByRole('region', { name: 'Model summary', exact: true });
    await expect(summary).toContainText(`(${Math.min(threads, 8)} thread`);
    await studio.measure();
    expect(await isolated(studio)).toBe(true);
  } finally {
    await studio.close();
  }
});

test('without service workers the page runs on one thread, and says so', async () => {
  const server = await servePlainly(base);
  const studio = await launchStudio({
    gpu: 'off',
    threads: 'all',
    server,
    context: { serviceWorkers: 'block' },
  });
  try {
    await studio.openModel(quickModel());
    expect(await isolated(studio)).toBe(false);
    await expect(studio.page.getByRole('region', { name: 'Model summary', exact: true })).toContainText(
      'One thread only',
    );
    await studio.measure();
    expect(studio.requestOrigins).toEqual(new Set([studio.origin]));
  } finally {
    await studio.close();
  }
});
