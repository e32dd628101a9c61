/** The picked sets of layers as a list, the fields to pick by number, and what they would save. */
import { type FormEvent, useId, useState } from 'react';
import { windowColor } from '../charts/heatmap.ts';
import { stackName } from '../store/describe.ts';
import { formatBytes, formatCount, formatShare, numberOrNaN } from '../store/format.ts';
import { useStudio } from '../store/react.ts';
import { setName, setPhrase } from '../store/sets.ts';
import type { GroupSummary, LayerSet } from '../store/types.ts';
import { Button } from './button.tsx';
import { Fact } from './fact.tsx';
import { Icon } from './icons.tsx';

export function WindowPicker({ group }: { group: GroupSummary }) {
  const sets = useStudio(({ picks }) => picks.sets);
  const clearWindows = useStudio((state) => state.clearWindows);
  return (
    <div className="panel">
      <h3>Windows to merge</h3>
      {sets.length === 0 ? (
        <p className="empty-line">None picked yet. Several can be, side by side.</p>
      ) : (
        <ul className="picked" aria-label="Picked windows">
          {sets.map((set, index) => (
            <PickedSet key={`${set.groupId} ${setName(set.layers)}`} set={set} index={index} />
          ))}
        </ul>
      )}
      <PickForm layers={group.layers} />
      <HandForm />
      <PredictedSaving />
      <Button kind="quiet" disabled={sets.length === 0} onClick={clearWindows}>
        Clear windows
      </Button>
    </div>
  );
}

function PickedSet({ set, index }: { set: LayerSet; index: number }) {
  const groups = useStudio(({ model }) => model?.groups);
  const removeSet = useStudio((state) => state.removeSet);
  const stack = useId();
  return (
    <li style={{ ['--window' as string]: windowColor(index) }}>
      <span className="picked-swatch" aria-hidden="true" />
      <span>
        Layers <strong>{setName(set.layers)}</strong>
        {groups && groups.length > 1 && (
          <span className="muted" id={stack}>
            {' '}
            of <span className="code">{stackName(groups, set.groupId)}</span>
          </span>
        )}
      </span>
      <Button
        kind="icon"
        label={`Remove ${setPhrase(set.layers)}`}
        describedBy={groups && groups.length > 1 ? stack : undefined}
        onClick={() => removeSet(set)}
      >
        <Icon name="close" />
      </Button>
    </li>
  );
}

function PickForm({ layers }: { layers: number }) {
  const pickWindow = useStudio((state) => state.pickWindow);
  const [first, setFirst] = useState('');
  const [last, setLast] = useState('');
  const submit = () => {
    if (pickWindow(numberOrNaN(first), numberOrNaN(last))) {
      setFirst('');
      setLast('');
    }
  };
  const onSubmit = (event: FormEvent) => {
    event.preventDefault();
    submit();
  };
  const limits = { type: 'number', min: 0, max: layers - 1, step: 1, inputMode: 'numeric' } as const;
  return (
    <form className="inline-form" onSubmit={onSubmit} noValidate>
      <label className="field">
        <span>First layer</span>
        <input {...limits} value={first} onChange={(event) => setFirst(event.target.value)} />
      </label>
      <label className="field">
        <span>Last layer</span>
        <input {...limits} value={last} onChange={(event) => setLast(event.target.value)} />
      </label>
      <Button onClick={submit}>Pick window</Button>
      <button type="submit" hidden>
        Pick
      </button>
    </form>
  );
}

/** Layers that are no neighbours: any two or more of a group can share one copy. */
function HandForm() {
  const pickLayers = useStudio((state) => state.pickLayers);
  const [text, setText] = useState('');
  const submit = () => {
    if (pickLayers(text)) setText('');
  };
  return (
    <div className="hand-pick">
      <h4 id="hand-pick">Pick layers by hand</h4>
      <form
        className="inline-form"
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          submit();
        }}
      >
        <label className="field">
          <span>Layers</span>
          <input
            type="text"
            autoComplete="off"
            aria-describedby="hand-pick-about"
            placeholder="1, 4, 5"
            value={text}
            onChange={(event) => setText(event.target.value)}
          />
        </label>
        <Button onClick={submit}>Pick these layers</Button>
        <button type="submit" hidden>
          Pick
        </button>
      </form>
      <p className="note" id="hand-pick-about">
        They need not be neighbours: all of them share one copy.
      </p>
    </div>
  );
}

function PredictedSaving() {
  const saving = useStudio(({ picks }) => picks.saving);
  const parameters = useStudio(({ model }) => model?.parameters ?? 0);
  const bytes = useStudio(({ model }) => model?.bytes ?? 0);
  return (
    // biome-ignore lint/a11y/useSemanticElements: a fieldset is for controls; these are two numbers.
    <div role="group" aria-label="Predicted saving" className="facts facts-two">
      <Fact
        label="Parameters saved"
        value={saving?.parametersSaved ?? null}
        text={saving ? formatCount(saving.parametersSaved) : ''}
        note={saving ? `${formatShare(saving.parametersSaved, parameters)} of the model` : 'of the model'}
      />
      <Fact
        label="Bytes saved"
        value={saving?.bytesSaved ?? null}
        text={saving ? formatBytes(saving.bytesSaved) : ''}
        note={saving ? `${formatShare(saving.bytesSaved, bytes)} of the file` : 'of the file'}
      />
    </div>
  );
}
