/** The report in both forms: whole, well-formed, self-contained, and nothing of a name becomes markup. */
import { describe, expect, test } from 'vitest';
import { parseRecipe } from '../recipe/recipe.ts';
import type { StudioFacts } from '../store/types.ts';
import { sampleRecipe } from '../testing/recipes.ts';
import { reportParts, sampleReport } from '../testing/reports.ts';
import { opened } from '../testing/studio-setup.ts';
import { fenced, markdown } from './escape.ts';
import { reportHtml } from './html.ts';
import { reportMarkdown } from './markdown.ts';
import type { Report } from './types.ts';

interface Element {
  readonly name: string;
  readonly attributes: Readonly<Record<string, string>>;
}

/** All elements; fails where tags are not nested or attributes not quoted. */
function elementsOf(page: string): Element[] {
  const elements: Element[] = [];
  const open: string[] = [];
  const body = page.replace(/^<!DOCTYPE html>\n/, '').replace(/<style>[^<]*<\/style>/, '');
  for (const [tag, end, name, inside, empty] of body.matchAll(
    /<(\/?)([^\s>/]*)((?:"[^"]*"|[^">])*?)(\/?)>/g,
  )) {
    if (end) {
      expect(open.pop(), `${tag} ends it`).toBe(name);
      continue;
    }
    expect(name, tag).toMatch(/^[a-zA-Z][a-zA-Z0-9]*$/);
    const rest = inside.replace(/\s+([\w:-]+)="([^"<]*)"/g, '');
    expect(rest.trim(), tag).toBe('');
    const pairs = [...inside.matchAll(/\s+([\w:-]+)="([^"<]*)"/g)].map(([, key, value]) => [key, value]);
    elements.push({ name, attributes: Object.fromEntries(pairs) });
    if (!empty) open.push(name);
  }
  expect(open).toEqual([]);
  return elements;
}

const unescaped = (text: string) =>
  text
    .replace(/<[^>]*>/g, '')
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&quot;', '"')
    .replaceAll('&#39;', "'")
    .replaceAll('&amp;', '&');
const plain = (text: string) =>
  text
    .replace(/\\([^\w\s])/g, '$1')
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&amp;', '&');

/** Every text of a report that says a fact. */
function textsOf({ title, summary, origin, headline, sections }: Report): string[] {
  const blocks = sections.flatMap((section) => section.blocks);
  return [
    title,
    summary,
    origin,
    ...headline.flatMap(({ label, value, detail }) => [label, value, detail]),
    ...blocks.flatMap((block) => {
      if (block.kind === 'text') return [block.text];
      if (block.kind === 'list') return block.items;
      if (block.kind === 'facts') return block.rows.flat();
      if (block.kind === 'table')
        return [block.caption, ...block.columns.map((c) => c.name), ...block.rows.flat()];
      if (block.kind === 'heatmap')
        return Array.from(block.values, (v) => (Number.isNaN(v) ? '' : v.toFixed(4)));
      return [];
    }),
  ];
}

/** Those of `HOSTILE` that neither form may hold. */
const UNFIT = new RegExp(`[${String.fromCharCode(0, 0x202e)}]`);
const HOSTILE = `a"'><img src=x onerror=alert(1)>&amp;|\`\u202e\u0000</title><script>`;

/** The facts with a name everywhere where a name of a file can come in. */
function named(name: string): [(facts: StudioFacts) => StudioFacts, typeof reportParts] {
  const change = (facts: StudioFacts): StudioFacts => {
    const groups = facts.model!.groups.map((g) => ({ ...g, name }));
    const model = { ...facts.model!, fileName: name, producer: name, groups };
    const result = { ...facts.merge.result!, notes: [name] };
    const data = { ...facts.data!, rule: name, notes: [name] };
    return { ...facts, model, data, merge: { ...facts.merge, result } };
  };
  const files = [{ ...reportParts.files[0], name }];
  return [change, { ...reportParts, browser: name, files, recipe: sampleRecipe({ app: name }) }];
}

