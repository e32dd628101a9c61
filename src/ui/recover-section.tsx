/** Step 5. What merging lost, won back rung by rung: which rungs to try, how the training goes, what each gained. */
import { useStudio } from '../store/react.ts';
import { Alerts } from './alerts.tsx';
import { WhatRecoveryDoes } from './explanations.tsx';
import { LossFigure } from './loss-figure.tsx';
import { RecoverAsk } from './recover-ask.tsx';
import { RecoverResults } from './recover-results.tsx';
import { RungLadder } from './rung-ladder.tsx';
import { StepSection } from './step-section.tsx';
import { TuneFigure } from './tune-figure.tsx';

export function RecoverSection() {
  // Tuning alone draws its own curves.
  const distils = useStudio(
    ({ recover: { choice, run } }) =>
      choice.mode === 'best' ||
      !choice.rungs.includes('tune') ||
      choice.rungs.includes('R6') ||
      (run?.curves.length ?? 0) > 0,
  );
  return (
    <StepSection
      step="recover"
      about="Wins back much of what merging lost, from free to costly. Each rung is kept only where it helps on the select split."
    >
      <div className="recover">
        <div className="recover-side">
          <RecoverAsk />
          <WhatRecoveryDoes />
          <Alerts step="recover" />
          <TuneFigure />
          {distils && <LossFigure />}
        </div>
        <RungLadder />
      </div>
      <RecoverResults />
    </StepSection>
  );
}
