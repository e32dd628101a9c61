/** The layers of a group drawn as they are stored: picked, merged into one block, or left out. */
import { useId } from 'react';
import { windowColor } from '../charts/heatmap.ts';
import {
  type Box,
  COLUMN_PITCH,
  STACK_HEIGHT,
  type StackColumn,
  stackFigure,
  stackLinks,
} from '../charts/stack-figure.ts';
import { stackName } from '../store/describe.ts';
import { formatBytes } from '../store/format.ts';
import { useStudio, useStudioStore } from '../store/react.ts';
import { groupStack, layerBytes, ownBytesEach, scaleBytes, stackSentence } from '../store/stack.ts';
import type { GroupSummary, ModelSummary } from '../store/types.ts';

/** Layers from which on single columns are too narrow for outlines. */
const FINE_FROM = 24;

export function LayerStack({ model, group }: { model: ModelSummary; group: GroupSummary }) {
  const caption = useId();
  const store = useStudioStore();
  // What the drawing depends on; the facts are then read in one go.
  useStudio(({ picks }) => picks);
  useStudio(({ merge }) => merge);
  const facts = groupStack(store.getState(), group);
  const bytes = layerBytes(group);
  const columns = stackFigure(
    {
      layers: group.layers,
      ffnBytes: bytes.ffn,
      attentionBytes: bytes.attention,
      ownBytes: ownBytesEach(facts),
      scaleBytes: scaleBytes(model),
    },
    facts,
  );
  const name = stackName(model.groups, group.id);
  return (
    <figure
      className={group.layers > FINE_FROM ? 'layer-stack layer-stack-fine' : 'layer-stack'}
      aria-labelledby={caption}
    >
      <svg
        viewBox={`0 0 ${group.layers * COLUMN_PITCH} ${STACK_HEIGHT}`}
        preserveAspectRatio="none"
        aria-hidden="true"
        focusable="false"
      >
        {columns.map((column) => (
          <Column key={column.layer} column={column} />
        ))}
        {stackLinks(columns).map(({ box, set }) => (
          <rect key={`${set} ${box.x}`} fill={windowColor(set)} {...box} />
        ))}
      </svg>
      <figcaption id={caption}>
        <span className="layer-stack-lead">
          {name && `${name}: `}
          {stackSentence(facts, group.layers, bytes)}
        </span>
        <span className="layer-key layer-key-ffn">FFN {formatBytes(bytes.ffn)}</span>
        {facts.own > 0 && (
          <span className="layer-key layer-key-own">of their own {formatBytes(facts.own)}</span>
        )}
        {bytes.attention > 0 && (
          <span className="layer-key layer-key-attention">
            attention, norms {formatBytes(bytes.attention)}
          </span>
        )}
      </figcaption>
    </figure>
  );
}

function Column({ column }: { column: StackColumn }) {
  const { attention, ffn, own, leaving, kind, set } = column;
  return (
    <g
      className={`layer-${kind}`}
      style={set === null ? undefined : { ['--window' as string]: windowColor(set) }}
    >
      <rect className="layer-part layer-attention" width="1" height="1" style={placed(attention)} />
      <rect className="layer-part layer-ffn" width="1" height="1" style={placed(ffn)} />
      <rect className="layer-part layer-own" width="1" height="1" style={placed(own)} />
      <rect
        className="layer-leaving"
        x={leaving.x}
        y={leaving.y}
        width={leaving.width}
        height={leaving.height}
      />
    </g>
  );
}

/** A unit square brought to its place: a transform is what browsers animate without laying anything out. */
function placed({ x, y, width, height }: Box) {
  return { transform: `translate(${x}px, ${y}px) scale(${width}, ${height})` };
}
