/** Step 2. The data that the model is watched on, how it is split, what is still missing, and the measurement. */
import { type FormEvent, useState } from 'react';
import { formatInteger } from '../store/format.ts';
import { useStudio } from '../store/react.ts';
import type { DataSummary } from '../store/types.ts';
import { Alerts } from './alerts.tsx';
import { Button } from './button.tsx';
import { DropZone } from './drop-zone.tsx';
import { Needs } from './needs.tsx';
import { Sentence } from './sentence.tsx';
import { StepSection } from './step-section.tsx';
import { TableScroll } from './table-scroll.tsx';
import { useActionKind } from './use-action-kind.ts';
import { SPLIT_USES, UNIT_NAMES } from './words.ts';

export function CalibrateSection() {
  const data = useStudio((state) => state.data);
  const needs = useStudio((state) => state.needs);
  const busy = useStudio(({ job }) => job !== null);
  const measured = useStudio(({ similarity }) => similarity.seconds !== null);
  const addData = useStudio((state) => state.addData);
  const measure = useStudio((state) => state.measure);
  const kind = useActionKind('calibrate');
  const ready = data !== null && needs.length === 0;
  return (
    <StepSection
      step="calibrate"
      about="Example inputs show which layers behave alike. Three splits keep the score honest."
    >
      <div className="calibrate">
        <div className="calibrate-data">
          {data && <Splits data={data} />}
          {!data && needs.every(({ what }) => what !== 'model') && (
            <p className="empty">There is no data yet to run the model on.</p>
          )}
          <Needs title="Still needed" needs={needs}>
            {needs.some(({ what }) => what === 'context-length') && <ContextLength />}
          </Needs>
        </div>
        <div className="calibrate-act">
          <Button
            kind={kind}
            disabled={busy || !ready}
            onClick={() => void measure()}
            describedBy="measure-about"
          >
            Measure similarity
          </Button>
          <p className="note" id="measure-about">
            {ready
              ? measured
                ? 'Measured. Running it again gives the same numbers on the same data.'
                : 'Runs the calibrate split through the model once and compares every pair of layers.'
              : 'Possible as soon as what is still needed is here.'}
          </p>
          <DropZone label="Calibration" compact disabled={busy} onFiles={(files) => void addData(files)}>
            <p>
              {data
                ? 'Use other data: text, images, sound or .npy'
                : 'Drop text with a tokenizer.json, images, sound, or .npy'}
            </p>
          </DropZone>
          <Alerts step="calibrate" />
        </div>
      </div>
    </StepSection>
  );
}

function Splits({ data }: { data: DataSummary }) {
  return (
    <>
      <TableScroll label="Splits">
        <table aria-label="Data splits" className="table">
          <thead>
            <tr>
              <th scope="col">Split</th>
              <th scope="col" className="number">
                {UNIT_NAMES[data.splits[0].unit]}
              </th>
              <th scope="col" className="number">
                {data.splits[0].scoredUnit ? `Scored ${data.splits[0].scoredUnit}` : 'Scored'}
              </th>
              <th scope="col" className="wide-only">
                Used for
              </th>
            </tr>
          </thead>
          <tbody>
            {data.splits.map(({ name, items, scored }) => (
              <tr key={name}>
                <th scope="row">{name}</th>
                <td className="number">
                  <data value={String(items)}>{formatInteger(items)}</data>
                </td>
                <td className="number">
                  <data value={String(scored)}>{formatInteger(scored)}</data>
                </td>
                <td className="wide-only muted">{SPLIT_USES[name]}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </TableScroll>
      <p className="note">
        {data.rule}
        {data.contextLength !== undefined &&
          ` Chunks of ${data.contextLength} tokens. ${data.contextSource ?? ''}`}
      </p>
      {data.notes.map((sentence) => (
        <p key={sentence} className="note">
          <Sentence text={sentence} />
        </p>
      ))}
    </>
  );
}

function ContextLength() {
  const setContextLength = useStudio((state) => state.setContextLength);
  const busy = useStudio(({ job }) => job !== null);
  const [tokens, setTokens] = useState('');
  const submit = () => void setContextLength(Number(tokens));
  const onSubmit = (event: FormEvent) => {
    event.preventDefault();
    if (!busy) submit();
  };
  return (
    <form className="inline-form" onSubmit={onSubmit} noValidate>
      <label className="field">
        <span>Context length</span>
        <input
          type="number"
          min={2}
          step={1}
          inputMode="numeric"
          value={tokens}
          onChange={(event) => setTokens(event.target.value)}
        />
      </label>
      <Button disabled={busy} onClick={submit}>
        Set context length
      </Button>
    </form>
  );
}
