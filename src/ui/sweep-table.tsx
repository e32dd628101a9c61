/** The windows of a sweep, best first. A row is picked by a click on it or by its button. */
import { windowColor } from '../charts/heatmap.ts';
import { formatBytes, formatInteger } from '../store/format.ts';
import { directionOf, formatDifference, formatMetric, metricName, metricPhrase } from '../store/metrics.ts';
import { useStudio } from '../store/react.ts';
import { sameSet, windowOf } from '../store/sets.ts';
import { widthOf } from '../store/sweep.ts';
import type { GroupSummary } from '../store/types.ts';
import { Button } from './button.tsx';
import { DamageBar } from './damage-bar.tsx';
import { ScrollBox } from './scroll-box.tsx';
import { TableCaption } from './table-caption.tsx';
import type { Damages, WindowScore } from './use-damages.ts';

export function SweepTable({ group, damages }: { group: GroupSummary; damages: Damages | null }) {
  const saveSweep = useStudio((state) => state.saveSweep);
  return (
    <div className="sweep-table-box">
      <ScrollBox label="Windows of the sweep" step="sweep" filled={damages !== null} rows={10}>
        {damages ? (
          <Ranking group={group} damages={damages} />
        ) : (
          <p className="box-empty">
            <strong>Nothing is swept yet</strong>
            <span>Windows appear here as they are scored, best first.</span>
          </p>
        )}
      </ScrollBox>
      <Button kind="quiet" disabled={!damages} onClick={saveSweep}>
        Save sweep as CSV
      </Button>
    </div>
  );
}

function Ranking({ group, damages }: { group: GroupSummary; damages: Damages }) {
  const { run, windows } = damages;
  const { metric } = run.metric;
  const select = useStudio(({ data }) => data?.splits.find(({ name }) => name === 'select'));
  const samples = run.finished?.samples ?? select?.scored ?? 0;
  return (
    <table
      className="table ranked-table counted-table"
      aria-label="Sweep results"
      aria-describedby="sweep-caption"
    >
      <TableCaption id="sweep-caption">
        {metricPhrase(run.metric)} on {formatInteger(samples)} {select?.unit ?? 'items'} of the select split,
        best first. {directionOf(metric)} ± is the standard error of the paired difference.
      </TableCaption>
      <thead>
        <tr>
          <th scope="col">Window</th>
          <th scope="col" className="number wide-only">
            Width
          </th>
          <th scope="col" className="number">
            {metricName(metric)}
          </th>
          <th scope="col" className="damage-head">
            Damage
          </th>
          <th scope="col" className="number wide-only">
            Size after
          </th>
          <td />
        </tr>
      </thead>
      <tbody>
        {windows.map((window) => (
          <Row key={`${window.first} ${window.last}`} window={window} group={group} damages={damages} />
        ))}
      </tbody>
    </table>
  );
}

function Row({ window, group, damages }: { window: WindowScore; group: GroupSummary; damages: Damages }) {
  const pickInstead = useStudio((state) => state.pickInstead);
  const { first, last, value, damage, standardError, bytesAfter } = window;
  const picked = useStudio(({ picks }) =>
    picks.sets.findIndex((set) => sameSet(set, windowOf(group.id, first, last))),
  );
  const { metric } = damages.run.metric;
  const name = `${first}–${last}`;
  return (
    <tr
      className={picked < 0 ? undefined : 'row-picked'}
      style={picked < 0 ? undefined : { ['--window' as string]: windowColor(picked) }}
    >
      <th scope="row">{name}</th>
      <td className="number wide-only">
        <data value={String(widthOf(window))}>{widthOf(window)}</data>
      </td>
      <td className="number">
        <data value={String(value)}>{formatMetric(metric, value)}</data>
      </td>
      <td>
        <DamageBar scale={damages.scale} damage={damage} error={standardError}>
          {formatDifference(metric, damage, standardError).replace(' points', ' pts')}
        </DamageBar>
      </td>
      <td className="number wide-only">
        <data value={String(bytesAfter)}>{formatBytes(bytesAfter)}</data>
      </td>
      <td className="row-act">
        <Button kind="row" label={`Pick window ${name}`} onClick={() => pickInstead(group.id, first, last)}>
          {picked < 0 ? 'Pick' : 'Picked'}
        </Button>
      </td>
    </tr>
  );
}
