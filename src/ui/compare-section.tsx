/** Step 6. Original against merged, on data that neither the alignment nor the choice has seen. */
import { describePlan } from '../store/describe.ts';
import { formatInteger } from '../store/format.ts';
import { mergeIsStale } from '../store/merge.ts';
import { directionOf, formatDifference, formatMetric, metricName } from '../store/metrics.ts';
import { useStudio } from '../store/react.ts';
import type { EngineSummary, EvaluationResult } from '../store/types.ts';
import { Alerts } from './alerts.tsx';
import { Button } from './button.tsx';
import { MetricChoiceField } from './metric-choice.tsx';
import { SideBySide } from './side-by-side.tsx';
import { StepSection } from './step-section.tsx';
import { TableScroll } from './table-scroll.tsx';
import { TradeoffFigure } from './tradeoff-figure.tsx';
import { Tried } from './tried.tsx';
import { useActionKind } from './use-action-kind.ts';
import { SMALLER_NOT_FASTER } from './words.ts';

export function CompareSection() {
  const evaluation = useStudio((state) => state.evaluation);
  const merged = useStudio(({ merge }) => merge.result !== null);
  return (
    <StepSection step="compare" about="The score on the report split, by which nothing before was chosen.">
      <div className="compare">
        <div className="compare-table">
          <MetricChoiceField />
          <EvaluateRow />
          <Alerts step="compare" />
          {evaluation ? <Scores evaluation={evaluation} merged={merged} /> : <NoScores />}
        </div>
        <TradeoffFigure />
      </div>
      <Tried />
      <SideBySide />
    </StepSection>
  );
}

function EvaluateRow() {
  const groups = useStudio(({ model }) => model?.groups);
  const busy = useStudio(({ job }) => job !== null);
  const data = useStudio((state) => state.data);
  const ready = useStudio(({ needs }) => needs.length === 0) && data !== null;
  const evaluate = useStudio((state) => state.evaluate);
  const kind = useActionKind('compare');
  const result = useStudio(({ merge }) => merge.result);
  const stale = useStudio(mergeIsStale);
  const report = data?.splits.find(({ name }) => name === 'report');
  const sees = report ? ` on ${formatInteger(report.scored)} scored ${report.scoredUnit ?? report.unit}` : '';
  const about = result
    ? `Original against ${describePlan(result.plan, result.droppedLayers, groups)}${sees}.`
    : `Nothing is merged: scores the original${sees}.`;
  return (
    <div className="act-row">
      <Button
        kind={kind}
        disabled={busy || !ready}
        describedBy="evaluate-about"
        onClick={() => void evaluate()}
      >
        Evaluate on the report split
      </Button>
      <p className="note evaluate-about" id="evaluate-about">
        {about} {SMALLER_NOT_FASTER}
        {stale && ' Your picks or options have changed since it was merged.'}
      </p>
    </div>
  );
}

function Scores({ evaluation, merged }: { evaluation: EvaluationResult; merged: boolean }) {
  const { metric, original, merged: after, standardError, samples, engine } = evaluation;
  const difference = after - original;
  const unit = useStudio(({ data }) => data?.splits[0]?.scoredUnit ?? data?.splits[0]?.unit ?? 'items');
  return (
    <>
      <TableScroll label="Scores">
        <table aria-label="Original and merged" className="table score-table">
          <ScoreHead />
          <tbody>
            <tr>
              <th scope="row">{metricName(metric)}</th>
              <td className="number">
                <data value={String(original)}>{formatMetric(metric, original)}</data>
              </td>
              <td className="number">
                <data value={String(after)}>{formatMetric(metric, after)}</data>
              </td>
              <td className="number">
                <data value={String(difference)}>
                  {/* On a phone the unit may stand under it, not the error. */}
                  {formatDifference(metric, difference, standardError).replace(' ± ', '\u00a0±\u00a0')}
                </data>
              </td>
            </tr>
          </tbody>
        </table>
      </TableScroll>
      <p className="note score-note">
        {directionOf(metric)} {!merged && 'Nothing is merged, so both are the original. '}
        {/* biome-ignore lint/a11y/useSemanticElements: a fieldset is for controls; this is a number with its name. */}
        <span role="group" aria-label="Scored samples">
          Scored on <data value={String(samples)}>{formatInteger(samples)}</data> {unit}
        </span>
        ; ± is the standard error of the paired difference. {engineSentence(engine)}
      </p>
    </>
  );
}

function engineSentence({ inference, threads, adapter }: EngineSummary): string {
  if (inference === 'webgpu') return `Computed by onnxruntime on WebGPU${adapter ? ` (${adapter})` : ''}.`;
  return `Computed by onnxruntime on the CPU (WebAssembly, ${threads} ${threads === 1 ? 'thread' : 'threads'}).`;
}

function ScoreHead() {
  return (
    <thead>
      <tr>
        <th scope="col">Metric</th>
        <th scope="col" className="number">
          Original
        </th>
        <th scope="col" className="number">
          Merged
        </th>
        <th scope="col" className="number">
          Difference
        </th>
      </tr>
    </thead>
  );
}

/** Holds the place of the scores. */
function NoScores() {
  const metric = useStudio(({ metric: { chosen } }) => chosen?.metric ?? 'perplexity');
  return (
    <>
      <div className="table-scroll" aria-hidden="true">
        <table className="table score-table score-empty">
          <ScoreHead />
          <tbody>
            <tr>
              <th scope="row">{metricName(metric)}</th>
              <td className="number">–</td>
              <td className="number">–</td>
              <td className="number">–</td>
            </tr>
          </tbody>
        </table>
      </div>
      <p className="note score-note">
        Not scored yet. The number of scored samples and its standard error will stand here.
      </p>
    </>
  );
}
