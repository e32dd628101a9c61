/** One pair of layers in detail: how well their hidden units match, and the file of that match. */
import { formatSimilarity, numberOrNaN } from '../store/format.ts';
import { useStudio } from '../store/react.ts';
import { Button } from './button.tsx';
import { Fact } from './fact.tsx';

export interface Pair {
  readonly reference: string;
  readonly layer: string;
}

export interface PairToolsProps {
  readonly pair: Pair;
  readonly onPair: (pair: Pair) => void;
  readonly layers: number;
}

export function PairTools({ pair, onPair, layers }: PairToolsProps) {
  const busy = useStudio(({ job }) => job !== null);
  const ready = useStudio(({ data, needs }) => data !== null && needs.length === 0);
  const align = useStudio((state) => state.align);
  const limits = { type: 'number', min: 0, max: layers - 1, step: 1, inputMode: 'numeric' } as const;
  const submit = () => void align(numberOrNaN(pair.reference), numberOrNaN(pair.layer));
  return (
    <div className="panel">
      <h3>One pair in detail</h3>
      <form
        className="inline-form"
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          if (!busy && ready) submit();
        }}
      >
        <label className="field">
          <span>Reference layer</span>
          <input
            {...limits}
            value={pair.reference}
            onChange={(event) => onPair({ ...pair, reference: event.target.value })}
          />
        </label>
        <label className="field">
          <span>Other layer</span>
          <input
            {...limits}
            value={pair.layer}
            onChange={(event) => onPair({ ...pair, layer: event.target.value })}
          />
        </label>
        <Button disabled={busy || !ready} onClick={submit}>
          Align this pair
        </Button>
        <button type="submit" hidden>
          Align
        </button>
      </form>
      <PairAlignment />
    </div>
  );
}

function PairAlignment() {
  const alignment = useStudio((state) => state.alignment);
  const saveAlignment = useStudio((state) => state.saveAlignment);
  if (!alignment)
    return <p className="empty-line">Matches every hidden unit of one layer to one of the other.</p>;
  const { reference, layer, size, objective, alignedMean, diagonalMean } = alignment;
  return (
    // biome-ignore lint/a11y/useSemanticElements: a fieldset is for controls; these are three numbers.
    <div role="group" aria-label="Pair alignment" className="pair-result">
      <p className="note">
        Layer {layer} to layer {reference}, {size} hidden units.
      </p>
      <div className="facts facts-list">
        <Fact label="Objective" value={objective} text={objective.toFixed(2)} />
        <Fact label="Mean aligned correlation" value={alignedMean} text={formatSimilarity(alignedMean)} />
        <Fact label="Mean unaligned correlation" value={diagonalMean} text={formatSimilarity(diagonalMean)} />
      </div>
      <Button kind="quiet" onClick={saveAlignment}>
        Save alignment as JSON
      </Button>
    </div>
  );
}
