/**
 * The main job, end to end: open, measure, align, merge, compare, download, for each sample from both exporters'
 * files, against an independent reference and, for the saved file, against onnxruntime-node.
 */
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@playwright/test';
import { launchStudio, type Studio } from './studio.ts';
import { matrixDifference, relativeDifference } from './support/compare.ts';
import { reference, referenceArray, referenceMatrix } from './support/fixtures.ts';
import { readNpy } from './support/npy.ts';
import { walkOnnx } from './support/onnx-walk.ts';
import { cases } from './support/opening.ts';
import { checkerComplaint, checkerPython, scoreFile } from './support/oracle.ts';
import { scratchFolder } from './support/scratch.ts';

const folder = scratchFolder();

if (!checkerPython)
  console.log('onnx.checker was not run: no Python with onnx (LAYERFOLD_PYTHON names one).');

/** Tensors equal to a reference in either layout, entry by entry. */
function copiesOf(
  tensors: readonly { dims: readonly number[]; floats: Float32Array }[],
  path: string,
  tolerance: number,
): number {
  const { shape, values } = readNpy(path);
  const [rows, columns = 1] = shape;
  const equal = (floats: Float32Array, at: (index: number) => number) =>
    floats.length === values.length &&
    floats.every((x, index) => Math.abs(x - values[at(index)]) < tolerance);
  const transposed = (index: number) => (index % rows) * columns + Math.floor(index / rows);
  return tensors.filter(
    ({ dims, floats }) =>
      (dims[0] === rows && equal(floats, (index) => index)) ||
      (shape.length === 2 && dims[0] === columns && equal(floats, transposed)),
  ).length;
}

test.describe.configure({ mode: 'parallel' });

for (const { name, exporter, modelPath, parameters, open } of cases) {
  test.describe
    .serial(`${name}, ${exporter}`, () => {
      const truth = reference(name);
      const [first, last] = truth.window;
      const removed = last - first;
      const ffnParameters = 2 * truth.d_model * truth.d_ff + truth.d_model + truth.d_ff;
      const merged = join(folder, `${name}-${exporter}-merged.onnx`);
      let studio: Studio;
      /** On the page's clock: another page lies there from then on. */
      let opened: number;
      let pageScore: { original: number; merged: number };

      test.beforeAll(async () => {
        studio = await launchStudio({ gpu: 'off' });
      });
      test.afterAll(() => studio?.close());

      test('says what the model is', async () => {
        await open(studio);
        const summary = await studio.summary();
        expect(summary.parameters).toBe(parameters);
        expect(summary.bytes).toBe(statSync(modelPath).size);
        expect(summary.backend).toBe('cpu');
        expect(summary.groups).toEqual([
          {
            name: expect.stringMatching(/\S/),
            layers: truth.layers,
            dModel: truth.d_model,
            dFf: truth.d_ff,
          },
        ]);
        expect(summary.refusals).toEqual([]);
        opened = await studio.page.evaluate(() => performance.now());
      });

      test('saves the file byte for byte where nothing is merged', async () => {
        const copy = join(folder, `${name}-${exporter}-copy.onnx`);
        await studio.download(copy);
        expect(readFileSync(copy).equals(readFileSync(modelPath))).toBe(true);
      });

      test('measures the similarity of layers', async () => {
        await studio.measure();
        for (const [kind, file] of [
          ['cka', 'cka-ffn-output'],
          ['attention', 'cka-attention-output'],
        ] as const) {
          const { worst, where } = matrixDifference(
            await studio.similarity(kind),
            referenceMatrix(name, file),
          );
          expect(worst, `${kind}: ${where}`).toBeLessThan(1e-3);
        }
      });

      test('aligns pairs of layers', async () => {
        for (let layer = first + 1; layer <= last; layer++) {
          const pair = `${first}-${layer}`;
          const { correlation, permutation, objective } = await studio.alignment(first, layer);
          const wanted = referenceMatrix(name, `correlation-${pair}`);
          const { worst, where } = matrixDifference(correlation, wanted);
          expect(worst, `${pair}: ${where}`).toBeLessThan(1e-5);
          expect(relativeDifference(objective, truth.assignment_objective[pair]), pair).toBeLessThan(1e-5);
          expect(new Set(permutation).size, `${pair} is a permutation`).toBe(truth.d_ff);
          const reached = permutation.reduce((sum, to, from) => sum + wanted[from][to], 0);
          expect(relativeDifference(reached, truth.assignment_objective[pair]), pair).toBeLessThan(1e-5);
        }
      });

      test('merges the reference window', async () => {
        await studio.pickWindow(first, last);
        const saved = await studio.merge({ method: 'permute', reference: 'first' });
        expect(saved.parametersSaved).toBe(removed * ffnParameters);
        expect(Math.abs(saved.bytesSaved - removed * ffnParameters * 4)).toBeLessThanOrEqual(4096);
      });

      test('scores the original and the merged model', async () => {
        const score = await studio.evaluate();
        expect(score.metric).toBe(truth.metric);
        expect(relativeDifference(score.original, truth.original.report)).toBeLessThan(0.005);
        expect(relativeDifference(score.merged, truth.merged.permute.report)).toBeLessThan(0.005);
        expect(score.samples).toBe(name === 'digits-vit' ? 1000 : 64 * 127);
        pageScore = score;
      });

      test('saves a merged file that runs elsewhere and is as small as promised', async () => {
        const { bytes } = await studio.download(merged);
        const expected = statSync(modelPath).size - removed * ffnParameters * 4;
        expect(Math.abs(bytes - expected), `${bytes} bytes, ${expected} expected`).toBeLessThanOrEqual(4096);

        const elsewhere = await scoreFile(merged, name);
        expect(relativeDifference(elsewhere, truth.merged.permute.report)).toBeLessThan(0.005);
        expect(relativeDifference(elsewhere, pageScore.merged), 'page and onnxruntime-node').toBeLessThan(
          1e-4,
        );
        if (checkerPython) expect(checkerComplaint(merged)).toBeNull();
      });

      test('stores the tied weights once, equal to the reference', () => {
        const { tensors } = walkOnnx(merged);
        for (const array of ['merged-w_in', 'merged-b_in', 'merged-w_out', 'merged-b_out']) {
          expect(copiesOf(tensors, referenceArray(name, array), 1e-4), array).toBe(1);
        }
        const ffnShaped = (dims: readonly number[]) =>
          dims.length === 2 && Math.max(...dims) === truth.d_ff && Math.min(...dims) === truth.d_model;
        expect(tensors.filter(({ dims }) => ffnShaped(dims))).toHaveLength(2 * (truth.layers - removed));
      });

      test('gives the original back when the windows are cleared', async () => {
        await studio.clearWindows();
        const copy = join(folder, `${name}-${exporter}-cleared.onnx`);
        await studio.download(copy);
        expect(readFileSync(copy).equals(readFileSync(modelPath))).toBe(true);
        expect(await studio.errors()).toEqual([]);
        expect(studio.consoleErrors).toEqual([]);
      });

      test('nothing jumped while results arrived', async () => {
        const { value, moved } = await studio.layoutShift(opened);
        expect(value, moved.join('\n')).toBeLessThan(0.05);
      });
    });
}
