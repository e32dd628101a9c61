/** Step 6. The file: what it holds, under which name, and how large it will be. */
import { describePlan, suggestedName } from '../store/describe.ts';
import { formatBytes, formatShare } from '../store/format.ts';
import { mergeIsStale } from '../store/merge.ts';
import { useStudio } from '../store/react.ts';
import { Alerts } from './alerts.tsx';
import { Button } from './button.tsx';
import { Icon } from './icons.tsx';
import { StepSection } from './step-section.tsx';
import { useActionKind } from './use-action-kind.ts';

export function DownloadSection() {
  const model = useStudio((state) => state.model);
  const result = useStudio(({ merge }) => merge.result);
  const stale = useStudio(mergeIsStale);
  const busy = useStudio(({ job }) => job !== null);
  const download = useStudio((state) => state.download);
  const kind = useActionKind('download');
  if (!model) return null;
  const name = suggestedName(model.fileName, result?.plan ?? null);
  const bytes = result?.saving.bytesAfter ?? model.bytes;
  return (
    <StepSection step="download" about="A standard .onnx file, for any ONNX runtime.">
      <div className="download panel">
        <div className="download-what">
          <p className="download-name code">{name}</p>
          <p className="download-size">
            {formatBytes(bytes)}
            {result && <span className="muted"> · {formatShare(bytes, model.bytes)} of the original</span>}
          </p>
          <p className={stale ? 'note stale' : 'note'}>
            {result
              ? `Holds the merge of ${describePlan(result.plan, result.droppedLayers)}.${stale ? ' That is not what is picked now: merge again to apply your picks.' : ''}`
              : 'Nothing is merged: this saves an unchanged copy of the original.'}
          </p>
        </div>
        <Button kind={kind} disabled={busy} onClick={() => void download()}>
          <Icon name="save" />
          Download ONNX
        </Button>
      </div>
      <Alerts step="download" />
    </StepSection>
  );
}
