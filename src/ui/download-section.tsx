/** Step 7. The file: in which format, what it holds, under which name, and how large it will be. */
import { describePlan } from '../store/describe.ts';
import { formatBytes, formatShare } from '../store/format.ts';
import { chosenFormat, expectedSize, formatsOf, isSeveralFiles, suggestedName } from '../store/formats.ts';
import { mergeIsStale } from '../store/merge.ts';
import { useStudio } from '../store/react.ts';
import type { DownloadFormat, ModelSummary } from '../store/types.ts';
import { Alerts } from './alerts.tsx';
import { Button } from './button.tsx';
import { Icon } from './icons.tsx';
import { RadioCards } from './radio-cards.tsx';
import { RecipeAndReport } from './recipe-and-report.tsx';
import { Sentence } from './sentence.tsx';
import { StepSection } from './step-section.tsx';
import { useActionKind } from './use-action-kind.ts';

export function DownloadSection() {
  const model = useStudio((state) => state.model);
  const busy = useStudio(({ job }) => job !== null);
  const action = useStudio((state) => chosenFormat(state).action);
  const download = useStudio((state) => state.download);
  const kind = useActionKind('download');
  if (!model) return null;
  return (
    <StepSection step="download" about="Standard ONNX, for any runtime that reads it.">
      <div className="download panel">
        <Formats model={model} />
        <div className="download-row">
          <WhatIsSaved model={model} />
          <Button kind={kind} disabled={busy} onClick={() => void download()}>
            <Icon name="save" />
            {action}
          </Button>
        </div>
        <SavedNotes />
      </div>
      <RecipeAndReport />
      <Alerts step="download" />
    </StepSection>
  );
}

function Formats({ model }: { model: ModelSummary }) {
  const format = useStudio((state) => chosenFormat(state).id);
  const setFormat = useStudio((state) => state.setFormat);
  const offered = formatsOf(model);
  return (
    <div className="download-formats">
      <RadioCards label="File format" options={offered} chosen={format} onChoose={setFormat} layout="grid" />
      {offered.every(({ id }) => id !== 'safetensors') && (
        <p className="note">
          For a merged PyTorch checkpoint too, drop <code className="code">model.safetensors</code> beside the
          ONNX file.
        </p>
      )}
    </div>
  );
}

function WhatIsSaved({ model }: { model: ModelSummary }) {
  const result = useStudio(({ merge }) => merge.result);
  const stale = useStudio(mergeIsStale);
  const format = useStudio((state) => chosenFormat(state).id);
  const bytes = result?.saving.bytesAfter ?? model.bytes;
  const zipped = format !== 'zip' && isSeveralFiles(model) ? ' The model’s files are saved in one zip.' : '';
  return (
    <div className="download-what">
      <p className="download-name code">{suggestedName(model, result?.plan ?? null, format)}</p>
      <p className="download-size">
        <Size format={format} bytes={bytes} />
        {result && format === 'onnx' && (
          <span className="muted"> · {formatShare(bytes, model.bytes)} of the original</span>
        )}
      </p>
      <p className={stale ? 'note two-lines stale' : 'note two-lines'}>
        {result
          ? `Holds the merge of ${describePlan(result.plan, result.droppedLayers, model.groups)}.${stale ? ' That is not what is picked now: merge again to apply your picks.' : ''}`
          : format === 'onnx'
            ? 'Nothing is merged: this saves an unchanged copy of the original.'
            : 'Nothing is merged: this holds the original’s weights.'}
        {zipped}
      </p>
    </div>
  );
}

function Size({ format, bytes }: { format: DownloadFormat; bytes: number }) {
  const size = expectedSize(format, bytes);
  if (!size) return <span className="muted">At most as large as the checkpoint</span>;
  return (
    <>
      {!size.exact && <span className="muted">about </span>}
      {formatBytes(size.bytes)}
    </>
  );
}

function SavedNotes() {
  const saved = useStudio(({ saveAs }) => saveAs.saved);
  if (!saved || saved.notes.length === 0) return null;
  return (
    <div className="download-notes">
      <p>
        <Icon name="check" /> Saved as <code className="code">{saved.fileName}</code>
      </p>
      <ul aria-label="Notes on the saved file">
        {saved.notes.map((note) => (
          <li key={note}>
            <Sentence text={note} />
          </li>
        ))}
      </ul>
    </div>
  );
}
