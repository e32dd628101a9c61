import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { algebraSuite } from '../testing/algebra-suite.ts';
import { kernelSuite } from '../testing/kernel-suite.ts';
import { trainingSuite } from '../testing/training-suite.ts';
import type { Gemm } from './backend.ts';
import { createCpuBackend } from './cpu/index.ts';

/** An f32 product as an injected one would be. */
const gemm: Gemm = async (a, aRows, aCols, b, bCols, transA, transB) => {
  const [m, depth] = transA ? [aCols, aRows] : [aRows, aCols];
  const bRows = b.length / bCols;
  const n = transB ? bRows : bCols;
  expect(a.length).toBe(aRows * aCols);
  expect(transB ? bCols : bRows).toBe(depth);
  const out = new Float32Array(m * n);
  for (let i = 0; i < m; i++) {
    for (let k = 0; k < depth; k++) {
      const left = transA ? a[k * aCols + i] : a[i * aCols + k];
      for (let j = 0; j < n; j++) out[i * n + j] += left * (transB ? b[j * bCols + k] : b[k * bCols + j]);
    }
  }
  return out;
};

for (const suite of [kernelSuite, algebraSuite, trainingSuite]) {
  suite('CPU backend', { create: () => createCpuBackend(), product: 1e-6, correlation: 1e-6 });

  suite('CPU backend with an injected product', {
    create: () => createCpuBackend({ gemm }),
    product: 1e-6,
    correlation: 1e-5,
  });
}

describe('shaders', () => {
  const list = (folder: string) => readdirSync(new URL(folder, import.meta.url));
  const shaders = list('../../shaders/').filter((file) => file.endsWith('.wgsl'));

  it('each have a driver and a CPU twin of the same name, and drivers a shader', () => {
    const names = shaders.map((file) => file.replace('.wgsl', '.ts'));
    expect(names.length).toBeGreaterThan(0);
    expect(list('cpu/')).toEqual(expect.arrayContaining(names));
    expect(list('webgpu/')).toEqual(expect.arrayContaining(names));
    const drivers = list('webgpu/').filter((file) => {
      return /\.wgsl\?raw/.test(readFileSync(new URL(`webgpu/${file}`, import.meta.url), 'utf8'));
    });
    expect(drivers.sort()).toEqual(names.sort());
  });

  it('say in their headers what they compute, on what, and who their twin is', () => {
    for (const file of shaders) {
      const header = readFileSync(new URL(`../../shaders/${file}`, import.meta.url), 'utf8').split('\n\n')[0];
      for (const word of ['row-major', 'f32', `src/kernels/cpu/${file.replace('.wgsl', '.ts')}`]) {
        expect(header, file).toContain(word);
      }
    }
  });
});
