/**
 * A host as most are: the built files under a sub-path, their types, and no header of isolation or policy. It can be
 * given another version of a file, and be switched off.
 */
import { once } from 'node:events';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join } from 'node:path';
import { buildIfStale, type PageServer, projectRoot } from '../server.ts';

export interface PlainServer extends PageServer {
  /** Files in place of the built ones, by path from the page's folder. */
  readonly replaced: Map<string, string>;
}

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.mjs': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.wasm': 'application/wasm',
  '.json': 'application/json',
  '.webmanifest': 'application/manifest+json',
};

export async function servePlainly(base: string): Promise<PlainServer> {
  buildIfStale();
  const replaced = new Map<string, string>();
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? '/', 'http://host');
    const path = pathname.startsWith(base) ? pathname.slice(base.length) || 'index.html' : '';
    const file = join(projectRoot, 'dist', path);
    const body =
      replaced.get(path) ?? (path && existsSync(file) && statSync(file).isFile() && readFileSync(file));
    if (body === false || body === '') {
      response.writeHead(404, { 'Content-Type': 'text/plain' }).end('Not here.');
      return;
    }
    response.writeHead(200, { 'Content-Type': types[extname(path)] ?? 'application/octet-stream' }).end(body);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const close = async () => {
    if (!server.listening) return;
    server.close();
    server.closeAllConnections();
    await once(server, 'close');
  };
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}${base}`, close, replaced };
}
