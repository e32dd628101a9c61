/** What a run of recovery came to: the share of the loss that is back, and each rung with what it gained and cost. */
import { formatBytes, formatRounded, formatShare } from '../store/format.ts';
import { formatMetric, metricName } from '../store/metrics.ts';
import { useStudio } from '../store/react.ts';
import { cameBack, undoTarget } from '../store/recovered.ts';
import type { Metric, RecoverResult, RecoverRun, SplitScores } from '../store/types.ts';
import { Button } from './button.tsx';
import { Fact } from './fact.tsx';
import { RungsTried } from './rungs-tried.tsx';
import { TableScroll } from './table-scroll.tsx';

export function RecoverResults() {
  const run = useStudio(({ recover }) => recover.run);
  return (
    <>
      <div className="recover-sum">
        <div className="recover-said">
          <Headline run={run} />
          <RecoveredScores run={run} />
        </div>
        <div className="recover-size">
          <Sizes run={run} />
          <Undo />
        </div>
      </div>
      <RungsTried run={run} />
    </>
  );
}

/** The merge without recovery where its scores are known, else what this run began with. */
function before(run: RecoverRun, result: RecoverResult): SplitScores {
  return run.merged ?? result.start;
}

function Headline({ run }: { run: RecoverRun | null }) {
  const recovery = useStudio(({ merge }) => merge.asked?.recovery);
  const result = run?.result;
  if (!run || !result) {
    const text = run
      ? 'Trying rung after rung: each that helps is kept at once. Cancel keeps what was gained.'
      : recovery?.length
        ? 'This variant was recovered before. Another run goes on from it.'
        : 'How much of what merging lost is back will stand here.';
    return <p className="chosen chosen-empty recover-headline">{text}</p>;
  }
  const { metric, original, end, stopped, notes } = result;
  const share = cameBack(metric, original, before(run, result), end, 'report');
  const gained = result.outcomes.some(({ kept }) => kept);
  const why = {
    enough: '',
    time: ' The time was up: a longer run may gain more.',
    cancelled: gained
      ? ' The run was cancelled; what it had gained by then is kept.'
      : ' The run was cancelled.',
  }[stopped];
  return (
    <p className="chosen recover-headline" id="recover-headline">
      <strong>
        {gained ? (
          <ShareBack share={share} since={run.merged === null} />
        ) : (
          'No rung helped: the variant is as it was.'
        )}
      </strong>{' '}
      {metricName(metric)} {formatMetric(metric, before(run, result).report)} →{' '}
      {formatMetric(metric, end.report)} on the report split, which chose nothing; the original has{' '}
      {formatMetric(metric, original.report)}.{why} {notes.join(' ')}
    </p>
  );
}

function ShareBack({ share, since }: { share: number | null; since: boolean }) {
  if (share === null) return 'Nothing was lost on the report split.';
  if (share <= 0) return 'Nothing is back on the report split.';
  const lost = since ? 'what was lost before this run' : 'what merging lost';
  return (
    <>
      {/* biome-ignore lint/a11y/useSemanticElements: a fieldset is for controls; this is a number with its name. */}
      <span role="group" aria-label="Share that is back">
        <data value={String(share)}>{formatRounded(share)}</data>
      </span>{' '}
      of {lost} is back.
    </>
  );
}

function RecoveredScores({ run }: { run: RecoverRun | null }) {
  const result = run?.result;
  const known = result ? { run, result } : null;
  return (
    <TableScroll label="Recovered scores">
      <table
        className={known ? 'table recovered-table' : 'table recovered-table score-empty'}
        aria-label="Recovered scores"
      >
        <thead>
          <tr>
            <th scope="col">Split</th>
            <th scope="col" className="number">
              Original
            </th>
            <th scope="col" className="number">
              {run?.result && run.merged === null ? 'Before' : 'Merged'}
            </th>
            <th scope="col" className="number">
              Recovered
            </th>
            <th scope="col" className="number">
              Back
            </th>
          </tr>
        </thead>
        <tbody>
          {(['select', 'report'] as const).map((split) => (
            <tr key={split}>
              <th scope="row">
                {split === 'select' ? 'Select' : 'Report'}{' '}
                <span className="muted recovered-use">
                  {split === 'select' ? 'chooses what is kept' : 'not used to choose'}
                </span>
              </th>
              <SplitCells known={known} split={split} />
            </tr>
          ))}
        </tbody>
      </table>
    </TableScroll>
  );
}

interface SplitCellsProps {
  readonly known: { readonly run: RecoverRun; readonly result: RecoverResult } | null;
  readonly split: keyof SplitScores;
}

function SplitCells({ known, split }: SplitCellsProps) {
  if (!known)
    return ['original', 'merged', 'recovered', 'back'].map((column) => (
      <td key={column} className="number">
        –
      </td>
    ));
  const { run, result } = known;
  const { metric, original, end } = result;
  const merged = before(run, result);
  const share = cameBack(metric, original, merged, end, split);
  return (
    <>
      <ScoreCell metric={metric} value={original[split]} />
      <ScoreCell metric={metric} value={merged[split]} />
      <ScoreCell metric={metric} value={end[split]} />
      <td className="number">{share === null ? '–' : formatRounded(share)}</td>
    </>
  );
}

function ScoreCell({ metric, value }: { metric: Metric; value: number }) {
  return (
    <td className="number">
      <data value={String(value)}>{formatMetric(metric, value)}</data>
    </td>
  );
}

/** Variants are compared by the bytes that they really take: those of own vectors are among them. */
function Sizes({ run }: { run: RecoverRun | null }) {
  const result = run?.result;
  const added = result?.outcomes.reduce((sum, { addedBytes }) => sum + addedBytes, 0) ?? null;
  const { bytesAfter = null, bytesBefore = 0 } = result?.saving ?? {};
  return (
    <div className="facts facts-two">
      <Fact
        label="Bytes added"
        value={added}
        text={added === null ? '' : formatBytes(added)}
        note={added === 0 ? 'nothing is added' : 'by vectors and matrices of layers'}
      />
      <Fact
        label="File size recovered"
        value={bytesAfter}
        text={bytesAfter === null ? '' : formatBytes(bytesAfter)}
        note={
          bytesAfter === null ? 'of the original' : `${formatShare(bytesAfter, bytesBefore)} of the original`
        }
      />
    </div>
  );
}

function Undo() {
  const busy = useStudio(({ job }) => job !== null);
  const undoable = useStudio((state) => undoTarget(state) !== null);
  const levels = useStudio(({ recover }) => recover.history.length);
  const undoRecovery = useStudio((state) => state.undoRecovery);
  const about = !undoable
    ? 'There is no run to undo yet.'
    : levels > 1
      ? `Goes back to the run before; ${levels} runs can be undone.`
      : 'Goes back to the merge without recovery.';
  return (
    <div className="recover-undo">
      <Button disabled={busy || !undoable} describedBy="undo-about" onClick={() => void undoRecovery()}>
        Undo the last run
      </Button>
      <p className="note" id="undo-about">
        {about}
      </p>
    </div>
  );
}
