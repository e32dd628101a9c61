/**
 * End-to-end tests of the built page. Two workers, and one thread for each page (studio.ts): two pages on a thread each
 * do more than one on two. No retries: a flake is a bug. Timeouts are for what hangs, not for what is slow.
 */
import { defineConfig } from '@playwright/test';

export default defineConfig({
  testDir: '.',
  testMatch: '*.spec.ts',
  outputDir: '../test-results',
  workers: 2,
  retries: 0,
  timeout: 240_000,
  forbidOnly: Boolean(process.env.CI),
  reporter: [['list']],
});
