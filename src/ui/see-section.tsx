/** Step 3, the centre of the page: the heatmap, what it shows, and the windows picked on it. */
import { useState } from 'react';
import { formatInteger } from '../store/format.ts';
import { useStudio } from '../store/react.ts';
import { shownMatrix } from '../store/see.ts';
import type { MatrixFigure } from '../store/types.ts';
import { Alerts } from './alerts.tsx';
import { Button } from './button.tsx';
import { WhatIsCka } from './explanations.tsx';
import { Heatmap } from './heatmap.tsx';
import { HeatmapLegend } from './heatmap-legend.tsx';
import { LayerStack } from './layer-stack.tsx';
import { MatrixTable } from './matrix-table.tsx';
import { PairTools } from './pair-tools.tsx';
import { RadioCards } from './radio-cards.tsx';
import { StepSection } from './step-section.tsx';
import { WindowPicker } from './window-picker.tsx';
import { MEASURES } from './words.ts';

const MEASURE_OPTIONS = MEASURES.map(({ kind, name }) => ({ id: kind, name }));

export function SeeSection() {
  const model = useStudio((state) => state.model);
  const matrix = useStudio(shownMatrix);
  const view = useStudio((state) => state.view);
  const showKind = useStudio((state) => state.showKind);
  const [pair, setPair] = useState({ reference: '0', layer: '1' });
  const group = model?.groups.find(({ id }) => id === view.groupId);
  if (!model || !group || !matrix) return null;
  const measure = MEASURES.find(({ kind }) => kind === view.kind) ?? MEASURES[0];
  return (
    <StepSection
      step="see"
      about="Bright cells are layers that are alike. Drag along the diagonal to pick neighbours to merge."
    >
      <div className="see">
        <div className="see-map">
          <div className="map-head">
            <GroupChoice />
            <RadioCards
              label="Similarity measure"
              options={MEASURE_OPTIONS}
              chosen={view.kind}
              onChoose={showKind}
              layout="pairs"
            />
            <p className="measure-about">{measure.about}</p>
            <WhatIsCka />
          </div>
          {view.table ? (
            <MatrixTable matrix={matrix} />
          ) : (
            <Heatmap
              key={`map ${group.id}`}
              group={group}
              matrix={matrix}
              onPair={(reference, layer) => setPair({ reference: String(reference), layer: String(layer) })}
            />
          )}
          <LayerStack key={`stack ${group.id}`} model={model} group={group} />
          <MapTools samples={matrix.samples} />
        </div>
        <div className="see-side">
          <WindowPicker group={group} />
          <PairTools pair={pair} onPair={setPair} layers={group.layers} />
          <Alerts step="see" />
        </div>
      </div>
    </StepSection>
  );
}

function GroupChoice() {
  const groups = useStudio(({ model }) => model?.groups);
  const groupId = useStudio(({ view }) => view.groupId);
  const showGroup = useStudio((state) => state.showGroup);
  if (!groups || groups.length < 2) return null;
  return (
    <label className="field field-row">
      <span>FFN group</span>
      <select value={groupId ?? ''} onChange={(event) => showGroup(event.target.value)}>
        {groups.map(({ id, name }) => (
          <option key={id} value={id}>
            {name}
          </option>
        ))}
      </select>
    </label>
  );
}

/** What draws the figure is loaded when one is first saved: no part of it is in the first load. */
const svgOf = async (figure: MatrixFigure) => {
  const { heatmapFigureSvg } = await import('../charts/heatmap-figure.ts');
  return heatmapFigureSvg(figure);
};
const drawSvg = async (figure: MatrixFigure) => new Blob([await svgOf(figure)], { type: 'image/svg+xml' });
const drawPng = async (figure: MatrixFigure) => {
  const { rasterise } = await import('../charts/rasterise.ts');
  return rasterise(await svgOf(figure));
};

function MapTools({ samples }: { samples: number }) {
  const matrix = useStudio(shownMatrix);
  const table = useStudio(({ view }) => view.table);
  const stretch = useStudio(({ view }) => view.stretch);
  const showTable = useStudio((state) => state.showTable);
  const setStretch = useStudio((state) => state.setStretch);
  const saveMatrix = useStudio((state) => state.saveMatrix);
  const saveMatrixFigure = useStudio((state) => state.saveMatrixFigure);
  if (!matrix) return null;
  return (
    <div className="map-foot">
      <HeatmapLegend matrix={matrix} />
      <p className="note map-samples">
        {samples > 0
          ? `Measured on ${formatInteger(samples)} calibration rows.`
          : 'Hatched: not measured yet.'}
      </p>
      <div className="map-buttons">
        <Button kind="quiet" pressed={stretch} onClick={() => setStretch(!stretch)}>
          Fit colours to the data
        </Button>
        <Button kind="quiet" pressed={table} onClick={() => showTable(!table)}>
          Show as table
        </Button>
        <span className="map-saves">
          <span className="note" aria-hidden="true">
            Save
          </span>
          <Button kind="quiet" label="Save matrix as CSV" onClick={saveMatrix}>
            CSV
          </Button>
          <Button
            kind="quiet"
            label="Save heatmap as SVG"
            onClick={() => void saveMatrixFigure('svg', drawSvg)}
          >
            SVG
          </Button>
          <Button
            kind="quiet"
            label="Save heatmap as PNG"
            onClick={() => void saveMatrixFigure('png', drawPng)}
          >
            PNG
          </Button>
        </span>
      </div>
    </div>
  );
}
