/**
 * Holds the house to its plan: which folder may import which, no cycles, the two doors (onnxruntime-web, shaders), a
 * driver and a CPU twin for each shader, what may stand at the top level, and how long a file may be. Imports are read
 * with Vite's own parser: static, type-only, dynamic, re-exports, and `new URL('./x', import.meta.url)` of workers.
 * Tests are free to import what they like.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, posix, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseSync, Visitor } from 'vite';
import { describe, expect, test } from 'vitest';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');

/**
 * A layer is a folder of src, or the part of one behind an interface: `kernels` and `runtime` stand for the
 * interfaces, `kernels/cpu`, `kernels/webgpu` and `runtime/ort` for what fulfils them.
 */
const mayImport: Readonly<Record<string, readonly string[]>> = {
  tensor: [],
  onnx: ['tensor'],
  quantize: ['tensor'],
  flatten: ['onnx', 'quantize', 'tensor'],
  graph: ['onnx', 'quantize', 'tensor'],
  kernels: ['tensor'],
  'kernels/cpu': ['kernels', 'tensor'],
  'kernels/webgpu': ['kernels', 'tensor', 'shaders'],
  similarity: ['kernels', 'tensor'],
  align: ['tensor'],
  merge: ['onnx', 'flatten', 'graph', 'quantize', 'align', 'kernels', 'tensor'],
  runtime: ['tensor'],
  'runtime/ort': ['runtime', 'tensor'],
  'runtime/jax': ['runtime', 'tensor'],
  differentiate: ['onnx', 'graph', 'merge', 'runtime', 'tensor'],
  data: ['runtime', 'tensor'],
  recover: ['graph', 'align', 'merge', 'kernels', 'runtime', 'differentiate', 'tensor'],
  evaluate: ['data', 'runtime', 'tensor'],
  checkpoint: ['tensor'],
  recipe: ['align', 'tensor'],
  report: ['charts'],
  pipeline: [
    'tensor',
    'onnx',
    'flatten',
    'graph',
    'quantize',
    'kernels',
    'similarity',
    'align',
    'merge',
    'runtime',
    'differentiate',
    'data',
    'recover',
    'evaluate',
    'checkpoint',
    'recipe',
  ],
  worker: [
    'pipeline',
    'recipe',
    'align',
    'kernels',
    'kernels/cpu',
    'kernels/webgpu',
    'runtime',
    'runtime/ort',
    'runtime/jax',
  ],
  offline: [],
  store: ['worker', 'pipeline', 'offline', 'recipe', 'report'],
  charts: [],
  ui: ['store', 'charts'],
  main: ['store', 'charts', 'ui'],
};

/** Only types may be taken from these: the page holds small facts, and charts draw plain data. */
const typesOnly: Readonly<Record<string, readonly string[]>> = { store: ['pipeline', 'offline'] };

/** The layers that run in a worker or in Node: no DOM there. */
const pageLayers = ['store', 'charts', 'report', 'ui', 'main'];

const splitFolders = ['kernels/cpu', 'kernels/webgpu', 'runtime/ort', 'runtime/jax'];

/** Files over the limit, each with its reason. */
const lineLimit = 400;
const longFiles: Readonly<Record<string, string>> = {};

interface Import {
  /** Path from the project's root, or the name of a package. */
  readonly target: string;
  readonly isType: boolean;
  readonly isPackage: boolean;
}

