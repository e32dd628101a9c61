/** The report's sections of what the numbers are of: model, data, machine; and how to get them again. */
import { writeRecipe } from '../recipe/recipe.ts';
import type { DataIdentity, FileIdentity, Recipe } from '../recipe/schema.ts';
import type { ReportSection } from '../report/types.ts';
import { formatInteger } from './format.ts';
import type { ReportParts } from './report.ts';
import type { DataSummary, EngineSummary, ModelSummary } from './types.ts';

export function modelSection(model: ModelSummary, files: readonly FileIdentity[]): ReportSection {
  const groups = model.groups.map(
    ({ name, layers, dModel, dFf, activation }) =>
      `${name}: ${layers} layers, ${dModel} → ${dFf} → ${dModel}, ${activation}`,
  );
  return {
    heading: 'Model',
    blocks: [
      {
        kind: 'facts',
        rows: [
          [
            'Parameters',
            `${formatInteger(model.parameters)}, of these ${formatInteger(model.ffnParameters)} in FFNs that can be merged`,
          ],
          ['Bytes', formatInteger(model.bytes)],
          ['FFN groups', groups.join('; ')],
          ['Written by', `${model.producer || 'unknown'}, opset ${model.opset}`],
        ],
      },
      {
        kind: 'table',
        caption: 'Files, by contents',
        columns: [{ name: 'File' }, { name: 'Bytes', numeric: true }, { name: 'SHA-256' }],
        rows: files.map(({ name, bytes, sha256 }) => [name, formatInteger(bytes), sha256]),
      },
    ],
  };
}

export function dataSection(data: DataSummary | null, identity: DataIdentity | null): ReportSection[] {
  if (!data) return [];
  return [
    {
      heading: 'Data',
      blocks: [
        { kind: 'text', text: data.rule },
        {
          kind: 'table',
          caption: 'Splits: calibrate aligns, select chooses, report is only reported',
          columns: [{ name: 'Split' }, { name: 'Fed', numeric: true }, { name: 'Scored', numeric: true }],
          rows: data.splits.map(({ name, items, unit, scored, scoredUnit }) => [
            name,
            `${formatInteger(items)} ${unit}`,
            `${formatInteger(scored)} ${scoredUnit ?? unit}`,
          ]),
        },
        {
          kind: 'facts',
          rows: [
            ...(data.contextLength === undefined
              ? []
              : [['Context length', `${formatInteger(data.contextLength)} tokens`] as const]),
            ...(identity
              ? [
                  ['Files', identity.files.join(', ')] as const,
                  ['SHA-256 of contents and settings', identity.key] as const,
                ]
              : []),
          ],
        },
        ...(data.notes.length > 0 ? [{ kind: 'list', items: data.notes } as const] : []),
      ],
    },
  ];
}

export function machineSection(engine: EngineSummary | null, { app, browser }: ReportParts): ReportSection {
  const ran: (readonly [string, string])[] = engine
    ? [
        [
          'Model ran on',
          engine.inference === 'webgpu'
            ? 'the GPU (WebGPU)'
            : `the CPU (WebAssembly, ${engine.threads} ${engine.threads === 1 ? 'thread' : 'threads'})`,
        ],
        ['Linear algebra ran on', engine.backend === 'webgpu' ? 'the GPU (WebGPU)' : 'the CPU'],
        ...(engine.adapter === undefined ? [] : [['GPU adapter', engine.adapter] as const]),
        ['Why', engine.reason],
      ]
    : [];
  return {
    heading: 'Machine and versions',
    blocks: [{ kind: 'facts', rows: [...ran, ['Layerfold', app], ['Browser', browser]] }],
  };
}

/** Permutations are long and say nothing to people. */
export function againSection(recipe: Recipe | null): ReportSection {
  if (!recipe) {
    return {
      heading: 'Do it again',
      blocks: [
        {
          kind: 'text',
          text: 'There is no recipe of this merge: merge once more, and save the recipe beside the report.',
        },
      ],
    };
  }
  const { permutations, ...settings } = recipe;
  const recovered = (recipe.plan.recovery?.length ?? 0) > 0;
  return {
    heading: 'Do it again',
    blocks: [
      {
        kind: 'text',
        text: `Open the files above in Layerfold, then open the recipe. ${
          recovered
            ? 'It merges with the permutations that it holds and carries out the same recovery on the same data, which must be dropped too; outputs agree to about 1e-4.'
            : 'It merges with the permutations that it holds, without any data, and the file is the same byte for byte.'
        }`,
      },
      {
        kind: 'file',
        title: 'Recipe',
        fileName: 'merge.layerfold.json',
        language: 'json',
        text: writeRecipe(recipe),
        ...(permutations &&
          permutations.length > 0 && {
            excerpt: `${JSON.stringify(settings, null, 2)}\n\n… and the permutations of ${permutations.length} layers, in the file.`,
          }),
      },
    ],
  };
}

export const citeSection: ReportSection = {
  heading: 'Cite',
  blocks: [
    {
      kind: 'text',
      text: 'The method is that of Neha Verma, Kenton Murray and Kevin Duh. Layerfold is not by its authors.',
    },
    {
      kind: 'file',
      title: 'BibTeX',
      language: 'bibtex',
      text: `@misc{verma2025merging,
  title         = {Merging Feed-Forward Sublayers for Compressed Transformers},
  author        = {Neha Verma and Kenton Murray and Kevin Duh},
  year          = {2025},
  eprint        = {2501.06126},
  archivePrefix = {arXiv},
  url           = {https://arxiv.org/abs/2501.06126}
}`,
    },
  ],
};
