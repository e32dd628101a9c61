/** A report as Markdown (GitHub's tables): for issues, model cards and notebooks. Figures are given as their numbers. */
import { fenced, markdown } from './escape.ts';
import { matrixText } from './matrix-text.ts';
import type { Block, Report, TableBlock } from './types.ts';

export function reportMarkdown({ title, summary, origin, headline, sections }: Report): string {
  const numbers = headline.map(
    ({ label, value, detail }) => `- **${markdown(label)}**: ${markdown(value)} (${markdown(detail)})`,
  );
  const parts = [
    `# ${markdown(title)}`,
    markdown(summary),
    numbers.join('\n'),
    ...sections.flatMap(({ heading, blocks }) => [`## ${markdown(heading)}`, ...blocks.map(blockMarkdown)]),
    `*${markdown(origin)}*`,
  ];
  return `${parts.filter((part) => part !== '').join('\n\n')}\n`;
}

function blockMarkdown(block: Block): string {
  switch (block.kind) {
    case 'text':
      return markdown(block.text);
    case 'list':
      return block.items.map((item) => `- ${markdown(item)}`).join('\n');
    case 'facts':
      return block.rows.map(([name, value]) => `- ${markdown(name)}: ${markdown(value)}`).join('\n');
    case 'table':
      return tableMarkdown(block);
    case 'stack':
      return block.sets
        .map(({ name, layers }) => `- ${markdown(name)}: layers ${layers.join(', ')} share one FFN`)
        .join('\n');
    case 'heatmap':
      return `### ${markdown(block.title)}\n\n${markdown(block.caption)}\n\n${fenced(matrixText(block), 'csv')}`;
    case 'tradeoff':
      // Its points are in the table beside it.
      return `### ${markdown(block.title)}\n\n${markdown(block.caption)}`;
    case 'file':
      return `${markdown(block.title)}${block.fileName === undefined ? '' : ` (${markdown(block.fileName)})`}:\n\n${fenced(block.text, block.language)}`;
  }
}

function tableMarkdown({ caption, columns, rows }: TableBlock): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [
    `${markdown(caption)}\n`,
    line(columns.map(({ name }) => markdown(name))),
    line(columns.map(({ numeric }) => (numeric ? '--:' : '---'))),
    ...rows.map((row) => line(row.map(markdown))),
  ].join('\n');
}
