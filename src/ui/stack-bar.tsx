/** The model drawn to scale, with the picked windows folding in it as they are picked. */
import { windowColor } from '../charts/heatmap.ts';
import { layerStack } from '../charts/layer-stack.ts';
import { formatShare } from '../store/format.ts';
import { useStudio } from '../store/react.ts';
import type { ModelSummary } from '../store/types.ts';

export function StackBar({ model }: { model: ModelSummary }) {
  const sets = useStudio(({ picks }) => picks.sets);
  const segments = layerStack(model.groups, model.parameters, sets);
  const rest = formatShare(model.parameters - model.ffnParameters, model.parameters);
  return (
    <figure className="stack">
      <div className="stack-bar" aria-hidden="true">
        {segments.map(({ key, kind, width, set, folded, layer }) => (
          <span
            key={key}
            className={`stack-part stack-${kind}${folded ? ' stack-folded' : ''}${set === null ? '' : ' stack-picked'}`}
            style={{
              flexGrow: width,
              ...(set === null ? {} : { ['--window' as string]: windowColor(set) }),
            }}
            title={layer === null ? 'Everything else' : `FFN of layer ${layer}`}
          />
        ))}
      </div>
      <figcaption>
        <span className="stack-key stack-key-ffn">
          FFNs, a block each: {formatShare(model.ffnParameters, model.parameters)}
        </span>
        <span className="stack-key stack-key-rest">Attention, embeddings and the rest: {rest}</span>
      </figcaption>
    </figure>
  );
}
