/**
 * The layers of one group as they are stored, a column a layer: attention above, the FFN hanging under it. Areas are to
 * scale by bytes within a group; between groups, heights are. A tied FFN is one block under all of its layers, as thin as their share of the one copy, so that the
 * picture shows both who uses it and what it takes. What a layer keeps of its own beside it hangs under its share. Plain numbers out, in units of a box `columnPitch` wide a layer and
 * 100 high; columns lie where the heatmap's do.
 */

export const STACK_HEIGHT = 100;
export const COLUMN_PITCH = 10;
const COLUMN = 9;
const BETWEEN = 3;
const LINK = 2;

export interface Stack {
  readonly layers: number;
  readonly ffnBytes: number;
  /** 0 where none is known. */
  readonly attentionBytes: number;
  /** That each layer of a tied set keeps of its own; 0 where nothing is. */
  readonly ownBytes: number;
  /** Of the largest layer on the same scale: it fills the height. */
  readonly scaleBytes: number;
}

/** Sets by their place in the list: it gives their colour. */
export interface StackedSets {
  /** To be merged. */
  readonly picked: readonly (readonly number[])[];
  /** Merged: each is one stored copy. */
  readonly tied: readonly (readonly number[])[];
  /** FFNs that were left out. */
  readonly withoutFfn: readonly number[];
  /** Layers that were left out, attention too. */
  readonly leftOut: readonly number[];
}

export interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

export interface StackColumn {
  readonly layer: number;
  readonly attention: Box;
  readonly ffn: Box;
  /** What a tied layer keeps beside the one copy. */
  readonly own: Box;
  /** What goes, or has gone, of this layer's own copy. */
  readonly leaving: Box;
  readonly kind: 'own' | 'picked' | 'tied' | 'gone';
  readonly set: number | null;
}

export function stackFigure(stack: Stack, sets: StackedSets): StackColumn[] {
  const perByte = (STACK_HEIGHT - BETWEEN) / stack.scaleBytes;
  const attention = stack.attentionBytes * perByte;
  const full = stack.ffnBytes * perByte;
  const top = attention > 0 ? attention + BETWEEN : 0;
  return Array.from({ length: stack.layers }, (_, layer) => {
    const column = (y: number, height: number, width = COLUMN): Box => ({
      x: layer * COLUMN_PITCH + (COLUMN_PITCH - COLUMN) / 2,
      y,
      width,
      height,
    });
    const tied = sets.tied.findIndex((set) => set.includes(layer));
    const picked = sets.picked.findIndex((set) => set.includes(layer));
    const dropped = sets.leftOut.includes(layer);
    if (dropped || sets.withoutFfn.includes(layer)) {
      return {
        layer,
        attention: column(0, dropped ? 0 : attention),
        ffn: column(top, 0),
        own: column(top, 0),
        leaving: column(dropped ? 0 : top, dropped ? top + full : full),
        kind: 'gone',
        set: null,
      };
    }
    const set = tied >= 0 ? tied : picked;
    if (set < 0) {
      const none = column(top + full, 0);
      return {
        layer,
        attention: column(0, attention),
        ffn: column(top, full),
        own: none,
        leaving: none,
        kind: 'own',
        set: null,
      };
    }
    const members = (tied >= 0 ? sets.tied : sets.picked)[set];
    const share = (full * COLUMN) / widthOf(members);
    const own = tied >= 0 ? Math.min(stack.ownBytes * perByte, full - share) : 0;
    return {
      layer,
      attention: column(0, attention),
      // Joined to the next layer of the set, where that is a neighbour.
      ffn:
        tied >= 0
          ? column(top, share, members.includes(layer + 1) ? COLUMN_PITCH : COLUMN)
          : column(top, full),
      own: column(top + share, own),
      leaving: column(top + share + own, full - share - own),
      kind: tied >= 0 ? 'tied' : 'picked',
      set,
    };
  });
}

/** Of the block that a set becomes: neighbours join over the gap between their columns. */
function widthOf(members: readonly number[]): number {
  return members.reduce((sum, layer) => sum + (members.includes(layer + 1) ? COLUMN_PITCH : COLUMN), 0);
}

export interface StackLink {
  readonly box: Box;
  readonly set: number;
}

/** Thin bridges over the layers between the parts of a tied block: its layers need not be neighbours. */
export function stackLinks(columns: readonly StackColumn[]): StackLink[] {
  const last = new Map<number, StackColumn>();
  const links: StackLink[] = [];
  for (const column of columns) {
    const { set, kind, ffn, layer } = column;
    if (set === null || kind !== 'tied') continue;
    const before = last.get(set);
    last.set(set, column);
    if (!before || before.layer === layer - 1) continue;
    const x = before.ffn.x + before.ffn.width;
    const box = { x, y: Math.max(0, ffn.y - BETWEEN / 2 - LINK / 2), width: ffn.x - x, height: LINK };
    links.push({ box, set });
  }
  return links;
}
