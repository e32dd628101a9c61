/**
 * Draws the icons of an installed page, public/icons/, from public/favicon.svg: `npx tsx e2e/icons.ts`, after the
 * drawing changes. A maskable icon may lose its corners to a circle: the drawing is smaller in it, on its own ground.
 */
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { chromium } from 'playwright';
import { ensureBrowser, launchArgs } from './browser.ts';
import { projectRoot } from './server.ts';

const ground = '#0d2b57';
const icons = [
  { name: 'icon-192', size: 192, share: 1 },
  { name: 'icon-512', size: 512, share: 1 },
  { name: 'maskable-512', size: 512, share: 0.72 },
];

const drawing = readFileSync(join(projectRoot, 'public/favicon.svg'), 'utf8');
const folder = join(projectRoot, 'public/icons');
mkdirSync(folder, { recursive: true });
const browser = await chromium.launch({ executablePath: ensureBrowser().path, args: launchArgs });
try {
  for (const { name, size, share } of icons) {
    const page = await browser.newPage({ viewport: { width: size, height: size } });
    const inner = size * share;
    const back = share < 1 ? ground : 'transparent';
    await page.setContent(
      `<style>body{margin:0;display:grid;place-items:center;height:100vh;background:${back}}svg{width:${inner}px;height:${inner}px}</style>${drawing}`,
    );
    await page.screenshot({ path: join(folder, `${name}.png`), omitBackground: true });
    await page.close();
  }
} finally {
  await browser.close();
}
