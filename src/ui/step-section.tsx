/** The frame of a step: number and heading in the margin, what it is for in one line, the work beside it. */
import type { ReactNode } from 'react';
import { STEPS } from '../store/steps.ts';
import type { Step } from '../store/types.ts';

export interface StepSectionProps {
  readonly step: Step;
  readonly about: ReactNode;
  readonly children: ReactNode;
}

export function StepSection({ step, about, children }: StepSectionProps) {
  const facts = STEPS.find(({ id }) => id === step) ?? STEPS[0];
  const heading = `${step}-heading`;
  return (
    <section
      className={`step step-${step}${facts.optional ? ' step-optional' : ''}`}
      id={step}
      aria-labelledby={heading}
    >
      <div className="step-margin">
        <div className="step-title">
          <span className="step-number" aria-hidden="true">
            {facts.mark}
          </span>
          <h2 id={heading}>{facts.name}</h2>
        </div>
        <p className="step-about">{about}</p>
      </div>
      <div className="step-body">{children}</div>
    </section>
  );
}
