/** The model drawn to scale, with the picked windows folding in it as they are picked. */
import { windowColor } from '../charts/heatmap.ts';
import { layerStack } from '../charts/layer-stack.ts';
import { stackName } from '../store/describe.ts';
import { formatShare } from '../store/format.ts';
import { useStudio } from '../store/react.ts';
import type { ModelSummary } from '../store/types.ts';

/** Groups beyond these share their tones. */
const TONES = 4;

export function StackBar({ model }: { model: ModelSummary }) {
  const sets = useStudio(({ picks }) => picks.sets);
  const segments = layerStack(model.groups, model.parameters, sets);
  const several = model.groups.length > 1;
  const tone = (groupId: string | null) =>
    several && groupId !== null ? model.groups.findIndex(({ id }) => id === groupId) % TONES : 0;
  const rest = formatShare(model.parameters - model.ffnParameters, model.parameters);
  return (
    <figure className="stack">
      <div className="stack-bar" aria-hidden="true">
        {segments.map(({ key, kind, width, set, folded, layer, groupId }) => (
          <span
            key={key}
            className={`stack-part stack-${kind} tone-${tone(groupId)}${layer === 0 ? ' stack-first' : ''}${folded ? ' stack-folded' : ''}${set === null ? '' : ' stack-picked'}`}
            style={{
              flexGrow: width,
              ...(set === null ? {} : { ['--window' as string]: windowColor(set) }),
            }}
            title={
              layer === null
                ? 'Everything else'
                : `FFN of ${stackName(model.groups, groupId ?? '')} layer ${layer}`.replace('  ', ' ')
            }
          />
        ))}
      </div>
      <figcaption>
        {several ? (
          model.groups.map((group) => (
            <span key={group.id} className={`stack-key tone-${tone(group.id)}`}>
              FFNs of {stackName(model.groups, group.id)}:{' '}
              {formatShare(group.layers * group.parametersPerFfn, model.parameters)}
            </span>
          ))
        ) : (
          <span className="stack-key">
            FFNs, a block each: {formatShare(model.ffnParameters, model.parameters)}
          </span>
        )}
        <span className="stack-key stack-key-rest">Attention, embeddings and the rest: {rest}</span>
      </figcaption>
    </figure>
  );
}
