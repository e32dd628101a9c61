/** The report in a browser: read as XML and as HTML, on a narrow screen, and without a request. */
import { expect, test } from 'vitest';
import { sampleReport } from '../testing/reports.ts';
import { reportHtml } from './html.ts';

test('is the same document as HTML and as XML', async () => {
  const page = reportHtml(await sampleReport());
  const parse = (type: DOMParserSupportedType) => new DOMParser().parseFromString(page, type);
  const [asHtml, asXml] = [parse('text/html'), parse('application/xhtml+xml')];
  expect(asXml.querySelector('parsererror')).toBeNull();
  const names = (of: Document) => [...of.querySelectorAll('body *')].map((e) => e.localName);
  expect(names(asHtml).length).toBeGreaterThan(500);
  expect(names(asHtml)).toEqual(names(asXml));
});

test('fits 390 px and asks for nothing', async () => {
  const frame = document.createElement('iframe');
  frame.style.cssText = 'width: 390px; height: 800px; border: 0';
  frame.srcdoc = reportHtml(await sampleReport());
  const loaded = new Promise((resolve) => frame.addEventListener('load', resolve, { once: true }));
  document.body.append(frame);
  await loaded;
  const inside = frame.contentWindow!;
  const { scrollWidth, clientWidth } = inside.document.documentElement;
  expect(clientWidth).toBeGreaterThan(300);
  expect(scrollWidth).toBe(clientWidth);
  expect(inside.performance.getEntriesByType('resource')).toEqual([]);
  frame.remove();
});
