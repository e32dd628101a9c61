/** The matrix as a table of numbers, in the place of the heatmap. */
import { indices } from '../charts/heatmap.ts';
import { formatSimilarity, valueAt } from '../store/format.ts';
import type { SimilarityMatrix } from '../store/types.ts';

export function MatrixTable({ matrix }: { matrix: SimilarityMatrix }) {
  const layers = indices(matrix.size);
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reachable from the keyboard.
    <section className="matrix-scroll" tabIndex={0} aria-label="Similarity as a table">
      <table className="table matrix-table">
        <thead>
          <tr>
            <th scope="col">Layer</th>
            {layers.map((layer) => (
              <th key={layer} scope="col" className="number">
                {layer}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {layers.map((row) => (
            <tr key={row}>
              <th scope="row">{row}</th>
              {layers.map((column) => (
                <td key={column} className="number">
                  <MatrixValue value={valueAt(matrix, row, column)} />
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

function MatrixValue({ value }: { value: number }) {
  const text = formatSimilarity(value);
  if (!Number.isNaN(value)) return <data value={String(value)}>{text}</data>;
  return (
    <>
      <span aria-hidden="true">–</span>
      <span className="hidden-text">{text}</span>
    </>
  );
}
