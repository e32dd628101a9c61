/** Step 3a. Every window of some widths, merged and scored: what each would cost, and whether one could have guessed. */
import { useState } from 'react';
import { METHOD_SHORT, usesReference } from '../store/describe.ts';
import { numberOrNaN } from '../store/format.ts';
import { metricPhrase, sameMetric } from '../store/metrics.ts';
import { useStudio } from '../store/react.ts';
import { windowCount, windowMethod } from '../store/sweep.ts';
import type { GroupSummary } from '../store/types.ts';
import { Alerts } from './alerts.tsx';
import { Button } from './button.tsx';
import { Fact } from './fact.tsx';
import { NumberField } from './number-field.tsx';
import { Predictions } from './predictions.tsx';
import { StepSection } from './step-section.tsx';
import { SweepMap } from './sweep-map.tsx';
import { SweepTable } from './sweep-table.tsx';
import { type Damages, useDamages } from './use-damages.ts';

export function SweepSection() {
  const group = useStudio(({ model, view }) => model?.groups.find(({ id }) => id === view.groupId));
  if (!group) return null;
  return (
    <StepSection
      step="sweep"
      about="What every window would cost, measured rather than guessed: merged and scored on the select split."
    >
      <Sweep key={group.id} group={group} />
    </StepSection>
  );
}

function Sweep({ group }: { group: GroupSummary }) {
  const damages = useDamages(group.id);
  const runSweep = useStudio((state) => state.runSweep);
  const ready = useStudio(({ data, needs }) => data !== null && needs.length === 0);
  const busy = useStudio(({ job }) => job !== null);
  const [narrowest, setNarrowest] = useState('2');
  const [widest, setWidest] = useState(String(Math.min(4, group.layers)));
  const submit = () => void runSweep(numberOrNaN(narrowest), numberOrNaN(widest));
  const limits = { min: 2, max: group.layers };
  const asked = widthsBetween(numberOrNaN(narrowest), numberOrNaN(widest), group.layers);
  return (
    <div className="sweep">
      <form
        className="sweep-ask"
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          if (!busy && ready) submit();
        }}
      >
        <NumberField label="Narrowest window" value={narrowest} onChange={setNarrowest} {...limits} />
        <NumberField label="Widest window" value={widest} onChange={setWidest} {...limits} />
        <Button disabled={busy || !ready} describedBy="sweep-about" onClick={submit}>
          Sweep all windows
        </Button>
        <Counts damages={damages} group={group} asked={asked} />
        <SettingsLine ready={ready} damages={damages} />
        <button type="submit" hidden>
          Sweep
        </button>
      </form>
      <Alerts step="sweep" />
      <SweepMap group={group} damages={damages} asked={asked} />
      <div className="sweep-results">
        <SweepTable group={group} damages={damages} />
        <Predictions run={damages?.run ?? null} />
      </div>
    </div>
  );
}

/** The widths between two numbers; none where they make no sense. */
function widthsBetween(narrowest: number, widest: number, layers: number): number[] {
  const sound = (width: number) => Number.isInteger(width) && width >= 2 && width <= layers;
  if (!sound(narrowest) || !sound(widest) || narrowest > widest) return [];
  return Array.from({ length: widest - narrowest + 1 }, (_, index) => narrowest + index);
}

function Counts(props: { damages: Damages | null; group: GroupSummary; asked: readonly number[] }) {
  const { damages, group, asked } = props;
  const total = windowCount(group.layers, damages?.run.request.widths ?? asked);
  const done = damages?.windows.length ?? 0;
  return (
    <div className="facts facts-two sweep-counts">
      <Fact label="Windows scored" value={done} text={String(done)} />
      <Fact label="Windows in all" value={total} text={String(total)} />
    </div>
  );
}

/** With what the windows are merged, and whether what is shown was made with that. */
function SettingsLine({ ready, damages }: { ready: boolean; damages: Damages | null }) {
  const { method, reference } = useStudio((state) => state.merge);
  const chosen = useStudio(({ metric }) => metric.chosen);
  const tried = windowMethod(method);
  const how = `${METHOD_SHORT[tried]}${usesReference(tried) ? `, ${reference} layer as reference` : ''}`;
  const otherMetric = damages && chosen && !sameMetric(damages.run.metric, chosen);
  const text = !ready
    ? 'Scoring windows needs data with right answers: see step 2.'
    : `Each window is ${how}, as set in step 4. Cancel at any time: what is scored stays, and the next sweep goes on from there.`;
  return (
    <p className="note sweep-about" id="sweep-about">
      {text}
      {otherMetric &&
        ` What is shown was scored by ${metricPhrase(damages.run.metric)}; sweep again for ${metricPhrase(chosen)}.`}
    </p>
  );
}
