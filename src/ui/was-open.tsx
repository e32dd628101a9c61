/** What was open before the page was loaded again or the engine stopped: the results that were kept, and which file they wait for. */
import { formatInteger } from '../store/format.ts';
import { useStudio } from '../store/react.ts';
import type { WasOpen } from '../store/types.ts';
import { Button } from './button.tsx';
import { FileHashes } from './file-hashes.tsx';
import { Sentence } from './sentence.tsx';

export function WasOpenCard() {
  const was = useStudio(({ session }) => session.was);
  if (!was) return null;
  return (
    <section className="again panel" aria-label="Last session">
      <p className="again-lead">{leadOf(was)}</p>
      {was.what.length > 0 && <p>Kept: {was.what.join('; ')}.</p>}
      {was.sentence !== null && (
        <p className="note" role="status">
          <Sentence text={was.sentence} />
        </p>
      )}
      {was.stage !== 'data' && was.sample === null && <FileHashes files={was.files} />}
      <Actions was={was} />
    </section>
  );
}

function leadOf({ fileName, stage, sample, savedAt }: WasOpen): string {
  if (stage === 'data') return 'Give the data of the last session, and its measurements come back too.';
  const day = new Date(savedAt).toLocaleString('en-GB', { dateStyle: 'medium', timeStyle: 'short' });
  const name = sample === null ? fileName : `the sample ${sample}`;
  if (stage === 'stopped') {
    const ask = sample === null ? 'Drop the same files again' : 'Open it again';
    return `The engine stopped while you were working on ${name}. ${ask}, and what was made of it comes back.`;
  }
  const ask = sample === null ? 'Drop the same file to go on.' : 'Open it again to go on.';
  return `You were working on ${name} (${day}). ${ask}`;
}

function Actions({ was }: { was: WasOpen }) {
  const busy = useStudio(({ job }) => job !== null);
  const openSample = useStudio((state) => state.openSample);
  const forget = useStudio((state) => state.forgetSession);
  const { sample, stage } = was;
  return (
    <div className="again-row">
      {sample !== null && stage !== 'data' && (
        <Button kind="main" disabled={busy} onClick={() => void openSample(sample)}>
          Go on with {sample}
        </Button>
      )}
      <Button kind="quiet" label="Forget the last session" disabled={busy} onClick={() => void forget()}>
        Forget
      </Button>
      <p className="note">
        Kept in this browser only: results and settings, not the model
        {stage !== 'data' &&
          sample === null &&
          ` (${formatInteger(was.files.length)} ${was.files.length === 1 ? 'file' : 'files'})`}
        .
      </p>
    </div>
  );
}
