/** What the open model is: size, share of FFNs, what can be merged and what cannot, and where it will run. */
import { formatBytes, formatCount, formatInteger, formatShare, share } from '../store/format.ts';
import { useStudio } from '../store/react.ts';
import type { ModelSummary, ValueSummary } from '../store/types.ts';
import { Fact } from './fact.tsx';
import { StackBar } from './stack-bar.tsx';
import { TableScroll } from './table-scroll.tsx';

export function ModelSummaryView({ model }: { model: ModelSummary }) {
  const { parameters, bytes, ffnParameters } = model;
  return (
    <section className="model-summary" aria-label="Model summary">
      <h3 className="model-name">{model.fileName}</h3>
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
      {model.groups.length > 0 ? <Groups model={model} /> : <NoGroups model={model} />}
      {model.refusals.length > 0 && (
        <div className="refusals">
          <h4>Cannot be merged</h4>
          <ul aria-label="Cannot be merged">
            {model.refusals.map((sentence) => (
              <li key={sentence}>{sentence}</li>
            ))}
          </ul>
        </div>
      )}
      {model.notes.map((sentence) => (
        <p key={sentence} className="note">
          {sentence}
        </p>
      ))}
      <Details model={model} />
    </section>
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

function Groups({ model }: { model: ModelSummary }) {
  return (
    <div className="groups">
      <p className="note">
        Layers of equal shape, in execution order. Within a group, neighbours can be merged.
      </p>
      <TableScroll label="Groups of layers">
        <table aria-label="FFN groups" className="table groups-table">
          <thead>
            <tr>
              <th scope="col">FFN group</th>
              <th scope="col" className="number">
                Layers
              </th>
              <th scope="col" className="number">
                d_model
              </th>
              <th scope="col" className="number">
                d_ff
              </th>
              <th scope="col">Activation</th>
              <th scope="col" className="number">
                Parameters per FFN
              </th>
            </tr>
          </thead>
          <tbody>
            {model.groups.map((group) => (
              <tr key={group.id}>
                <th scope="row" className="code">
                  {group.name}
                </th>
                <NumberCell value={group.layers} />
                <NumberCell value={group.dModel} />
                <NumberCell value={group.dFf} />
                <td>{group.activation}</td>
                <NumberCell value={group.parametersPerFfn} />
              </tr>
            ))}
          </tbody>
        </table>
      </TableScroll>
    </div>
  );
}

function NumberCell({ value }: { value: number }) {
  return (
    <td className="number">
      <data value={String(value)}>{formatInteger(value)}</data>
    </td>
  );
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
      <ul className="values">
        {values.map(({ name, dtype, shape }) => (
          <li key={name}>
            <span className="code">{name}</span> {dtype} {shape}
          </li>
        ))}
      </ul>
    </div>
  );
}
