/**
 * Vite's part of working offline: builds src/offline/service-worker.ts as sw.js beside index.html and writes into it
 * which files the build made, each with the hash of its contents (src/offline/plan.ts).
 * Limit: the worker must not share a chunk with the page, since it is a classic script; the build stops if it would.
 */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Plugin } from 'vite';
import type { OfflinePlan, Part, SiteFile } from '../src/offline/plan.ts';

const placeholder = '__LAYERFOLD_OFFLINE_PLAN__';
export const workerFile = 'sw.js';

function partOf(path: string): Part {
  if (path.startsWith('samples/')) return 'sample';
  if (/asyncify|\.webgpu\./.test(path)) return 'gpu';
  return path.endsWith('.wasm') ? 'cpu' : 'page';
}

const hashOf = (contents: string | Uint8Array) =>
  createHash('sha256').update(contents).digest('base64url').slice(0, 16);

function siteFile(path: string, contents: string | Uint8Array): SiteFile {
  return { path, hash: hashOf(contents), part: partOf(path) };
}

/** @param headers given to every answer of the worker */
export function offlinePlugin(headers: Readonly<Record<string, string>>): Plugin {
  let publicDir = '';
  return {
    name: 'layerfold:offline',
    apply: 'build',
    enforce: 'post',
    configResolved: (config) => {
      publicDir = config.publicDir;
    },
    // After Vite's own: index.html is among the files then.
    generateBundle: {
      order: 'post',
      handler(_, bundle) {
        const worker = bundle[workerFile];
        if (worker?.type !== 'chunk') this.error(`The build made no ${workerFile}.`);
        if (worker.imports.length > 0)
          this.error(`${workerFile} shares code with the page: ${worker.imports.join(', ')}.`);
        const built = Object.values(bundle)
          .filter(({ fileName }) => fileName !== workerFile && !fileName.startsWith('.'))
          .map((file) => siteFile(file.fileName, file.type === 'chunk' ? file.code : file.source));
        const copied = readdirSync(publicDir, { recursive: true, withFileTypes: true })
          .filter((entry) => entry.isFile())
          .map((entry) => join(entry.parentPath, entry.name))
          .map((at) => siteFile(at.slice(publicDir.length + 1).replaceAll('\\', '/'), readFileSync(at)));
        const files = [...built, ...copied].sort((a, b) => (a.path < b.path ? -1 : 1));
        const plan: OfflinePlan = { files, headers };
        worker.code = worker.code.replaceAll(placeholder, () => JSON.stringify(plan));
      },
    },
  };
}
