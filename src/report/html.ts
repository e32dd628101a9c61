/**
 * A report as one HTML file: no script, no request (its own policy forbids both), well-formed as XML too.
 *
 * Why self-contained: it is kept beside the merged model, attached and cited; it must read the same in years.
 */
import { html } from '../charts/escape.ts';
import { heatmapSvg, stackSvg, tradeoffSvg } from './figures.ts';
import { matrixText } from './matrix-text.ts';
import { REPORT_STYLE } from './style.ts';
import type { Block, FileBlock, Report, TableBlock } from './types.ts';

const POLICY = "default-src 'none'; style-src 'unsafe-inline'";

export function reportHtml({ title, summary, origin, headline, sections }: Report): string {
  const numbers = headline.map(
    ({ label, value, detail }) =>
      `<div><dt>${html(label)}</dt><dd>${html(value)}</dd><dd>${html(detail)}</dd></div>`,
  );
  const body = sections.map(
    ({ heading, blocks }, at) =>
      `<section><h2>${html(heading)}</h2>${sectionBody(blocks, `s${at}`)}</section>`,
  );
  return `<!DOCTYPE html>
<html lang="en" xmlns="http://www.w3.org/1999/xhtml">
<head>
<meta charset="utf-8"/>
<meta http-equiv="Content-Security-Policy" content="${html(POLICY)}"/>
<meta name="viewport" content="width=device-width, initial-scale=1"/>
<meta name="generator" content="${html(origin)}"/>
<title>${html(`${title}, merged: a report`)}</title>
<style>${REPORT_STYLE}</style>
</head>
<body>
<main>
<header><p class="origin">${html(origin)}</p><h1>${html(title)}</h1><p class="summary">${html(summary)}</p>
<dl class="headline">${numbers.join('')}</dl></header>
${body.join('\n')}
</main>
</body>
</html>
`;
}

/** Heatmaps that follow each other stand side by side. */
function sectionBody(blocks: readonly Block[], id: string): string {
  const parts: string[] = [];
  let row: string[] = [];
  const endRow = () => {
    if (row.length > 0) parts.push(`<div class="figures">${row.join('')}</div>`);
    row = [];
  };
  blocks.forEach((block, at) => {
    const text = blockHtml(block, `${id}-${at}`);
    if (block.kind === 'heatmap') {
      row.push(text);
      return;
    }
    endRow();
    parts.push(text);
  });
  endRow();
  return parts.join('\n');
}

function blockHtml(block: Block, id: string): string {
  switch (block.kind) {
    case 'text':
      return `<p>${html(block.text)}</p>`;
    case 'list':
      return `<ul>${block.items.map((item) => `<li>${html(item)}</li>`).join('')}</ul>`;
    case 'facts':
      return `<dl class="facts">${block.rows.map(([name, value]) => `<dt>${html(name)}</dt><dd>${valueHtml(value)}</dd>`).join('')}</dl>`;
    case 'table':
      return tableHtml(block, `table-${id}`);
    case 'stack':
      return `<figure class="wide">${stackSvg(block)}<figcaption>${html(block.caption)}</figcaption></figure>`;
    case 'heatmap':
      return `<figure><h3>${html(block.title)}</h3>${heatmapSvg(block, `ramp-${id}`)}<figcaption>${html(block.caption)}</figcaption><details><summary>Values</summary><pre tabindex="0">${html(matrixText(block))}</pre></details></figure>`;
    case 'tradeoff':
      return `<figure class="wide">${tradeoffSvg(block)}<figcaption>${html(block.caption)}</figcaption></figure>`;
    case 'file':
      return fileHtml(block);
  }
}

/** Hashes in a face in which they can be compared. */
function valueHtml(value: string): string {
  return /^[0-9a-f]{64}$/.test(value) ? `<span class="hash">${value}</span>` : html(value);
}

function tableHtml({ caption, columns, rows }: TableBlock, id: string): string {
  const kind = (at: number) => (columns[at].numeric ? ' class="number"' : '');
  const head = columns.map(({ name }, at) => `<th scope="col"${kind(at)}>${html(name)}</th>`).join('');
  const body = rows.map(
    (row) => `<tr>${row.map((cell, at) => `<td${kind(at)}>${valueHtml(cell)}</td>`).join('')}</tr>`,
  );
  // Beside the box that scrolls, so that it does not scroll away.
  return `<p class="caption" id="${html(id)}">${html(caption)}</p><div class="table" tabindex="0" role="region" aria-labelledby="${html(id)}"><table aria-labelledby="${html(id)}"><thead><tr>${head}</tr></thead><tbody>${body.join('')}</tbody></table></div>`;
}

function fileHtml({ title, fileName, language, text, excerpt }: FileBlock): string {
  const shown = `<pre tabindex="0">${html((excerpt ?? text).trimEnd())}</pre>`;
  if (fileName === undefined) return `<figure><h3>${html(title)}</h3>${shown}</figure>`;
  const type = language === 'json' ? 'application/json' : 'text/plain';
  const link = `<a download="${html(fileName)}" href="data:${type};charset=utf-8,${encodeURIComponent(text.toWellFormed()).replaceAll("'", '%27')}">${html(fileName)}</a>`;
  return `<p>${html(title)}: ${link}</p><details><summary>Read it here</summary>${shown}</details>`;
}
