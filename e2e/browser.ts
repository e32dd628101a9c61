/**
 * The one place that knows which Chromium the tests drive and with which flags, so that a machine with only Node
 * and apt can run them. `findBrowser` only looks; `ensureBrowser` also installs, and says what it did.
 * Order: LAYERFOLD_CHROMIUM, a system Chromium or Chrome, Playwright's own, `playwright install chromium`,
 * and last apt as root on Debian and its kin.
 * Limit: on Windows a browser is taken as working when its file exists (`--version` opens a window there).
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { delimiter, dirname, join } from 'node:path';
import { chromium } from 'playwright';

export interface Browser {
  readonly path: string;
  /** For people: how it was found. */
  readonly source: string;
  /** What `--version` says; empty where it cannot be asked. */
  readonly version: string;
}

/** Quiet, without a sandbox (containers run as root), and no traffic of the browser's own. */
const baseArgs: readonly string[] = [
  '--no-sandbox',
  '--disable-quic',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** WebGPU without a GPU: Dawn on Chromium's own SwiftShader. */
const softwareWebGpuArgs: readonly string[] = [
  '--enable-unsafe-webgpu',
  '--use-webgpu-adapter=swiftshader',
  '--enable-features=Vulkan,WebGPU',
  '--disable-vulkan-surface',
];

/**
 * The software adapter is asked for everywhere, so that results do not depend on the machine.
 * LAYERFOLD_HARDWARE_GPU=1 leaves the choice of the adapter to the browser.
 */
export const launchArgs: string[] = process.env.LAYERFOLD_HARDWARE_GPU
  ? [...baseArgs, '--enable-unsafe-webgpu']
  : [...baseArgs, ...softwareWebGpuArgs];

/**
 * A browser in a test lives for a minute, and wasm that is compiled for speed pays only after that: by default Chromium
 * spends twice the time that a small model takes on it, on all cores. The hot loops still are compiled so.
 */
export const testArgs: string[] = [...launchArgs, '--js-flags=--wasm-tiering-budget=100000000'];

const systemNames = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable', 'chrome'];

function systemCandidates(): string[] {
  const folders = (process.env.PATH ?? '').split(delimiter).filter(Boolean);
  if (process.platform === 'darwin') {
    return [
      '/Applications/Chromium.app/Contents/MacOS/Chromium',
      '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
    ];
  }
  if (process.platform === 'win32') {
    const roots = [process.env.PROGRAMFILES, process.env['PROGRAMFILES(X86)'], process.env.LOCALAPPDATA];
    return roots
      .filter((root) => root !== undefined)
      .map((root) => join(root, 'Google', 'Chrome', 'Application', 'chrome.exe'));
  }
  return systemNames.flatMap((name) => folders.map((folder) => join(folder, name)));
}

/** The version where the program starts, null where it does not (a snap stub, missing libraries). */
function versionOf(path: string): string | null {
  if (!existsSync(path)) return null;
  if (process.platform === 'win32') return '';
  const result = spawnSync(path, ['--version'], { encoding: 'utf8', timeout: 20_000 });
  return result.status === 0 ? result.stdout.trim() : null;
}

let known: Browser | null = null;

/** An installed browser that starts, or null. Throws where the override names something that does not. */
export function findBrowser(): Browser | null {
  // Starting each candidate to ask for its version takes a while.
  known ??= lookForBrowser();
  return known;
}

function lookForBrowser(): Browser | null {
  const override = process.env.LAYERFOLD_CHROMIUM;
  if (override) {
    const version = versionOf(override);
    if (version === null) {
      throw new Error(`LAYERFOLD_CHROMIUM names ${override}, which is not a browser that starts.`);
    }
    return { path: override, source: 'LAYERFOLD_CHROMIUM', version };
  }
  for (const path of systemCandidates()) {
    const version = versionOf(path);
    if (version !== null) return { path, source: 'installed on this system', version };
  }
  const own = chromium.executablePath();
  const version = versionOf(own);
  return version === null ? null : { path: own, source: "Playwright's own", version };
}

function run(command: string, args: readonly string[], minutes: number): boolean {
  console.log(`  running: ${[command, ...args].join(' ')}`);
  const result = spawnSync(command, args, {
    stdio: 'inherit',
    timeout: minutes * 60_000,
    env: {
      ...process.env,
      DEBIAN_FRONTEND: 'noninteractive',
      PLAYWRIGHT_DOWNLOAD_CONNECTION_TIMEOUT: '15000',
    },
  });
  return result.status === 0;
}

/** Playwright's command line through this Node, so that neither npx nor a shell is needed. */
function playwrightCli(args: readonly string[], minutes: number): boolean {
  const manifest = createRequire(import.meta.url).resolve('playwright/package.json');
  return run(process.execPath, [join(dirname(manifest), 'cli.js'), ...args], minutes);
}

/** An installed browser, installing one where there is none. Prints each step that changes the machine. */
export function ensureBrowser(): Browser {
  const found = findBrowser();
  if (found) return found;
  console.log('No Chromium or Chrome found: getting one.');
  const canApt = process.platform === 'linux' && process.getuid?.() === 0 && existsSync('/usr/bin/apt-get');

  if (playwrightCli(['install', 'chromium'], 10)) {
    if (findBrowser() === null && canApt) playwrightCli(['install-deps', 'chromium'], 10);
    const browser = findBrowser();
    if (browser) return { ...browser, source: 'just installed by Playwright' };
  }
  console.log(`  Playwright could not install one here${canApt ? ': trying apt-get' : ''}.`);
  if (canApt && run('apt-get', ['update'], 5) && run('apt-get', ['install', '-y', 'chromium'], 15)) {
    const browser = findBrowser();
    if (browser) return { ...browser, source: 'just installed with apt-get' };
  }
  throw new Error(
    'The tests need Chromium or Chrome, and none could be installed here. Install one (on Debian: ' +
      '`apt-get install -y chromium` as root), or name one in LAYERFOLD_CHROMIUM.',
  );
}