describe('the page', () => {
  test('is well-formed, and every id is given once', async () => {
    const elements = elementsOf(reportHtml(await sampleReport()));
    const ids = elements.flatMap(({ attributes: { id } }) => (id === undefined ? [] : [id]));
    expect(new Set(ids).size).toBe(ids.length);
    const labels = elements.flatMap(({ attributes }) => attributes['aria-labelledby'] ?? []);
    expect(labels.filter((of) => !ids.includes(of))).toEqual([]);
    expect(elements.filter(({ name }) => name === 'svg').length).toBeGreaterThanOrEqual(5);
  });

  test('asks for nothing from anywhere and runs nothing', async () => {
    const page = reportHtml(await sampleReport());
    const elements = elementsOf(page);
    const names = new Set(elements.map(({ name }) => name));
    for (const name of ['script', 'link', 'img', 'iframe', 'object', 'image', 'use', 'base'])
      expect(names).not.toContain(name);
    for (const { name, attributes } of elements) {
      for (const [key, value] of Object.entries(attributes)) {
        expect(key, name).not.toMatch(/^on|^src|style/i);
        if (key === 'href') expect(value).toMatch(/^data:application\/json/);
        if (key === 'fill' || key === 'stroke') expect(value).toMatch(/^(#|rgb|none|url\(#)/);
      }
    }
    expect(page).not.toMatch(/url\((?!#)|@import/);
    const policy = elements.find(({ attributes }) => attributes['http-equiv'] === 'Content-Security-Policy');
    expect(policy?.attributes.content).toBe('default-src &#39;none&#39;; style-src &#39;unsafe-inline&#39;');
  });

  test('has every number and word of the report in it', async () => {
    const report = await sampleReport();
    const page = unescaped(reportHtml(report));
    expect(textsOf(report).filter((text) => !page.includes(text))).toEqual([]);
    expect(textsOf(report).length).toBeGreaterThan(400);
  });

  test('holds the recipe, to be taken out again', async () => {
    const page = reportHtml(await sampleReport());
    const link = elementsOf(page).find(({ name }) => name === 'a')!;
    expect(link.attributes.download).toBe('merge.layerfold.json');
    const text = decodeURIComponent(link.attributes.href.slice(link.attributes.href.indexOf(',') + 1));
    expect(parseRecipe(text)).toEqual(sampleRecipe());
  });

  test('makes no markup of names', async () => {
    const page = reportHtml(await sampleReport(...named(HOSTILE)));
    const names = (of: string) => elementsOf(of).map(({ name }) => name);
    expect(names(page)).toEqual(names(reportHtml(await sampleReport(...named('model.onnx')))));
    expect(page.match(UNFIT)).toBeNull();
    expect(page).toContain('&lt;img src=x onerror=alert(1)&gt;');
  });
});

describe('the Markdown', () => {
  test('has every number and word of the report in it', async () => {
    const report = await sampleReport();
    const text = plain(reportMarkdown(report));
    expect(textsOf(report).filter((part) => !text.includes(part))).toEqual([]);
    expect(reportMarkdown(report)).toContain('eprint        = {2501.06126}');
  });

  test('makes no markup of names', async () => {
    const text = reportMarkdown(await sampleReport(...named(HOSTILE)));
    const outside = text.replace(/^(`{3,})[^\n]*\n[\s\S]*?\n\1$/gm, '');
    expect(outside).not.toContain('<');
    expect(text.match(UNFIT)).toBeNull();
    for (const row of outside.split('\n').filter((line) => line.startsWith('|'))) {
      expect(row).toMatch(/^\| (?:[^|\\]|\\.)*(?: \| (?:[^|\\]|\\.)*)* \|$/);
    }
  });

  test.each([
    ['- a list', '\\- a list'],
    ['# a heading', '\\# a heading'],
    ['1. a list', '1\\. a list'],
    ['+0.897 ± 0.028', '\\+0.897 ± 0.028'],
    ['a|b `c` *d* [e](f)', 'a\\|b \\`c\\` \\*d\\* \\[e\\](f)'],
    ['two\nlines', 'two lines'],
  ])('escapes %j', (text, escaped) => {
    expect(markdown(text)).toBe(escaped);
  });

  test('fences what has fences in it', () => {
    expect(fenced('a\n```\nb', 'text')).toBe('````text\na\n```\nb\n````');
  });
});

describe('what goes into it', () => {
  test('nothing without a merge', async () => {
    expect(await sampleReport((f) => ({ ...f, merge: { ...f.merge, result: null } }))).toBeNull();
  });

  test('each score with its error and sample size', async () => {
    const { headline, sections } = await sampleReport();
    expect(headline[1].detail).toMatch(/^\+[\d.]+ ± [\d.]+ on [\d,]+ tokens of the report split$/);
    const costs = sections.find(({ heading }) => heading === 'What it costs')!.blocks[0];
    expect(costs.kind === 'table' && costs.rows).toHaveLength(1);
  });

  test('recovery, step by step', async () => {
    const report = await sampleReport((facts) => {
      const result = facts.merge.result!;
      const recovery = [
        { rung: 'R3', set: 1, refreshed: true, options: { lambda: 0.01, own: ['b_in', 'b_out'] } },
      ] as const;
      return {
        ...facts,
        merge: { ...facts.merge, result: { ...result, plan: { ...result.plan, recovery } } },
      };
    });
    const tables = report.sections[0].blocks.filter((block) => block.kind === 'table');
    expect(tables[0]?.rows).toEqual([
      ['R3, down-projection refitted', '8–11', 'the merged model', 'lambda 0.01, own b_in + b_out'],
    ]);
    expect(report.summary).toContain(', then recovered. The file is ');
  });

  test('proposals that were refitted, with what that gave and added', async () => {
    const { now } = await opened();
    await now().proposePlans(3, true);
    const { plan } = now();
    const proposals = async (change: Partial<StudioFacts>) => {
      const { sections } = await sampleReport((facts) => ({ ...facts, ...change }));
      const [table] = sections.find(({ heading }) => heading === 'Proposed groups')!.blocks;
      return table.kind === 'table' ? table : null;
    };
    const table = await proposals({ plan });
    expect(table?.columns.map(({ name }) => name).slice(2)).toEqual(['With R3', 'Bytes after']);
    const [best] = plan!.result.candidates;
    const { value, bytesAfter } = best.recovered!;
    expect(value).not.toBe(best.value);
    expect(bytesAfter).toBeGreaterThan(best.bytesAfter);
    const numbers = (text: string) => Number(text.replaceAll(',', ''));
    const row = table!.rows[0].slice(1).map(numbers);
    expect(row[0]).toBeCloseTo(best.value, 2);
    expect(row[1]).toBeCloseTo(value, 2);
    expect(row[2]).toBe(bytesAfter);
    expect((await proposals({}))?.columns.map(({ name }) => name)).not.toContain('With R3');
  });

  test('what was not done is not there', async () => {
    const { sections } = await sampleReport(
      (facts) => ({
        ...facts,
        sweeps: {},
        plan: null,
        tried: [],
        evaluation: null,
        similarity: { byGroup: {}, seconds: null, engine: null },
        data: null,
      }),
      { ...reportParts, recipe: null },
    );
    expect(sections.map(({ heading }) => heading)).toEqual([
      'What was merged, and how',
      'What it costs',
      'Model',
      'Machine and versions',
      'Do it again',
      'Cite',
    ]);
    expect(sections[1].blocks).toEqual([{ kind: 'text', text: 'This merge was not evaluated.' }]);
  });
});