function readImports(file: string, text = readFileSync(join(root, file), 'utf8')): Import[] {
  const { program, errors } = parseSync(file, text);
  if (errors.length > 0) throw new Error(`${file}: ${errors[0].message}`);
  const found: Import[] = [];
  const add = (specifier: unknown, isType = false) => {
    if (typeof specifier !== 'string') return;
    const [path] = specifier.split('?');
    const isPackage = !path.startsWith('.') && !path.startsWith('/');
    const target = path.startsWith('.') ? posix.join(posix.dirname(file), path) : path;
    found.push({ target, isType, isPackage });
  };
  const allTypes = (specifiers: readonly { importKind?: string; exportKind?: string }[]) =>
    specifiers.length > 0 &&
    specifiers.every(({ importKind, exportKind }) => importKind === 'type' || exportKind === 'type');
  const literal = (node: unknown) => (node as { value?: unknown }).value;
  new Visitor({
    ImportDeclaration: (node) =>
      add(
        node.source.value,
        node.importKind === 'type' || allTypes(node.specifiers as { importKind?: string }[]),
      ),
    ExportAllDeclaration: (node) => add(node.source.value, node.exportKind === 'type'),
    ExportNamedDeclaration: (node) =>
      add(node.source?.value, node.exportKind === 'type' || allTypes(node.specifiers)),
    ImportExpression: (node) => add(literal(node.source)),
    TSImportType: (node) => add(literal(node.source), true),
    NewExpression: (node) => {
      const path = node.arguments[0] && literal(node.arguments[0]);
      const isUrl =
        node.callee.type === 'Identifier' && node.callee.name === 'URL' && node.arguments.length === 2;
      if (isUrl && typeof path === 'string' && /^\.{1,2}\//.test(path)) add(path);
    },
  }).visit(program);
  return found;
}

function layerOf(path: string): string {
  if (path.startsWith('shaders/')) return 'shaders';
  const inside = relative('src', path).split('\\').join('/');
  if (inside.startsWith('..')) return `outside src (${path})`;
  if (/^main\.tsx?$/.test(inside)) return 'main';
  return splitFolders.find((folder) => inside.startsWith(`${folder}/`)) ?? inside.split('/')[0];
}

const isTest = (file: string) => /\.(test|suite)\.tsx?$/.test(file) || file.startsWith('src/testing/');
const filesUnder = (folder: string) =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .map((name) => `${folder}/${name.split('\\').join('/')}`)
    .sort();
const files = filesUnder('src').filter((file) => /\.tsx?$/.test(file));
const sources = files.filter((file) => !isTest(file));
const imports = new Map(sources.map((file) => [file, readImports(file)]));
const everyImport = [...imports].flatMap(([file, list]) => list.map((found) => ({ file, ...found })));

describe('imports', () => {
  test('are seen in every form', () => {
    const text = `
      import type { A } from './a.ts';
      import b, { type B } from '../b.ts';
      import { type C } from './c.ts';
      export * from './d.ts';
      export { type E } from './e.ts';
      const f = await import('./f.ts');
      type G = import('./g.ts').G;
      const h: Worker = new Worker(new URL('./h.ts', import.meta.url), { type: 'module' });
      import i from '../../shaders/i.wgsl?raw';
      import { useState } from 'react';
      const element = <p>{b}</p>;`;
    const seen = readImports('src/ui/x.tsx', text).map(
      ({ target, isType }) => `${target}${isType ? ' type' : ''}`,
    );
    expect(seen.sort()).toEqual([
      'react',
      'shaders/i.wgsl',
      'src/b.ts',
      'src/ui/a.ts type',
      'src/ui/c.ts type',
      'src/ui/d.ts',
      'src/ui/e.ts type',
      'src/ui/f.ts',
      'src/ui/g.ts type',
      'src/ui/h.ts',
    ]);
  });

  test('go one way, along the table', () => {
    const wrong = everyImport
      .filter(({ isPackage }) => !isPackage)
      .flatMap(({ file, target, isType }) => {
        const from = layerOf(file);
        const to = layerOf(target);
        const allowed = mayImport[from];
        if (!allowed) return [`${file} is in no folder of the plan`];
        if (from === to || /\.css$/.test(target)) return [];
        if (!allowed.includes(to)) return [`${file} (${from}) imports ${target} (${to})`];
        if (typesOnly[from]?.includes(to) && !isType)
          return [`${file} imports more than types from ${target}`];
        return [];
      });
    expect(wrong).toEqual([]);
  });

  test('name files that exist', () => {
    const missing = everyImport
      .filter(({ isPackage, target }) => !isPackage && !existsSync(join(root, target)))
      .map(({ file, target }) => `${file}: ${target}`);
    expect(missing).toEqual([]);
  });

  test('have no cycle', () => {
    const done = new Set<string>();
    const path: string[] = [];
    const cycles: string[] = [];
    const visit = (file: string) => {
      if (path.includes(file)) {
        cycles.push([...path.slice(path.indexOf(file)), file].join(' → '));
        return;
      }
      if (done.has(file)) return;
      path.push(file);
      for (const { target, isType } of imports.get(file) ?? []) {
        // Types are erased: they cannot make a module wait for itself.
        if (!isType && imports.has(target)) visit(target);
      }
      path.pop();
      done.add(file);
    };
    for (const file of sources) visit(file);
    expect(cycles).toEqual([]);
  });

  test('reach onnxruntime-web through one door', () => {
    const users = everyImport.filter(({ isPackage, target }) => isPackage && /^onnxruntime-/.test(target));
    expect(users.filter(({ file }) => layerOf(file) !== 'runtime/ort').map(({ file }) => file)).toEqual([]);
  });

  test('reach jax-js through one door', () => {
    const users = everyImport.filter(({ isPackage, target }) => isPackage && /^@jax-js\//.test(target));
    expect(users.filter(({ file }) => layerOf(file) !== 'runtime/jax').map(({ file }) => file)).toEqual([]);
  });

  test('reach React and d3 from the page alone', () => {
    const owners: readonly (readonly [RegExp, readonly string[]])[] = [
      [/^react($|\/|-)/, ['ui', 'main', 'store']],
      [/^d3(-|$)/, ['charts']],
      [/^zustand/, ['store', 'ui']],
    ];
    const wrong = everyImport.flatMap(({ file, target }) =>
      owners
        .filter(([name, layers]) => name.test(target) && !layers.includes(layerOf(file)))
        .map(() => `${file}: ${target}`),
    );
    expect(wrong).toEqual([]);
  });
});

describe('the core', () => {
  const core = JSON.parse(readFileSync(join(root, 'src/tsconfig.core.json'), 'utf8'));

  test('is compiled without the DOM and without JSX', () => {
    expect(core.compilerOptions.lib.filter((lib: string) => /^dom/i.test(lib))).toEqual([]);
    expect(core.compilerOptions.jsx).toBeUndefined();
    const folders = new Set(sources.map(layerOf).map((layer) => layer.split('/')[0]));
    const covered = core.include.map((pattern: string) => pattern.split('/')[0]);
    expect(
      [...folders].filter((folder) => !pageLayers.includes(folder) && !covered.includes(folder)),
    ).toEqual([]);
    expect(sources.filter((file) => file.endsWith('.tsx') && !pageLayers.includes(layerOf(file)))).toEqual(
      [],
    );
  });

  test('takes no library by a reference comment', () => {
    const taking = sources.filter((file) =>
      /^\s*\/\/\/\s*<reference/m.test(readFileSync(join(root, file), 'utf8')),
    );
    expect(taking).toEqual([]);
  });
});

describe('shaders', () => {
  const shaders = filesUnder('shaders').map((path) => posix.basename(path, '.wgsl'));

  test('each has its driver and its CPU twin', () => {
    const missing = shaders.flatMap((name) =>
      [`src/kernels/webgpu/${name}.ts`, `src/kernels/cpu/${name}.ts`].filter(
        (path) => !existsSync(join(root, path)),
      ),
    );
    expect(missing).toEqual([]);
  });
});

describe('the house', () => {
  test('has nothing else at the top level', () => {
    const allowed = new Set([
      'package.json',
      'package-lock.json',
      'tsconfig.json',
      'vite.config.ts',
      'index.html',
      'biome.json',
      'src',
      'shaders',
      'public',
      'e2e',
      'README.md',
      'LICENSE',
    ]);
    const ignored = readFileSync(join(root, '.gitignore'), 'utf8')
      .split('\n')
      .map((line) => line.trim().replace(/^\/|\/$/g, ''));
    const entries = readdirSync(root).filter((name) => !name.startsWith('.') && !ignored.includes(name));
    expect(entries.filter((name) => !allowed.has(name))).toEqual([]);
  });

  test(`keeps files under ${lineLimit} lines, or says why not`, () => {
    const lines = (file: string) => readFileSync(join(root, file), 'utf8').split('\n').length;
    const long = files.filter((file) => lines(file) > lineLimit);
    expect(long).toEqual(Object.keys(longFiles).sort());
  });
});
