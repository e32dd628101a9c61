/** Step 3b. Several small groups instead of one window: proposals for a number of FFNs, or the best for a size. */
import { Fragment, useState } from 'react';
import { listSets } from '../store/describe.ts';
import { formatBytes, formatShare, formatSimilarity, numberOrNaN } from '../store/format.ts';
import { damageOf, formatDifference, formatMetric, metricName, metricPhrase } from '../store/metrics.ts';
import { bytesOf } from '../store/plan.ts';
import { useStudio } from '../store/react.ts';
import { ffnsRemoved, sameSets, setName } from '../store/sets.ts';
import type { PlanCandidate, PlanRun } from '../store/types.ts';
import { Alerts } from './alerts.tsx';
import { Button } from './button.tsx';
import { NumberField } from './number-field.tsx';
import { ScrollBox } from './scroll-box.tsx';
import { StepSection } from './step-section.tsx';
import { TableCaption } from './table-caption.tsx';

export function PlanSection() {
  const plan = useStudio((state) => state.plan);
  const savePlans = useStudio((state) => state.savePlans);
  return (
    <StepSection
      step="plan"
      about="Four pairs save what one window of five does, and often cost less. Ask for a number, or for a size."
    >
      <PlanForms />
      <Alerts step="plan" />
      <SizedLine plan={plan} />
      <div className="plan-results">
        <ScrollBox label="Proposals" step="plan" filled={plan !== null} rows={6}>
          {plan ? (
            <Proposals plan={plan} />
          ) : (
            <p className="box-empty">
              <strong>No proposals yet</strong>
              <span>The ten groupings of least estimated damage are each merged and scored whole.</span>
            </p>
          )}
        </ScrollBox>
        <p className="note plan-rule">
          {plan
            ? plan.result.rule
            : 'The estimate adds up the damage of each group by itself; the score is of the whole model, merged.'}
        </p>
        <Button kind="quiet" disabled={!plan} onClick={savePlans}>
          Save plans as JSON
        </Button>
      </div>
    </StepSection>
  );
}

function PlanForms() {
  const proposePlans = useStudio((state) => state.proposePlans);
  const findBestOfSize = useStudio((state) => state.findBestOfSize);
  const ready = useStudio(({ data, needs }) => data !== null && needs.length === 0);
  const busy = useStudio(({ job }) => job !== null);
  const group = useStudio(({ model, view }) => model?.groups.find(({ id }) => id === view.groupId));
  const bytes = useStudio(({ model }) => model?.bytes ?? 0);
  const [removed, setRemoved] = useState(String(Math.max(1, Math.round((group?.layers ?? 12) / 4))));
  const [percent, setPercent] = useState('20');
  const [refit, setRefit] = useState(false);
  if (!group) return null;
  const most = ((group.layers - 1) * group.bytesPerFfn) / bytes;
  const propose = () => void proposePlans(numberOrNaN(removed), refit);
  const find = () => void findBestOfSize(numberOrNaN(percent), refit);
  const guarded = (act: () => void) => (event: { preventDefault(): void }) => {
    event.preventDefault();
    if (!busy && ready) act();
  };
  return (
    <div className="plan-forms">
      <form className="panel plan-form" noValidate onSubmit={guarded(propose)}>
        <NumberField
          label="FFNs to remove"
          value={removed}
          onChange={setRemoved}
          min={1}
          max={group.layers - 1}
        />
        <Button disabled={busy || !ready} onClick={propose}>
          Propose groups
        </Button>
        <p className="note">
          {ready
            ? `Of the ${group.layers} in this stack; each saves ${formatBytes(group.bytesPerFfn)}.`
            : 'Scoring proposals needs data: see step 2.'}
        </p>
        <button type="submit" hidden>
          Propose
        </button>
      </form>
      <form className="panel plan-form" noValidate onSubmit={guarded(find)}>
        <NumberField
          label="Percent smaller"
          value={percent}
          onChange={setPercent}
          min={1}
          max={99}
          step="any"
        />
        <Button disabled={busy || !ready} onClick={find}>
          Find the best of that size
        </Button>
        <p className="note">
          {ready
            ? `Up to ${formatShare(most, 1)} can go. Picks, merges and scores the best.`
            : 'Finding the best needs data: see step 2.'}
        </p>
        <button type="submit" hidden>
          Find
        </button>
      </form>
      <div className="plan-refit">
        <label className="check-label">
          <input
            type="checkbox"
            checked={refit}
            onChange={(event) => setRefit(event.target.checked)}
            aria-describedby="refit-about"
          />
          <span>Refit each proposal (R3)</span>
        </label>
        <p className="note" id="refit-about">
          Ranks them by their score with the down-projection refitted, a rung of step 5. Takes some seconds
          for each.
        </p>
      </div>
    </div>
  );
}

