/** What variants are scored by: the metric that fits the data first, and the others that apply to it. */
import { useId } from 'react';
import { numberOrNaN } from '../store/format.ts';
import { defaultStride, metricName } from '../store/metrics.ts';
import { useStudio } from '../store/react.ts';
import type { Metric } from '../store/types.ts';
import { METRIC_ABOUT } from './words.ts';

export function MetricChoiceField() {
  const data = useStudio((state) => state.data);
  const chosen = useStudio(({ metric }) => metric.chosen);
  const busy = useStudio(({ job }) => job !== null);
  const setMetric = useStudio((state) => state.setMetric);
  const setStride = useStudio((state) => state.setStride);
  const id = useId();
  const about = useId();
  if (!data || !chosen) return null;
  const choose = (metric: Metric) => {
    const stride = metric === 'strided-perplexity' ? { stride: defaultStride(data.contextLength) } : {};
    void setMetric({ metric, ...stride });
  };
  const { stride } = chosen;
  return (
    <div className="metric-choice">
      <div className="field">
        <label htmlFor={id}>Metric</label>
        <select
          id={id}
          value={chosen.metric}
          disabled={busy}
          aria-describedby={about}
          onChange={(event) => choose(event.target.value as Metric)}
        >
          {data.metrics.map((metric) => (
            <option key={metric} value={metric}>
              {metricName(metric)}
            </option>
          ))}
        </select>
      </div>
      {stride !== undefined && (
        <label className="field stride-field">
          <span>Stride</span>
          <input
            type="number"
            min={1}
            step={1}
            inputMode="numeric"
            value={Number.isNaN(stride) ? '' : stride}
            onChange={(event) => setStride(numberOrNaN(event.target.value))}
          />
        </label>
      )}
      <p className="note" id={about}>
        {METRIC_ABOUT[chosen.metric]}
      </p>
    </div>
  );
}
