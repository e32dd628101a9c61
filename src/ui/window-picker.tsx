/** The picked windows as a list, the fields to pick one by number, and what they would save. */
import { type FormEvent, useState } from 'react';
import { windowColor } from '../charts/heatmap.ts';
import { formatBytes, formatCount, formatShare, wholeOrNaN } from '../store/format.ts';
import { useStudio } from '../store/react.ts';
import type { GroupSummary, LayerWindow } from '../store/types.ts';
import { windowName } from '../store/windows.ts';
import { Button } from './button.tsx';
import { Fact } from './fact.tsx';
import { Icon } from './icons.tsx';

export function WindowPicker({ group }: { group: GroupSummary }) {
  const windows = useStudio(({ picks }) => picks.windows);
  const clearWindows = useStudio((state) => state.clearWindows);
  return (
    <div className="panel">
      <h3>Windows to merge</h3>
      {windows.length === 0 ? (
        <p className="empty-line">None picked yet.</p>
      ) : (
        <ul className="picked" aria-label="Picked windows">
          {windows.map((window, index) => (
            <PickedWindow key={`${window.groupId} ${windowName(window)}`} window={window} index={index} />
          ))}
        </ul>
      )}
      <PickForm layers={group.layers} />
      <PredictedSaving />
      <Button kind="quiet" disabled={windows.length === 0} onClick={clearWindows}>
        Clear windows
      </Button>
    </div>
  );
}

function PickedWindow({ window, index }: { window: LayerWindow; index: number }) {
  const groups = useStudio(({ model }) => model?.groups);
  const removeWindow = useStudio((state) => state.removeWindow);
  const name = windowName(window);
  const group = groups?.find(({ id }) => id === window.groupId);
  return (
    <li style={{ ['--window' as string]: windowColor(index) }}>
      <span className="picked-swatch" aria-hidden="true" />
      <span>
        Layers <strong>{name}</strong>
        {groups && groups.length > 1 && <span className="muted code"> {group?.name}</span>}
      </span>
      <Button kind="icon" label={`Remove window ${name}`} onClick={() => removeWindow(window)}>
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
    if (pickWindow(wholeOrNaN(first), wholeOrNaN(last))) {
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
