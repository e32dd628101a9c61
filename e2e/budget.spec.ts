/** What the first visit costs before anybody does anything: JavaScript by size, and nothing of the runtime. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { expect, type Request, test } from '@playwright/test';
import { buildIfStale, projectRoot } from './server.ts';
import { launchStudio } from './studio.ts';
import { quickModel } from './support/quick-model.ts';

const limit = 250_000;
/** What is heavy, and of no use before a model is open. */
const heavy = /ort[.-]|\.wasm|webgpu|tokenizers|samples\//;

interface Chunk {
  readonly file: string;
  readonly imports?: readonly string[];
}

const dist = join(projectRoot, 'dist');
const compressed = (file: string) => gzipSync(readFileSync(join(dist, file)), { level: 9 }).length;

test('the page’s own scripts are small', () => {
  buildIfStale();
  const manifest: Record<string, Chunk> = JSON.parse(readFileSync(join(dist, '.vite/manifest.json'), 'utf8'));
  const files = new Set<string>();
  const visit = (key: string) => {
    const { file, imports = [] } = manifest[key];
    if (files.has(file)) return;
    files.add(file);
    imports.forEach(visit);
  };
  visit('index.html');
  const bytes = [...files].reduce((sum, file) => sum + compressed(file), 0);
  expect(bytes).toBeGreaterThan(10_000);
  expect(bytes).toBeLessThan(limit);
});

test('with its workers too, and nothing of the runtime is fetched before a model is opened', async () => {
  const studio = await launchStudio();
  const { page } = studio;
  try {
    const asked = new Set<string>();
    page.context().on('request', (request) => asked.add(new URL(request.url()).pathname.slice(1)));
    const isWorker = (request: Request) => /worker[^/]*\.m?js$/.test(new URL(request.url()).pathname);
    const engine = page.context().waitForEvent('request', isWorker);
    await page.reload();
    await engine;
    await page.waitForLoadState('networkidle');
    expect([...asked].filter((path) => heavy.test(path))).toEqual([]);
    const scripts = [...asked].filter((path) => /\.m?js$/.test(path) && existsSync(join(dist, path)));
    expect(
      scripts.filter((path) => path.includes('worker')),
      'the engine’s worker',
    ).not.toEqual([]);
    const bytes = scripts.reduce((sum, path) => sum + compressed(path), 0);
    console.log(`  first load: ${(bytes / 1000).toFixed(0)} kB of compressed JavaScript`);
    expect(bytes).toBeLessThan(limit);

    await studio.openModel(quickModel());
    await studio.measure();
    expect([...asked].some((path) => path.endsWith('.wasm'))).toBe(true);
  } finally {
    await studio.close();
  }
});
