/**
 * Serves the built page on a free loopback port with the very headers of `vite preview`, building it first where
 * dist/ is missing or older than what it is made of. Test files do not count as sources.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { preview } from 'vite';

export interface PageServer {
  /** Ends in a slash. */
  readonly url: string;
  close(): Promise<void>;
}

export const projectRoot = join(dirname(fileURLToPath(import.meta.url)), '..');

const sources = [
  'src',
  'shaders',
  'public',
  'index.html',
  'vite.config.ts',
  'e2e/offline-plugin.ts',
  'package-lock.json',
];

function newest(path: string): number {
  if (!existsSync(path)) return 0;
  const facts = statSync(path);
  if (!facts.isDirectory()) return /\.test\.tsx?$/.test(path) ? 0 : facts.mtimeMs;
  return readdirSync(path)
    .filter((name) => name !== 'testing')
    .reduce((latest, name) => Math.max(latest, newest(join(path, name))), 0);
}

export function buildIfStale(): void {
  const built = join(projectRoot, 'dist', 'index.html');
  const sourceTime = Math.max(...sources.map((name) => newest(join(projectRoot, name))));
  if (existsSync(built) && statSync(built).mtimeMs >= sourceTime) return;
  const manifest = createRequire(import.meta.url).resolve('vite/package.json');
  // A process of its own: a test runner's NODE_ENV would give React's development build.
  const result = spawnSync(process.execPath, [join(dirname(manifest), 'bin', 'vite.js'), 'build'], {
    cwd: projectRoot,
    encoding: 'utf8',
    env: { ...process.env, NODE_ENV: 'production' },
  });
  if (result.status !== 0) throw new Error(`The page does not build:\n${result.stdout}\n${result.stderr}`);
}

const running = new Map<string, Promise<PageServer>>();

/**
 * `base` serves the same files under a sub-path, as a project page on a shared host does. One server a base for all that
 * a process opens: starting one takes a second. It ends with the process, and does not keep it.
 */
export function servePage(base = '/'): Promise<PageServer> {
  const known = running.get(base) ?? startServer(base);
  running.set(base, known);
  return known;
}

async function startServer(base: string): Promise<PageServer> {
  buildIfStale();
  const server = await preview({
    root: projectRoot,
    configFile: join(projectRoot, 'vite.config.ts'),
    base,
    logLevel: 'error',
    preview: { host: '127.0.0.1', port: 0, strictPort: false, open: false },
  });
  const { port } = server.httpServer.address() as AddressInfo;
  server.httpServer.unref();
  return { url: `http://127.0.0.1:${port}${base}`, close: async () => {} };
}
