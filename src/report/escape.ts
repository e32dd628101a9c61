/** Text made safe for Markdown; that of HTML and SVG is the charts’. */
import { fit, html } from '../charts/escape.ts';

/** For a line of Markdown, also inside of a table. */
export function markdown(text: string): string {
  return (
    fit(text)
      .replace(/\s+/g, ' ')
      .replace(/[\\`*_[\]|~]/g, (c) => `\\${c}`)
      .replace(/[<>&]/g, (c) => html(c))
      // At the beginning of a line these would be a list, a heading or a rule.
      .replace(/^ ?(?=[#+=-])/, '\\')
      .replace(/^(\d+)(?=[.)] )/, '$1\\')
  );
}

/** A fenced block that its own text cannot end. */
export function fenced(text: string, language: string): string {
  const sound = fit(text);
  const longest = Math.max(2, ...[...sound.matchAll(/`+/g)].map(([ticks]) => ticks.length));
  const fence = '`'.repeat(longest + 1);
  return `${fence}${language}\n${sound.trimEnd()}\n${fence}`;
}
