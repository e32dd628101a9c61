/** Step 1. Before: what this is, and the ways in. After: what the model is, with the ways in kept small. */
import { useStudio } from '../store/react.ts';
import { SAMPLES, type Sample } from '../store/samples.ts';
import { Alerts } from './alerts.tsx';
import { AskingRecipeCard } from './asking-recipe.tsx';
import { Button } from './button.tsx';
import { DropZone } from './drop-zone.tsx';
import { PAPER } from './explain.tsx';
import { WhereToGetAModel } from './explanations.tsx';
import { FoldDrawing } from './fold-drawing.tsx';
import { Icon } from './icons.tsx';
import { ModelSummaryView } from './model-summary.tsx';
import { ModelNeeds } from './needs.tsx';
import { StepSection } from './step-section.tsx';
import { WasOpenCard } from './was-open.tsx';

export function OpenSection() {
  const model = useStudio((state) => state.model);
  const openFiles = useStudio((state) => state.openFiles);
  const busy = useStudio(({ job }) => job !== null);
  return (
    <StepSection
      step="open"
      about={
        model ? (
          'What the model is, and which of its layers can be merged.'
        ) : (
          <span className="wide-only">A model of your own, or a sample.</span>
        )
      }
    >
      {!model && <Pitch />}
      <WasOpenCard />
      <AskingRecipeCard />
      <div className={model ? 'ways-in ways-in-small' : 'ways-in'}>
        <DropZone
          label="Model"
          compact={model !== null}
          disabled={busy}
          foot={model ? undefined : 'Your browser may call this an upload: the files stay here.'}
          onFiles={(files) => void openFiles(files)}
        >
          {model ? <p>Drop another model here</p> : <DropWords />}
        </DropZone>
        <ul className="samples" aria-label="Samples">
          {SAMPLES.map((sample) => (
            <li key={sample.name}>
              <SampleCard sample={sample} small={model !== null} disabled={busy} />
            </li>
          ))}
        </ul>
      </div>
      {!model && <WhereToGetAModel />}
      <Alerts step="open" />
      {model && <ModelNeeds />}
      {model && <ModelSummaryView model={model} />}
    </StepSection>
  );
}

function DropWords() {
  return (
    <>
      <p className="drop-lead">Drop a model’s folder here, or all of its files at once</p>
      <p className="note">
        Encoder and decoder, weights, config, tokenizer, checkpoint: all that came with it.
      </p>
    </>
  );
}

function Pitch() {
  return (
    <div className="pitch">
      <div className="pitch-words">
        <p className="pitch-lead">Make a Transformer smaller by folding layers that do the same work.</p>
        <p className="pitch-body">
          Layerfold measures how alike a model’s feed-forward layers are, lines up their hidden units,
          averages the ones you pick into one shared copy, and saves a smaller .onnx that opens in any ONNX
          runtime. <a href={PAPER}>The paper behind it</a>.
        </p>
        <StartTour />
      </div>
      <FoldDrawing />
    </div>
  );
}

function StartTour() {
  const startTour = useStudio((state) => state.startTour);
  return (
    <div className="pitch-act">
      <Button onClick={startTour}>Take the two-minute tour</Button>
      <span className="note">On a sample, from opening to the smaller file.</span>
    </div>
  );
}

function SampleCard({ sample, small, disabled }: { sample: Sample; small: boolean; disabled: boolean }) {
  const openSample = useStudio((state) => state.openSample);
  return (
    <button
      type="button"
      className={small ? 'button button-quiet' : 'sample-card'}
      aria-label={`Open sample ${sample.name}`}
      aria-disabled={disabled || undefined}
      onClick={() => {
        if (!disabled) void openSample(sample.name);
      }}
    >
      {small ? (
        sample.title
      ) : (
        <>
          <span className="sample-kicker">Sample · {sample.size}</span>
          <span className="sample-title">
            {sample.title}
            <Icon name="arrow" />
          </span>
          <span className="sample-what">{sample.what}</span>
        </>
      )}
    </button>
  );
}
