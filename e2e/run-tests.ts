/**
 * `npm test`: every check in order, from the cheapest to the dearest, ending at the first that fails. It exists
 * because .npmrc turns npm's pre and post scripts off, and because the last line should count all the tests.
 * The counts are those of Vitest's and Playwright's own JSON reports.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

interface Step {
  readonly title: string;
  /** An npm script and what it is given on top. */
  readonly script: string;
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly count?: () => Counts;
}

const reports = mkdtempSync(join(tmpdir(), 'layerfold-reports-'));

function readReport<Report>(path: string): Report | null {
  return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as Report) : null;
}

function vitestStep(title: string, script: string): Step {
  const report = join(reports, `${script.replace(':', '-')}.json`);
  return {
    title,
    script,
    args: ['--', '--reporter=default', '--reporter=json', `--outputFile.json=${report}`],
    count: () => {
      const read = readReport<{ numPassedTests: number; numFailedTests: number; numPendingTests: number }>(
        report,
      );
      return {
        passed: read?.numPassedTests ?? 0,
        failed: read?.numFailedTests ?? 0,
        skipped: read?.numPendingTests ?? 0,
      };
    },
  };
}

const playwrightReport = join(reports, 'playwright.json');

const steps: readonly Step[] = [
  { title: 'Browser', script: 'browser' },
  { title: 'Lint', script: 'lint' },
  { title: 'Types', script: 'typecheck' },
  vitestStep('Unit tests in Node', 'test:unit'),
  vitestStep('GPU tests in Chromium', 'test:gpu'),
  { title: 'Build', script: 'build' },
  {
    title: 'End-to-end tests',
    script: 'test:e2e',
    env: { PLAYWRIGHT_JSON_OUTPUT_FILE: playwrightReport },
    args: ['--', '--reporter=list,json'],
    count: () => {
      const read = readReport<{
        stats: { expected: number; unexpected: number; flaky: number; skipped: number };
      }>(playwrightReport);
      return {
        passed: read?.stats.expected ?? 0,
        failed: (read?.stats.unexpected ?? 0) + (read?.stats.flaky ?? 0),
        skipped: read?.stats.skipped ?? 0,
      };
    },
  },
];

const total: Counts = { passed: 0, failed: 0, skipped: 0 };
const begun = Date.now();

for (const step of steps) {
  console.log(`\n── ${step.title} ──`);
  const stepBegun = Date.now();
  const result = spawnSync('npm', ['run', '--silent', step.script, ...(step.args ?? [])], {
    stdio: 'inherit',
    shell: process.platform === 'win32',
    env: { ...process.env, ...step.env },
  });
  const counts = step.count?.();
  total.passed += counts?.passed ?? 0;
  total.failed += counts?.failed ?? 0;
  total.skipped += counts?.skipped ?? 0;
  console.log(`── ${step.title}: ${((Date.now() - stepBegun) / 1000).toFixed(0)} s ──`);
  if (result.status !== 0) {
    console.log(`\nStopped: the step "${step.title}" failed; the steps after it did not run.`);
    // A step that fails without a failed test (lint, types, a crash) still is one failure.
    total.failed += counts?.failed ? 0 : 1;
    process.exitCode = 1;
    break;
  }
}

rmSync(reports, { recursive: true, force: true });
console.log(`\nAll steps took ${((Date.now() - begun) / 60_000).toFixed(1)} minutes.`);
if (total.skipped > 0) console.log(`${total.skipped} skipped`);
console.log(`${total.passed} passed, ${total.failed} failed`);
