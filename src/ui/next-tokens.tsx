/** What both models think comes next, by probability. */
import { formatPercent } from '../store/format.ts';
import type { TokenExample } from '../store/types.ts';

type Guesses = TokenExample['original'];

export function NextTokens({ items }: { items: readonly TokenExample[] }) {
  return (
    <ul className="next-tokens" aria-label="Likeliest next tokens">
      {items.map(({ context, truth, original, merged }) => (
        <li key={context}>
          <p className="code next-context">
            {context}
            <mark>{truth}</mark>
          </p>
          <Column name="Original" guesses={original} truth={truth} />
          <Column name="Merged" guesses={merged} truth={truth} />
        </li>
      ))}
    </ul>
  );
}

function Column({ name, guesses, truth }: { name: string; guesses: Guesses; truth: string }) {
  return (
    <div className="next-column">
      <h4>{name}</h4>
      <ol>
        {guesses.map(({ token, probability }) => (
          <li key={token} className={token === truth ? 'next-right' : undefined}>
            <span className="code">{token}</span>
            <data value={String(probability)}>{formatPercent(probability)}</data>
          </li>
        ))}
      </ol>
    </div>
  );
}
