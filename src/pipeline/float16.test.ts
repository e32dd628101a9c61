import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { expect, test } from 'vitest';
import { difference, randomInputs, runFiles } from '../testing/model-runs.ts';
import { toFloat16 } from './float16.ts';
import { openModels } from './opened.ts';
import { savedFiles } from './saved.ts';

const root = new URL('../testing/', import.meta.url);
const manifest: Record<string, any> = JSON.parse(readFileSync(new URL('models.json', root), 'utf8'));
const names = Object.entries(manifest).filter(([, e]) => e.groups.length > 0 && !e.dtype).map(([n]) => n);
function filesOf(name: string) {
  const paths = manifest[name].files ?? [`${name}.onnx`];
  return paths.map((path: string) => new File([readFileSync(new URL(`models/${path}`, root))], basename(path)));
}
const open = (files: File[]) => openModels(files.filter((f) => f.name.endsWith('.onnx')), files);
test('explore', async () => {
  for (const name of names.filter(n=>/merged|func|behind/.test(n))) {
    const files = filesOf(name);
    const opened = await open(files);
    const feeds = randomInputs(opened.inputs, 1);
    const mains = opened.mainFiles.map((f) => f.fileName);
    try {
    const before = await runFiles(files.map((f: File) => ({ name: f.name, blob: f })), mains, feeds);
    const { files: half, blocked } = await toFloat16(savedFiles(opened));
    const out = half.map((f) => ({ name: f.name, blob: f.toBlob() }));
    const size = out.reduce((n, f) => n + f.blob.size, 0) / files.reduce((n: number, f: File) => n + f.size, 0);
    let line = `${name} size ${size.toFixed(2)}`;
    {
      const after = await runFiles(out, mains.map((m) => (out.some((o) => o.name === m) ? m : m.replace('.onnx', '_fp16.onnx'))), feeds);
      line += ` diff ${difference(before, after).toExponential(2)} ${blocked.join(' | ')}`;
    }
    const again = await open(out.map((f) => new File([f.blob], f.name)));
    if (JSON.stringify(again.search.groups.map((g) => g.ffns.length)) !== JSON.stringify(opened.search.groups.map((g) => g.ffns.length))) line += ` GROUPS ${again.search.groups.length} ${again.search.refusals}`;
    console.log(line, again.summary.notes.filter((n) => n.startsWith('Weights')).join());
    } catch (e) { console.log(name, 'FAIL', String(e).slice(0, 400)); }
  }
  expect(1).toBe(1);
}, 100000);
