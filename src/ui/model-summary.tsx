/** What the open model is: size, share of FFNs, what can be merged and what cannot, and where it will run. */
import { formatBytes, formatCount, formatInteger, formatShare, share } from '../store/format.ts';
import { modelTitle } from '../store/formats.ts';
import { useStudio } from '../store/react.ts';
import { SAMPLES } from '../store/samples.ts';
import type { ModelSummary, ValueSummary } from '../store/types.ts';
import { Fact } from './fact.tsx';
import { GroupsTable } from './groups-table.tsx';
import { ModelFiles } from './model-files.tsx';
import { Sentence, ValueList } from './sentence.tsx';
import { StackBar } from './stack-bar.tsx';

export function ModelSummaryView({ model }: { model: ModelSummary }) {
  const { parameters, bytes, ffnParameters } = model;
  return (
    <section className="model-summary" aria-label="Model summary">
      <div className="model-head">
        <h3 className={model.files.length > 1 ? 'model-title' : 'model-name'}>{modelTitle(model)}</h3>
        <SampleName />
        <ModelFiles model={model} />
      </div>
      <div className="facts">
        <Fact size="large" label="Parameters" value={parameters} text={formatCount(parameters)} />
        <Fact size="large" label="File size" value={bytes} text={formatBytes(bytes)} />
        <Fact
          size="large"
          label="FFN share"
          value={share(ffnParameters, parameters)}
          text={formatShare(ffnParameters, parameters)}
        />
        <Backend />
      </div>
      {model.groups.length > 0 && <StackBar model={model} />}
      {model.groups.length > 0 ? <GroupsTable model={model} /> : <NoGroups model={model} />}
      {model.refusals.length > 0 && (
        <div className="refusals">
          <h4>Cannot be merged</h4>
          <ul aria-label="Cannot be merged">
            {model.refusals.map((sentence) => (
              <li key={sentence}>
                <Sentence text={sentence} />
              </li>
            ))}
          </ul>
        </div>
      )}
      <Notes notes={model.notes} />
      <Details model={model} />
    </section>
  );
}

/** The files of samples are all named alike. */
function SampleName() {
  const open = useStudio(({ session }) => session.sample);
  const sample = SAMPLES.find(({ name }) => name === open);
  return sample ? <p className="note">Sample {sample.title}</p> : null;
}

/** Notes that a need says already, where the eye is, are not said again. */
function Notes({ notes }: { notes: readonly string[] }) {
  const needs = useStudio((state) => state.needs);
  const shown = notes.filter((note) => needs.every(({ sentence }) => sentence !== note));
  if (shown.length === 0) return null;
  return (
    <ul className="model-notes" aria-label="Notes on the model">
      {shown.map((note) => (
        <li key={note} className="note">
          <Sentence text={note} />
        </li>
      ))}
    </ul>
  );
}

function Backend() {
  const { status, summary } = useStudio((state) => state.engine);
  if (!summary) {
    const text = status === 'failed' ? 'not found' : 'looking…';
    return <Fact size="large" label="Backend" value={null} text={text} note={text} />;
  }
  const text = summary.backend === 'webgpu' ? 'WebGPU' : 'CPU';
  return <Fact size="large" label="Backend" value={summary.backend} text={text} note={summary.reason} />;
}

function NoGroups({ model }: { model: ModelSummary }) {
  return (
    <p className="empty">
      <strong>Nothing in this model can be merged.</strong> Merging needs two or more feed-forward layers of
      equal shape
      {model.refusals.length > 0 ? '; what stands in the way is listed below.' : ', and none were found.'} The
      file can still be saved, unchanged.
    </p>
  );
}

function Details({ model }: { model: ModelSummary }) {
  return (
    <details className="details">
      <summary>Inputs, outputs and format</summary>
      <div className="details-body">
        <Values title="Inputs" values={model.inputs} />
        <Values title="Outputs" values={model.outputs} />
        <div>
          <h4>Format</h4>
          <p>
            {formatInteger(model.nodes)} nodes, opset {model.opset}
            {model.producer && `, written by ${model.producer}`}
          </p>
        </div>
      </div>
    </details>
  );
}

function Values({ title, values }: { title: string; values: readonly ValueSummary[] }) {
  return (
    <div>
      <h4>{title}</h4>
      <ValueList values={values} />
    </div>
  );
}
