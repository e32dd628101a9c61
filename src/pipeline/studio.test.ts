/**
 * The whole core in Node, on the CPU backend and onnxruntime-web's wasm provider, against the fixtures' references.
 */
import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { parseNpy } from '../data/npy.ts';
import { openSample, readReference } from '../testing/studio-in-node.ts';

async function npy(name: string, file: string) {
  return parseNpy(await readFile(`src/testing/fixtures/${name}/${file}.npy`), file).data as Float64Array;
}
function worst(a: ArrayLike<number>, b: ArrayLike<number>): number {
  expect(a.length).toBe(b.length);
  let max = 0;
  for (let i = 0; i < a.length; i++) max = Math.max(max, Math.abs(a[i] - b[i]));
  return max;
}

for (const name of ['shakespeare-gpt2', 'digits-vit'] as const) {
  for (const exporter of ['model.onnx', 'model-torchscript.onnx'] as const) {
    test(`${name}, ${exporter}: summary, similarity, alignment, merge and metric as in the reference`, async () => {
      const ref = await readReference(name);
      const { studio, opened } = await openSample(name, exporter);
      const extra = name === 'shakespeare-gpt2' && exporter !== 'model.onnx' ? 8320 : 0;
      expect(opened.model.parameters).toBe(ref.parameters + extra);
      expect(opened.model.groups).toHaveLength(1);
      const [group] = opened.model.groups;
      expect(group).toMatchObject({
        layers: 12,
        dModel: ref.d_model,
        dFf: ref.d_ff,
        gated: false,
        hasAttention: true,
      });
      // Torchscript keeps some constants of shapes beside the weights.
      const attention = 4 * (4 * ref.d_model ** 2 + 8 * ref.d_model);
      expect(group.bytesBesideFfn).toBeGreaterThanOrEqual(attention);
      expect(group.bytesBesideFfn).toBeLessThan(attention + (exporter === 'model.onnx' ? 1 : 1024));

      const { matrices } = await studio.measure();
      const byKind = new Map(matrices.map((m) => [m.kind, m]));
      expect(worst(byKind.get('cka')!.values, await npy(name, 'cka-ffn-output'))).toBeLessThan(1e-3);
      expect(worst(byKind.get('attention')!.values, await npy(name, 'cka-attention-output'))).toBeLessThan(
        1e-3,
      );

      const [first, last] = ref.window;
      for (let j = first + 1; j <= last; j++) {
        const pair = await studio.alignment(group.id, first, j);
        expect(worst(pair.correlation, await npy(name, `correlation-${first}-${j}`))).toBeLessThan(1e-5);
        const objective = ref.assignment_objective[`${first}-${j}`];
        expect(Math.abs(pair.objective - objective) / objective).toBeLessThan(1e-5);
      }
      const layers = Array.from({ length: last - first + 1 }, (_, k) => first + k);
      const sets = [{ groupId: group.id, layers }];
      // The other methods and references are held to the same reference end to end (e2e/baselines, e2e/controls).
      const merged = await studio.merge({ sets, method: 'permute', reference: 'first', score: 'default' });
      expect(merged.saving.parametersSaved).toBe((last - first) * group.parametersPerFfn);
      const score = await studio.evaluate('report');
      expect(Math.abs(score.original / ref.original.report - 1)).toBeLessThan(5e-3);
      expect(Math.abs(score.merged / ref.merged.permute.report - 1)).toBeLessThan(5e-3);
      await studio.dispose();
    }, 180_000);
  }
}
