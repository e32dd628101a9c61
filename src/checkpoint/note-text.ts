/** Names inside the notes that go with downloads: as Markdown, as Python, as JavaScript. */

/** `a`, `b` and `c`. */
export function inlineList(names: readonly string[]): string {
  const coded = names.map((name) => `\`${name}\``);
  if (coded.length <= 1) return coded.join('');
  return `${coded.slice(0, -1).join(', ')} and ${coded.at(-1)}`;
}

/** A string literal in JavaScript and in Python: JSON's is one in both. */
export function literal(text: string): string {
  return JSON.stringify(text);
}

/** A list of strings, one a line where they are many. */
export function pythonStrings(names: readonly string[]): string {
  if (names.length <= 2) return `[${names.map(literal).join(', ')}]`;
  return `[\n${names.map((name) => `    ${literal(name)},\n`).join('')}]`;
}
