/**
 * A report as plain facts: sections of blocks, with every number already in words. The store fills it in; HTML and
 * Markdown are two ways to write it down. All text is untrusted: names of files and layers come from what was dropped.
 */

export interface Report {
  /** The model's name. */
  readonly title: string;
  /** What came out, in a sentence. */
  readonly summary: string;
  /** Date and version, in a line. */
  readonly origin: string;
  readonly headline: readonly HeadlineNumber[];
  readonly sections: readonly ReportSection[];
}

export interface HeadlineNumber {
  readonly label: string;
  /** `4.854 → 5.633` */
  readonly value: string;
  readonly detail: string;
}

export interface ReportSection {
  readonly heading: string;
  readonly blocks: readonly Block[];
}

export type Block =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'list'; readonly items: readonly string[] }
  | { readonly kind: 'facts'; readonly rows: readonly (readonly [name: string, value: string])[] }
  | TableBlock
  | StackBlock
  | HeatmapBlock
  | TradeoffBlock
  | FileBlock;

export interface TableBlock {
  readonly kind: 'table';
  readonly caption: string;
  readonly columns: readonly { readonly name: string; readonly numeric?: boolean }[];
  readonly rows: readonly (readonly string[])[];
}

/** Layers that share one FFN, and what the set is called. */
export interface NamedSet {
  readonly layers: readonly number[];
  readonly name: string;
}

/** The layers of a stack in a row, tied ones joined. */
export interface StackBlock {
  readonly kind: 'stack';
  readonly caption: string;
  readonly layers: number;
  readonly sets: readonly NamedSet[];
}

export interface HeatmapBlock {
  readonly kind: 'heatmap';
  readonly title: string;
  readonly caption: string;
  readonly size: number;
  /** Row-major [size × size]; NaN where not measured. */
  readonly values: ArrayLike<number>;
  /** Outlined. */
  readonly sets: readonly NamedSet[];
}

export interface TradeoffBlock {
  readonly kind: 'tradeoff';
  readonly title: string;
  readonly caption: string;
  readonly metric: string;
  readonly higherIsBetter: boolean;
  /** Number 0 is the original. */
  readonly points: readonly {
    readonly id: number;
    readonly bytes: number;
    readonly score: number;
    readonly name: string;
  }[];
  /** Ticks in words. */
  readonly bytesText: (bytes: number) => string;
  readonly scoreText: (score: number) => string;
}

/** Text that is to be taken out again. */
export interface FileBlock {
  readonly kind: 'file';
  readonly title: string;
  /** To be saved under this name; absent where it is only to be read. */
  readonly fileName?: string;
  readonly language: 'json' | 'bibtex' | 'text';
  readonly text: string;
  /** Shown in place of long text; the whole is in the file. */
  readonly excerpt?: string;
}
