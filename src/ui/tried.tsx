/** Every merge that was scored, with its settings; the baselines beside it; and the way back to any of them. */
import { useState } from 'react';
import { describePlan } from '../store/describe.ts';
import { formatBytes } from '../store/format.ts';
import { samePlan } from '../store/merge.ts';
import { formatDifference, formatMetric, metricName } from '../store/metrics.ts';
import { useStudio } from '../store/react.ts';
import { ffnsRemoved } from '../store/sets.ts';
import { repeatable, scoreOf } from '../store/tried.ts';
import type { MetricChoice, TriedVariant } from '../store/types.ts';
import { Button } from './button.tsx';
import { ScrollBox } from './scroll-box.tsx';

/** Rows that there is room for: at first, and from the press on that brings more. */
const FEW_ROWS = 3;
const MOST_ROWS = 7;

export function Tried() {
  const tried = useStudio((state) => state.tried);
  const chosen = useStudio(({ metric }) => metric.chosen);
  const atWork = useStudio(({ job }) => job?.step === 'compare');
  const [rows, setRows] = useState(FEW_ROWS);
  if (rows < MOST_ROWS && tried.length + (atWork ? 1 : 0) > FEW_ROWS) setRows(MOST_ROWS);
  return (
    <div className="tried">
      <div className="tried-head">
        <h3>Variants tried</h3>
        <Baselines onRun={() => setRows(MOST_ROWS)} />
      </div>
      <ScrollBox label="Variants tried" step="compare" filled={tried.length > 0} rows={rows}>
        {tried.length > 0 && chosen ? (
          <TriedTable tried={tried} chosen={chosen} />
        ) : (
          <p className="box-empty">
            <strong>Nothing is scored yet</strong>
            <span>Each merge that you evaluate is kept here, and can be used and downloaded again.</span>
          </p>
        )}
      </ScrollBox>
    </div>
  );
}

function Baselines({ onRun }: { onRun: () => void }) {
  const sets = useStudio(({ picks }) => picks.sets);
  const busy = useStudio(({ job }) => job !== null);
  const ready = useStudio(({ data, needs }) => data !== null && needs.length === 0);
  const runBaselines = useStudio((state) => state.runBaselines);
  const removed = ffnsRemoved(sets);
  return (
    <div className="baselines">
      <p className="note" id="baselines-about">
        {removed === 0
          ? 'Baselines remove as many FFNs as your picks: pick a window first.'
          : `Seven other ways to remove ${removed} ${removed === 1 ? 'FFN' : 'FFNs'}: vanilla, copy, three at random, FFN drop, layer drop.`}
      </p>
      <Button
        disabled={busy || !ready || removed === 0}
        describedBy="baselines-about"
        onClick={() => {
          onRun();
          void runBaselines();
        }}
      >
        Run all baselines
      </Button>
    </div>
  );
}

function TriedTable({ tried, chosen }: { tried: readonly TriedVariant[]; chosen: MetricChoice }) {
  return (
    <table className="table ranked-table tried-table" aria-label="Variants tried">
      <thead>
        <tr>
          <th scope="col">Method and settings</th>
          <th scope="col" className="number wide-only">
            FFNs removed
          </th>
          <th scope="col" className="number">
            Size
          </th>
          <th scope="col" className="number">
            {metricName(chosen.metric)} ± error
          </th>
          <td />
        </tr>
      </thead>
      <tbody>
        {tried.map((variant) => (
          <Row key={variant.id} variant={variant} chosen={chosen} />
        ))}
      </tbody>
    </table>
  );
}

function Row({ variant, chosen }: { variant: TriedVariant; chosen: MetricChoice }) {
  const groups = useStudio(({ model }) => model?.groups);
  const busy = useStudio(({ job }) => job !== null);
  const useAgain = useStudio((state) => state.useAgain);
  const current = useStudio(
    ({ merge: { asked, result } }) =>
      asked !== null && result !== null && samePlan(variant.asked, repeatable(asked, result.plan)),
  );
  const { id, plan, asked, saving, droppedLayers } = variant;
  const removed = ffnsRemoved(asked.sets);
  const name = `variant-${id}`;
  return (
    <tr className={current ? 'row-picked' : undefined}>
      <th scope="row" id={name}>
        <span className="tried-number">{id}</span> {describePlan(plan, droppedLayers, groups)}
      </th>
      <td className="number wide-only">
        <data value={String(removed)}>{removed}</data>
      </td>
      <td className="number">
        <data value={String(saving.bytesAfter)}>{formatBytes(saving.bytesAfter)}</data>
      </td>
      <td className="number">
        <Score variant={variant} chosen={chosen} />
      </td>
      <td className="row-act">
        <Button kind="row" disabled={busy} describedBy={name} onClick={() => void useAgain(id)}>
          Use again
        </Button>
      </td>
    </tr>
  );
}

function Score({ variant, chosen }: { variant: TriedVariant; chosen: MetricChoice }) {
  const score = scoreOf(variant, chosen);
  if (!score) return <span className="muted">not scored by this</span>;
  const error = formatDifference(chosen.metric, 0, score.standardError);
  return (
    <>
      <data value={String(score.merged)}>{formatMetric(chosen.metric, score.merged)}</data>{' '}
      {score.standardError > 0 && <span className="muted">{error.slice(error.indexOf('±'))}</span>}
    </>
  );
}
