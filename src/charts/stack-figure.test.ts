import { describe, expect, it } from 'vitest';
import { type StackColumn, stackFigure, stackLinks } from './stack-figure.ts';

const nothing = { picked: [], tied: [], withoutFfn: [], leftOut: [] };
const stack = { layers: 8, ffnBytes: 200, attentionBytes: 100, ownBytes: 0, scaleBytes: 300 };
const area = (columns: readonly StackColumn[], part: 'ffn' | 'attention' | 'own' | 'leaving') =>
  columns.reduce((sum, column) => sum + column[part].width * column[part].height, 0);

describe('stack figure', () => {
  it('draws attention and FFN in the proportion of their bytes, on one scale for all groups', () => {
    const columns = stackFigure(stack, nothing);
    expect(area(columns, 'ffn') / area(columns, 'attention')).toBeCloseTo(2, 12);
    const half = stackFigure({ ...stack, ffnBytes: 100 }, nothing);
    expect(area(columns, 'ffn') / area(half, 'ffn')).toBeCloseTo(2, 12);
    const { ffn } = columns[0];
    expect(ffn.y + ffn.height).toBeCloseTo(100, 12);
  });

  it.each([
    { tied: [[2, 3, 4, 5]], stored: 5 },
    { tied: [[1, 4, 5]], stored: 6 },
    {
      tied: [
        [0, 1],
        [3, 6, 7],
      ],
      stored: 5,
    },
  ])('gives $tied the area of $stored stored FFNs', ({ tied, stored }) => {
    const before = area(stackFigure(stack, nothing), 'ffn');
    const columns = stackFigure(stack, { ...nothing, tied });
    expect(area(columns, 'ffn') / before).toBeCloseTo(stored / 8, 12);
  });

  it('hangs what layers keep of their own under their share of the one copy, to the same scale', () => {
    const sets = { ...nothing, tied: [[2, 3, 4, 5]] };
    const [without, columns] = [0, 10].map((ownBytes) => stackFigure({ ...stack, ownBytes }, sets));
    const oneByte = area(stackFigure(stack, nothing), 'ffn') / (8 * 200);
    expect(area(without, 'own')).toBe(0);
    expect(area(columns, 'own')).toBeCloseTo(4 * 10 * oneByte, 10);
    expect(area(columns, 'ffn')).toBeCloseTo(area(without, 'ffn'), 12);
    expect(area(without, 'leaving') - area(columns, 'leaving')).toBeCloseTo(4 * 10 * oneByte, 10);
    const { ffn, own, leaving } = columns[3];
    expect([own.y, leaving.y]).toEqual([ffn.y + ffn.height, own.y + own.height]);
    expect(columns[0].own.height).toBe(0);
    // Picked, and not yet merged.
    expect(area(stackFigure({ ...stack, ownBytes: 10 }, { ...nothing, picked: [[2, 3]] }), 'own')).toBe(0);
  });

  it('joins the neighbours of a set into one block, without a gap', () => {
    const columns = stackFigure(stack, { ...nothing, tied: [[2, 3, 4]] });
    const [a, b, c, other] = columns.slice(2, 6).map(({ ffn }) => ffn);
    expect(a.x + a.width).toBeCloseTo(b.x, 12);
    expect(b.x + b.width).toBeCloseTo(c.x, 12);
    expect(c.x + c.width).toBeLessThan(other.x);
    expect(new Set([a, b, c].map(({ height }) => height)).size).toBe(1);
    expect(columns.map(({ set }) => set)).toEqual([null, null, 0, 0, 0, null, null, null]);
  });

  it('bridges the layers between the parts of a tied block, above their FFNs', () => {
    const columns = stackFigure(stack, {
      ...nothing,
      tied: [
        [1, 2, 5],
        [3, 7],
      ],
    });
    const links = stackLinks(columns);
    expect(links.map(({ set }) => set)).toEqual([0, 1]);
    const { box } = links[0];
    expect(box.x).toBeCloseTo(columns[2].ffn.x + columns[2].ffn.width, 12);
    expect(box.x + box.width).toBeCloseTo(columns[5].ffn.x, 12);
    expect(box.y).toBeGreaterThan(columns[3].attention.y + columns[3].attention.height);
    expect(box.y + box.height).toBeLessThan(columns[3].ffn.y);
    expect(stackLinks(stackFigure(stack, { ...nothing, picked: [[1, 5]] }))).toEqual([]);
  });

  it('shows what a pick will free, without freeing it', () => {
    const before = stackFigure(stack, nothing);
    const picked = stackFigure(stack, { ...nothing, picked: [[2, 3]] });
    const tied = stackFigure(stack, { ...nothing, tied: [[2, 3]] });
    expect(picked.map(({ ffn }) => ffn)).toEqual(before.map(({ ffn }) => ffn));
    expect(picked[2].leaving).toEqual(tied[2].leaving);
    expect(picked[2].leaving.height + tied[2].ffn.height).toBeCloseTo(before[2].ffn.height, 12);
  });

  it('keeps the attention of FFNs that are left out, and nothing of whole layers', () => {
    const columns = stackFigure(stack, { ...nothing, withoutFfn: [3], leftOut: [5] });
    expect(columns[3].ffn.height).toBe(0);
    expect(columns[3].attention.height).toBeGreaterThan(0);
    expect([columns[5].ffn.height, columns[5].attention.height]).toEqual([0, 0]);
  });

  it('has room for no attention', () => {
    const [column] = stackFigure({ ...stack, attentionBytes: 0, scaleBytes: 200 }, nothing);
    expect([column.attention.height, column.ffn.y]).toEqual([0, 0]);
  });
});
