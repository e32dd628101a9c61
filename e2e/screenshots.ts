/**
 * `npm run screenshots`: every state of the page at 1440 and at 390 px, light and dark, into screenshots/ (which git
 * ignores), to be looked at; with each, by how much the page is too wide. `npm run screenshots -- 390 dark` takes only
 * those that match, `-- recovery files` only those scenes.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { again } from './scenes/again.ts';
import { files } from './scenes/files.ts';
import { recovery } from './scenes/recovery.ts';
import { type Scene, shooter, type Variant } from './scenes/shots.ts';
import { start, tour } from './scenes/start.ts';
import { gpuLost, noWebGpu, offline } from './scenes/trouble.ts';
import { choose, images, see } from './scenes/work.ts';
import { buildIfStale, projectRoot } from './server.ts';
import { launchStudio } from './studio.ts';

/** The longest first, since two are played at a time. */
const scenes: Record<string, Scene> = {
  choose,
  recovery,
  again,
  see,
  tour,
  files,
  start,
  images,
  'no-webgpu': noWebGpu,
  'gpu-lost': gpuLost,
  offline,
};

const folder = join(projectRoot, 'screenshots');
const wanted = process.argv.slice(2);
const chosen = Object.keys(scenes).filter((name) => wanted.includes(name));
const words = wanted.filter((word) => !(word in scenes));
const variants = [1440, 390]
  .flatMap((width): Variant[] => [
    { width, scheme: 'light' },
    { width, scheme: 'dark' },
  ])
  .filter(({ width, scheme }) => words.every((word) => word === String(width) || word === scheme));

async function play(name: string): Promise<void> {
  const { studio: options, host, play: playScene } = scenes[name];
  const server = await host?.();
  const studio = await launchStudio({ gpu: 'off', threads: 'all', ...options, ...(server && { server }) });
  try {
    await playScene(studio, shooter(studio.page, name, variants, folder), server);
  } catch (error) {
    // The other scenes are taken all the same.
    process.exitCode = 1;
    console.error(`${name} stopped:`, error);
  } finally {
    await studio.close();
  }
}

mkdirSync(folder, { recursive: true });
buildIfStale();
const waiting = chosen.length > 0 ? chosen : Object.keys(scenes);
const together = async () => {
  for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) await play(name);
};
await Promise.all([together(), together()]);
