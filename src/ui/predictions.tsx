/** Whether a look at the heatmap could have told what the sweep measured. */
import { formatRho } from '../store/format.ts';
import type { Prediction, SweepRun } from '../store/types.ts';
import { MEASURES } from './words.ts';

export function Predictions({ run }: { run: SweepRun | null }) {
  const predictions = run?.finished?.predictions ?? [];
  return (
    <div className="panel predictions">
      <h3 id="predictions">Does similarity predict the damage?</h3>
      <table className="table predict-table" aria-labelledby="predictions">
        <thead>
          <tr>
            <th scope="col">Measure</th>
            <th scope="col" className="number">
              Rank corr. ρ
            </th>
            <th scope="col" className="number">
              Windows
            </th>
          </tr>
        </thead>
        <tbody>
          {MEASURES.map(({ kind, name }) => {
            const found = predictions.find(({ measure }) => measure === kind);
            return (
              <tr key={kind}>
                <th scope="row">{name}</th>
                <td className="number">
                  {found ? <data value={String(found.rho)}>{formatRho(found.rho)}</data> : '–'}
                </td>
                <td className="number">
                  {found ? <data value={String(found.count)}>{found.count}</data> : '–'}
                </td>
              </tr>
            );
          })}
        </tbody>
      </table>
      <p className="note predict-note">{sentenceOf(predictions, Boolean(run?.finished))}</p>
    </div>
  );
}

/** Below this many windows a rank correlation says little. */
const FEW = 20;

function sentenceOf(predictions: readonly Prediction[], finished: boolean): string {
  const known = predictions.filter(({ rho }) => !Number.isNaN(rho));
  if (finished && known.length === 0) {
    return 'No similarity was measured: measure it in step 2 and sweep again, which takes no time twice.';
  }
  if (known.length === 0) {
    return 'Known when a sweep has finished. ρ near −1 would mean that the most alike windows cost least.';
  }
  const best = known.reduce((a, b) => (b.rho < a.rho ? b : a));
  const name = MEASURES.find(({ kind }) => kind === best.measure)?.name ?? best.measure;
  const verdict =
    best.rho <= -0.8
      ? 'ranks the windows nearly as the measured damage does'
      : best.rho <= -0.5
        ? 'says something about the damage, but not enough to choose by'
        : 'hardly says which windows cost little: measure, do not guess';
  const few = best.count < FEW ? `, though ${best.count} windows are few` : '';
  return `−1 would be a perfect guess. Here ${name} ${verdict}${few}. On another model it may differ; wider windows cost more whatever the measure, which makes a sweep of mixed widths look more predictable.`;
}