/** What was picked for a size: said in full, since it changes the picks. */
function SizedLine({ plan }: { plan: PlanRun | null }) {
  const bytes = useStudio(({ model }) => model?.bytes ?? 0);
  const sized = plan?.sized;
  if (!plan || !sized) {
    return (
      <p className="chosen chosen-empty">
        Ask for a size, and the best grouping that reaches it is picked, merged and named here.
      </p>
    );
  }
  const { candidate, percent, evaluation } = sized;
  const { metric, original, merged, standardError } = evaluation;
  const damage = damageOf(metric, { value: merged, original });
  return (
    <p className="chosen" id="plan-chosen">
      <strong>
        Picked and merged{candidate.recovered?.plan.recovery?.length ? ', with R3' : ''}: layers{' '}
        {listSets(candidate.sets)}.
      </strong>{' '}
      The best that makes the file at least {percent} % smaller: {formatBytes(bytesOf(candidate))},{' '}
      {formatShare(bytes - bytesOf(candidate), bytes)} smaller. {metricName(metric)} on the select split{' '}
      {formatMetric(metric, merged)} against {formatMetric(metric, original)}: damage{' '}
      {formatDifference(metric, damage, standardError)}. Evaluate it on the report split in step 6.
    </p>
  );
}

function Proposals({ plan }: { plan: PlanRun }) {
  const { candidates, metric, original } = plan.result;
  const refitted = plan.request.recover === true;
  return (
    <table className="table ranked-table plan-table" aria-label="Proposed plans">
      <TableCaption>
        {metricPhrase(plan.metric)} on the select split, best first{refitted && ' with R3'}. The original has{' '}
        {formatMetric(metric, original)}.
      </TableCaption>
      <thead>
        <tr>
          <th scope="col">Groups</th>
          <th scope="col" className="number wide-only">
            FFNs removed
          </th>
          <th scope="col" className="number">
            Estimate
          </th>
          <th scope="col" className="number">
            {metricName(metric)}
          </th>
          {refitted && (
            <th scope="col" className="number">
              With R3
            </th>
          )}
          <th scope="col" className="number">
            Size after
          </th>
          <td />
        </tr>
      </thead>
      <tbody>
        {candidates.map((candidate) => (
          <Proposal key={listSets(candidate.sets)} candidate={candidate} plan={plan} />
        ))}
      </tbody>
    </table>
  );
}

function Proposal({ candidate, plan }: { candidate: PlanCandidate; plan: PlanRun }) {
  const applyPlan = useStudio((state) => state.applyPlan);
  const picked = useStudio(({ picks }) => sameSets(picks.sets, candidate.sets));
  const busy = useStudio(({ job }) => job !== null);
  const { sets, estimate, value, recovered } = candidate;
  const { metric } = plan.result;
  const bytesAfter = bytesOf(candidate);
  const name = listSets(sets);
  const removed = ffnsRemoved(sets);
  return (
    <tr className={picked ? 'row-picked' : undefined}>
      <th scope="row">
        {sets.map(({ layers }, index) => (
          <Fragment key={layers[0]}>
            {index > 0 && ', '}
            <span className="plan-set">{setName(layers)}</span>
          </Fragment>
        ))}
      </th>
      <td className="number wide-only">
        <data value={String(removed)}>{removed}</data>
      </td>
      <td className="number">
        <data value={String(estimate)}>{formatSimilarity(estimate)}</data>
      </td>
      <td className="number">
        <data value={String(value)}>{formatMetric(metric, value)}</data>
      </td>
      {plan.request.recover && (
        <td className="number">
          {recovered ? (
            <data value={String(recovered.value)}>{formatMetric(metric, recovered.value)}</data>
          ) : (
            '–'
          )}
        </td>
      )}
      <td className="number">
        <data value={String(bytesAfter)}>{formatBytes(bytesAfter)}</data>
      </td>
      <td className="row-act">
        <Button
          kind="row"
          label={`Use plan ${name}`}
          disabled={busy && recovered !== undefined}
          onClick={() => void applyPlan(candidate)}
        >
          {picked ? 'Used' : 'Use'}
        </Button>
      </td>
    </tr>
  );
}
