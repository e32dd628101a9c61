/**
 * A small trained model with little data, for tests of what the page does rather than of the figures: eight gated layers,
 * 1,024 characters to calibrate on and 512 for each of the other splits. All its steps take seconds.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { scratchFolder } from './scratch.ts';

const source = 'src/testing/fixtures/shakespeare-llama';

/** Files to drop together. */
export function quickModel(): string[] {
  const folder = scratchFolder();
  const texts = { calibrate: 1024, select: 512, report: 512 };
  const short = Object.entries(texts).map(([split, characters]) => {
    const path = join(folder, `${split}.txt`);
    writeFileSync(path, readFileSync(join(source, `${split}.txt`), 'utf8').slice(0, characters));
    return path;
  });
  return [...['model.onnx', 'config.json', 'tokenizer.json'].map((file) => join(source, file)), ...short];
}
