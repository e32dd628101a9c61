/**
 * First step of `npm test`: a browser is there, starts, and has a WebGPU adapter; prints which.
 * No adapter ends the run: a skipped GPU test must never look green.
 */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { chromium } from 'playwright';
import { ensureBrowser, launchArgs } from './browser.ts';

/** Vendor, architecture and kind of the adapter that the launch flags give. */
async function describeAdapter(executablePath: string): Promise<string | null> {
  // WebGPU needs a secure context, which a page from the loopback is and about:blank is not.
  const server = createServer((_request, response) => {
    response.setHeader('Content-Type', 'text/html');
    response.end('<!doctype html><title>adapter</title>');
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const browser = await chromium.launch({ executablePath, args: launchArgs });
  try {
    const page = await browser.newPage();
    await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
    return await page.evaluate(async () => {
      const adapter = await navigator.gpu?.requestAdapter();
      if (!adapter) return null;
      const { vendor, architecture, description } = adapter.info;
      const software = adapter.info.isFallbackAdapter ? ', a software adapter' : '';
      return `${[vendor, architecture, description].filter(Boolean).join(' ')}${software}`;
    });
  } finally {
    await browser.close();
    server.close();
  }
}

try {
  const browser = ensureBrowser();
  console.log(`Browser: ${browser.version || browser.path} (${browser.source})`);
  const adapter = await describeAdapter(browser.path);
  if (adapter === null) {
    throw new Error(
      'The browser has no WebGPU adapter, not even its software one: the GPU tests cannot run.',
    );
  }
  console.log(`WebGPU adapter: ${adapter}`);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
