/** Text made safe for where it goes: nothing of a file's name may become markup. */

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

/** For text and quoted attributes of HTML and SVG. */
export function html(text: string): string {
  return text
    .toWellFormed()
    .replace(UNFIT, '�')
    .replace(/[&<>"']/g, (c) => ENTITIES[c]);
}

/** For a line of Markdown, also inside of a table. */
export function markdown(text: string): string {
  return (
    text
      .toWellFormed()
      .replace(UNFIT, '�')
      .replace(/\s+/g, ' ')
      .replace(/[\\`*_[\]|~]/g, (c) => `\\${c}`)
      .replace(/[<>&]/g, (c) => ENTITIES[c])
      // At the beginning of a line these would be a list, a heading or a rule.
      .replace(/^ ?(?=[#+=-])/, '\\')
      .replace(/^(\d+)(?=[.)] )/, '$1\\')
  );
}

/** A fenced block that its own text cannot end. */
export function fenced(text: string, language: string): string {
  const fit = text.toWellFormed().replace(UNFIT, '�');
  const longest = Math.max(2, ...[...fit.matchAll(/`+/g)].map(([ticks]) => ticks.length));
  const fence = '`'.repeat(longest + 1);
  return `${fence}${language}\n${fit.trimEnd()}\n${fence}`;
}
