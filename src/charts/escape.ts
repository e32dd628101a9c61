/**
 * Text made safe for HTML and SVG: nothing of a file's name may become markup, nor break what must be well-formed XML.
 * The report's Markdown has rules of its own (`report/escape.ts`).
 */

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** Characters that XML does not have, and those that turn the direction of text around. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is taken out
const UNFIT = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff\u202a-\u202e\u2066-\u2069]/g;

/** Without characters that no form of text may hold. */
export function fit(text: string): string {
  return text.toWellFormed().replace(UNFIT, '�');
}

/** For text and quoted attributes of HTML and SVG. */
export function html(text: string): string {
  return fit(text).replace(/[&<>"']/g, (c) => ENTITIES[c]);
}
