/** Step 4. How the picked windows become one copy each, and what that saved. */
import { describePlan, describeSets, needsData, usesReference } from '../store/describe.ts';
import { formatBytes, formatCount, formatShare } from '../store/format.ts';
import { mergeIsStale } from '../store/merge.ts';
import { useStudio } from '../store/react.ts';
import { Alerts } from './alerts.tsx';
import { Button } from './button.tsx';
import { WhatTyingDoes, WhyPermute } from './explanations.tsx';
import { Fact } from './fact.tsx';
import { LayerStack } from './layer-stack.tsx';
import { RadioCards } from './radio-cards.tsx';
import { ScoreChoiceField } from './score-choice.tsx';
import { SeedField } from './seed-field.tsx';
import { StepSection } from './step-section.tsx';
import { useActionKind } from './use-action-kind.ts';
import { METHODS, REFERENCES, SMALLER_NOT_FASTER } from './words.ts';

export function MergeSection() {
  const method = useStudio(({ merge }) => merge.method);
  const reference = useStudio(({ merge }) => merge.reference);
  const setMethod = useStudio((state) => state.setMethod);
  const setReference = useStudio((state) => state.setReference);
  return (
    <StepSection step="merge" about="Each set of layers becomes one stored copy that all of them use.">
      <div className="merge">
        <Stacks />
        <div className="merge-choices">
          <div>
            <h3>Method</h3>
            <RadioCards label="Method" options={METHODS} chosen={method} onChoose={setMethod} />
            {method === 'random' && <SeedField />}
          </div>
          <div className="explanations">
            <WhyPermute />
            <WhatTyingDoes />
          </div>
        </div>
        <div className="merge-choices">
          <ScoreChoiceField />
          <div>
            <h3>Reference layer</h3>
            <RadioCards
              label="Reference layer choice"
              options={REFERENCES}
              chosen={reference}
              onChoose={setReference}
              layout="row"
            />
            <p className="note two-lines">
              {usesReference(method)
                ? 'The layer of each set that the others are matched to. It makes little difference.'
                : 'Not used by this method.'}
            </p>
          </div>
          <MergeAct />
        </div>
      </div>
    </StepSection>
  );
}

function Stacks() {
  const model = useStudio((state) => state.model);
  if (!model) return null;
  return (
    <div className="merge-stacks">
      {model.groups.map((group) => (
        <LayerStack key={group.id} model={model} group={group} />
      ))}
    </div>
  );
}

function MergeAct() {
  const groups = useStudio(({ model }) => model?.groups);
  const sets = useStudio(({ picks }) => picks.sets);
  const busy = useStudio(({ job }) => job !== null);
  const hasData = useStudio(({ data, needs }) => data !== null && needs.length === 0);
  const wantsData = useStudio(({ merge }) => needsData(merge));
  const runMerge = useStudio((state) => state.runMerge);
  const kind = useActionKind('merge');
  const ready = hasData || !wantsData;
  const why =
    sets.length === 0
      ? 'Pick a window on the heatmap first.'
      : ready
        ? `Merges layers ${describeSets(sets, groups)}.`
        : 'This needs calibration data: see step 2, or align by weight vectors only.';
  return (
    <div className="merge-act panel">
      <Button
        kind={kind}
        disabled={busy || sets.length === 0 || !ready}
        describedBy="merge-about"
        onClick={() => void runMerge()}
      >
        Merge
      </Button>
      <p className="note" id="merge-about">
        {why}
      </p>
      <MergeOutcome />
      <Alerts step="merge" />
      <p className="note fine">{SMALLER_NOT_FASTER} Step 5 wins back much of what merging loses.</p>
    </div>
  );
}

function MergeOutcome() {
  const groups = useStudio(({ model }) => model?.groups);
  const result = useStudio(({ merge }) => merge.result);
  const stale = useStudio(mergeIsStale);
  if (!result) {
    return (
      <>
        <div className="facts facts-three">
          <Fact label="Parameters saved" value={null} text="" />
          <Fact label="Bytes saved" value={null} text="" />
          <Fact label="File size after" value={null} text="" note="of before" />
        </div>
        <p className="note two-lines">Nothing is merged yet.</p>
      </>
    );
  }
  const { parametersSaved, bytesSaved, bytesBefore, bytesAfter } = result.saving;
  return (
    <>
      {/* biome-ignore lint/a11y/useSemanticElements: a fieldset is for controls; these are three numbers. */}
      <div role="group" aria-label="Merge result" className="facts facts-three">
        <Fact label="Parameters saved" value={parametersSaved} text={formatCount(parametersSaved)} />
        <Fact label="Bytes saved" value={bytesSaved} text={formatBytes(bytesSaved)} />
        <Fact
          label="File size after"
          value={bytesAfter}
          text={formatBytes(bytesAfter)}
          note={`${formatShare(bytesAfter, bytesBefore)} of before`}
        />
      </div>
      <p className={stale ? 'note two-lines stale' : 'note two-lines'}>
        Merged: {describePlan(result.plan, result.droppedLayers, groups)}.
        {stale && ' Your picks or options have changed since: merge again to apply them.'}
      </p>
      {result.notes.map((note) => (
        <p className="note" key={note}>
          {note}
        </p>
      ))}
    </>
  );
}
