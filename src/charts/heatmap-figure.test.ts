import { describe, expect, it } from 'vitest';
import { windowColor } from './heatmap.ts';
import { type HeatmapFigure, heatmapFigureSvg } from './heatmap-figure.ts';

const values = [1, 0.62, Number.NaN, 0.62, 1, 0.41, Number.NaN, 0.41, 1];
const figure: HeatmapFigure = {
  matrix: { size: 3, values },
  stretch: false,
  title: 'CKA of FFN outputs',
  lines: ['a <model> & "more".onnx', 'h.*.mlp, 3 layers'],
  windows: [
    { set: 0, layers: [0, 1], name: 'Layers 0–1' },
    { set: 4, layers: [0, 2], name: 'Layers 0, 2' },
  ],
};
const count = (text: string, part: string) => text.split(part).length - 1;

describe('heatmap as a figure', () => {
  const svg = heatmapFigureSvg(figure);

  it('colours each measured cell and leaves the others to the ground', () => {
    expect(count(svg, 'fill="rgb(253, 234, 69)"')).toBe(3);
    const cells = svg.match(/<rect x="[\d.]+" y="[\d.]+" width="212\.333" height="212\.333"/g);
    expect(cells).toHaveLength(7);
  });

  it('names the model, both axes, the values of the legend and each window', () => {
    expect(svg).toContain('a &lt;model&gt; &amp; &quot;more&quot;.onnx');
    expect(count(svg, '>Layer</text>')).toBe(2);
    for (const tick of ['0', '0.2', '0.8', '1', 'Layers 0–1', 'Layers 0, 2'])
      expect(svg).toContain(`>${tick}</text>`);
  });

  it('holds nothing of a name that XML does not have', () => {
    const control = String.fromCharCode(0, 0x1b);
    const named = heatmapFigureSvg({ ...figure, title: `a${control}b`, lines: [`it's \ud800${control}`] });
    expect(named).toContain('aria-label="a��b"');
    expect(named).toContain('>it&#39;s ���</text>');
    expect(named.isWellFormed()).toBe(true);
  });

  it('writes the values of a small matrix into their cells, dark on bright and bright on dark', () => {
    expect(count(svg, '>.62</text>')).toBe(2);
    const dark = heatmapFigureSvg({ ...figure, matrix: { size: 2, values: [1, 0, 0.9, 1] } });
    expect(dark).toMatch(/fill="#ffffff">\.00</);
    expect(dark).toMatch(/fill="#101a24">\.90</);
    const below = heatmapFigureSvg({ ...figure, matrix: { size: 2, values: [1, -0.001, -0.25, 1] } });
    expect(below).toContain('>.00<');
    expect(below).toContain('>−.25<');
  });

  it('outlines windows in the colours of their places: one square, or two and the blocks of their pairs', () => {
    // Each block, and the swatch beside the name.
    expect(count(svg, `stroke="${windowColor(0)}"`)).toBe(1 + 1);
    expect(count(svg, `stroke="${windowColor(4)}"`)).toBe(4 + 1);
    expect(windowColor(0)).not.toBe(windowColor(4));
  });

  it('draws a large matrix as one path a colour, with every measured cell in it', () => {
    const size = 96;
    const many = Float64Array.from({ length: size * size }, (_, index) => (index % 7) / 10);
    many[5] = Number.NaN;
    const large = heatmapFigureSvg({ ...figure, matrix: { size, values: many }, windows: [] });
    expect(count(large, '<path')).toBe(7);
    expect(count(large, 'h6.667v6.667h-6.667z')).toBe(size * size - 1);
    expect(large.length).toBeLessThan(500_000);
  });
});
