/**
 * Builds and serves the page, and holds Vitest's three projects: `node`; `alone`, for what measures the memory of its
 * process; and `gpu`, which runs x.gpu.test.ts in Chromium on the software WebGPU adapter.
 * The response headers are the two that threads need (COOP, COEP) and, for the built page, a strict content
 * security policy; the policy is also in the built index.html, and all three in the service worker, for hosts that
 * send no headers.
 */
import react from '@vitejs/plugin-react';
import { playwright } from '@vitest/browser-playwright';
import { defaultClientConditions, type Plugin } from 'vite';
import { defineConfig } from 'vitest/config';
import { findBrowser, testArgs } from './e2e/browser.ts';
import { offlinePlugin, workerFile } from './e2e/offline-plugin.ts';

/** `connect-src 'self'` is what shows that no model and no data leave the machine. */
const contentSecurityPolicy = [
  "default-src 'self'",
  "script-src 'self' 'wasm-unsafe-eval'",
  "style-src 'self'",
  "img-src 'self' blob: data:",
  "worker-src 'self' blob:",
  "connect-src 'self' blob:",
  "object-src 'none'",
  "base-uri 'none'",
  "form-action 'none'",
].join('; ');

const isolation = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
};

function policyInBuiltPage(): Plugin {
  return {
    name: 'layerfold:policy-in-built-page',
    apply: 'build',
    transformIndexHtml: () => [
      {
        tag: 'meta',
        attrs: { 'http-equiv': 'Content-Security-Policy', content: contentSecurityPolicy },
        injectTo: 'head-prepend',
      },
    ],
  };
}

const builtHeaders = { ...isolation, 'Content-Security-Policy': contentSecurityPolicy };

/** Garbage of other tests in the same process would be collected again and again. */
const alone = 'src/onnx/fuzz.test.ts';

const browser = process.env.VITEST ? findBrowser() : null;

export default defineConfig({
  // Relative: the built page works under any sub-path of a host.
  base: './',
  plugins: [react(), policyInBuiltPage(), offlinePlugin(builtHeaders)],
  server: { headers: isolation },
  preview: { headers: builtHeaders },
  // onnxruntime-web's builds that fetch their loader (.mjs) rather than hold it: a thread then loads only that file.
  resolve: { conditions: ['onnxruntime-web-use-extern-wasm', ...defaultClientConditions] },
  worker: { format: 'es' },
  build: {
    target: 'esnext',
    assetsInlineLimit: 0,
    // onnxruntime-web's wasm loader and d3 in one worker and one page: large by nature, fetched once.
    chunkSizeWarningLimit: 2000,
    // Which chunk imports which, for the budget of the first load (e2e/budget.spec.ts).
    manifest: true,
    rolldownOptions: {
      input: { index: 'index.html', sw: 'src/offline/service-worker.ts' },
      output: {
        // The service worker's address is its identity: it has no hash, and stands beside the page that it serves.
        entryFileNames: ({ name }) => (name === 'sw' ? workerFile : 'assets/[name]-[hash].js'),
      },
    },
  },
  optimizeDeps: {
    // Pre-bundled, onnxruntime-web would look for its .wasm beside the bundle instead of in its own package.
    exclude: ['onnxruntime-web'],
  },
  test: {
    projects: [
      {
        extends: true,
        test: {
          name: 'node',
          environment: 'node',
          pool: 'forks',
          // Vitest would leave one of two cores idle.
          maxWorkers: '100%',
          // Modules are loaded once for all files of a worker: loading them anew took a third of the time. A test that
          // changes something global puts it back.
          isolate: false,
          include: ['src/**/*.test.{ts,tsx}', 'e2e/**/*.test.ts'],
          exclude: ['**/*.gpu.test.ts', alone, '**/node_modules/**'],
          testTimeout: 30_000,
          hookTimeout: 30_000,
        },
      },
      {
        extends: true,
        test: { name: 'alone', environment: 'node', pool: 'forks', maxWorkers: '100%', include: [alone] },
      },
      {
        extends: true,
        test: {
          name: 'gpu',
          include: ['src/**/*.gpu.test.ts'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
          browser: {
            enabled: true,
            headless: true,
            screenshotFailures: false,
            provider: playwright({ launchOptions: { executablePath: browser?.path, args: testArgs } }),
            instances: [{ browser: 'chromium' }],
          },
        },
      },
    ],
  },
});
