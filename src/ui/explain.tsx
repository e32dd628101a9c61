/** A short explanation behind a question: closed until somebody wonders. */
import type { ReactNode } from 'react';

export const PAPER = 'https://arxiv.org/abs/2501.06126';

export interface ExplainProps {
  readonly question: string;
  readonly children: ReactNode;
  /** What the link to the paper says; none where it says nothing about it. */
  readonly paper?: string;
}

export function Explain({ question, children, paper }: ExplainProps) {
  return (
    <details className="explain">
      <summary>
        <span className="explain-mark" aria-hidden="true">
          ?
        </span>
        <span>{question}</span>
      </summary>
      <div className="explain-body">
        {children}
        {paper && (
          <p>
            <a href={PAPER}>{paper}</a>
          </p>
        )}
      </div>
    </details>
  );
}
