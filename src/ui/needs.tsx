/** What is missing before the next step can run, in the sentences that ask for it. */
import type { ReactNode } from 'react';
import { useStudio } from '../store/react.ts';
import type { Need } from '../store/types.ts';
import { Sentence } from './sentence.tsx';

interface NeedsProps {
  readonly title: string;
  readonly needs: readonly Need[];
  readonly children?: ReactNode;
}

export function Needs({ title, needs, children }: NeedsProps) {
  if (needs.length === 0) return null;
  return (
    <div className="needs">
      <h3>{title}</h3>
      <ul aria-label={title}>
        {needs.map(({ sentence }) => (
          <li key={sentence}>
            <Sentence text={sentence} />
          </li>
        ))}
      </ul>
      {children}
    </div>
  );
}

/** In the step where the model is dropped: what of the model itself is missing, such as the encoder of a decoder. */
export function ModelNeeds() {
  const needs = useStudio((state) => state.needs);
  return (
    <Needs title="Needed before it can be measured" needs={needs.filter(({ what }) => what === 'model')} />
  );
}
