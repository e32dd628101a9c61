/** The rungs of a run as they come in: what each gained on select, what it cost, whether and why it was kept. */
import { describeSets } from '../store/describe.ts';
import { formatBytes, formatSeconds } from '../store/format.ts';
import { formatDifference, formatMetric, metricName, metricPhrase } from '../store/metrics.ts';
import { useStudio } from '../store/react.ts';
import type { GroupSummary, Metric, RecoverRun, RungOutcome } from '../store/types.ts';
import { Icon } from './icons.tsx';
import { ScrollBox } from './scroll-box.tsx';
import { TableCaption } from './table-caption.tsx';
import { RUNG_NAMES } from './words.ts';

/** Of a table; a rung takes more than one, with what it says of itself. */
const MOST_ROWS = 8;
const ROWS_A_RUNG = 1.5;

export function RungsTried({ run }: { run: RecoverRun | null }) {
  const before = useStudio(({ merge }) => (merge.asked?.recovery?.length ?? 0) > 0);
  // From the press on, before the run is known.
  const next = useStudio(({ job, recover: { choice } }) =>
    job?.step === 'recover' ? (choice.mode === 'best' ? 'best' : choice.rungs) : null,
  );
  const asked = next ?? run?.request.rungs ?? 'best';
  const rows = asked === 'best' ? MOST_ROWS : Math.min(MOST_ROWS, Math.ceil(ROWS_A_RUNG * asked.length));
  return (
    <ScrollBox label="Rungs tried" step="recover" filled={run !== null} rows={rows}>
      {run && run.outcomes.length > 0 ? (
        <Outcomes run={run} />
      ) : (
        <p className="box-empty">
          <strong>
            {run
              ? 'The first rung is being tried'
              : before
                ? 'No rung is tried in this session'
                : 'No rung is tried yet'}
          </strong>
          <span>
            Each appears here as it is done, with what it gained, what it added, and why it was kept.
          </span>
        </p>
      )}
    </ScrollBox>
  );
}

function Outcomes({ run }: { run: RecoverRun }) {
  const { metric } = run.metric;
  return (
    <table className="table ranked-table rungs-table" aria-label="Rungs tried">
      <TableCaption>
        {metricPhrase(run.metric)}. Kept where the select split improves. ± is the standard error of the
        paired difference.
      </TableCaption>
      <thead>
        <tr>
          <th scope="col">Rung</th>
          <th scope="col">Kept</th>
          <th scope="col" className="number">
            {metricName(metric)} on select
          </th>
          <th scope="col" className="number">
            Change
          </th>
          <th scope="col" className="number">
            On report <span className="rung-unused">not used to choose</span>
          </th>
          <th scope="col" className="number">
            Bytes added
          </th>
          <th scope="col" className="number">
            Time
          </th>
        </tr>
      </thead>
      <tbody>
        {run.outcomes.map((outcome, index) => (
          <Row key={`${index} ${outcome.rung}`} outcome={outcome} metric={metric} />
        ))}
      </tbody>
    </table>
  );
}

function Row({ outcome, metric }: { outcome: RungOutcome; metric: Metric }) {
  const groups = useStudio(({ model }) => model?.groups);
  const { rung, kept, before, score, standardError, report, addedBytes, seconds } = outcome;
  const why = reasons(outcome, groups ?? []);
  return (
    <tr>
      <th scope="row">
        <data value={rung}>
          {RUNG_NAMES[rung] ?? rung}
          {rung.startsWith('R') && <span className="rung-id"> {rung}</span>}
        </data>
        {why && <span className="rung-why">{why}</span>}
      </th>
      <td>
        <data value={String(kept)} className={kept ? 'rung-kept' : 'muted'}>
          {kept && <Icon name="check" />} {kept ? 'Kept' : 'No gain'}
        </data>
      </td>
      <td className="number">
        <span className="muted">
          <data value={String(before)}>{formatMetric(metric, before)}</data> →
        </span>{' '}
        <data value={String(score)}>{formatMetric(metric, score)}</data>
      </td>
      <td className="number">
        <data value={String(score - before)}>
          {kept ? formatDifference(metric, score - before, standardError) : '–'}
        </data>
      </td>
      <td className="number muted">
        <data value={String(report)}>{formatMetric(metric, report)}</data>
      </td>
      <td className="number">
        <data value={String(addedBytes)}>{addedBytes === 0 ? '0' : formatBytes(addedBytes)}</data>
      </td>
      <td className="number">
        <data value={String(seconds)}>{formatSeconds(seconds)}</data>
      </td>
    </tr>
  );
}

/** Where it was kept, where the sets differ; why not; and what else there is to know of it. Each sentence once. */
function reasons({ sets }: RungOutcome, groups: readonly GroupSummary[]): string {
  const kept = sets.filter((set) => set.kept);
  const notes = [...new Set(sets.flatMap((set) => set.notes))];
  if (kept.length === 0 || kept.length === sets.length) return notes.join(' ');
  const names = sets.map(({ set }) => describeSets([set], groups));
  // Refitting tries a set several times.
  const where =
    new Set(names).size < names.length
      ? `${kept.length} of ${sets.length} fits kept.`
      : `Kept for layers ${describeSets(
          kept.map(({ set }) => set),
          groups,
        )} only.`;
  return [where, ...notes].join(' ');
}
