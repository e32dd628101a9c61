/** What the worker tells the page of outputs side by side: the original's and the current variant's. */

export interface GenerateRequest {
  readonly prompt: string;
  readonly tokens: number;
  /** 0 = greedy. */
  readonly temperature: number;
  readonly seed: number;
}

/** Original and current variant side by side. */
export type ExampleResult =
  | { readonly kind: 'text'; readonly prompt: string; readonly original: string; readonly merged: string }
  | { readonly kind: 'images'; readonly items: readonly ImageExample[] }
  | { readonly kind: 'tokens'; readonly items: readonly TokenExample[] };

export interface ImageExample {
  readonly width: number;
  readonly height: number;
  /** RGBA, row-major. */
  readonly pixels: Uint8ClampedArray;
  readonly label: number;
  readonly original: ClassGuess;
  readonly merged: ClassGuess;
}

export interface ClassGuess {
  readonly label: number;
  readonly probability: number;
}

/** What follows a piece of text, by probability. */
export interface TokenExample {
  readonly context: string;
  readonly truth: string;
  readonly original: readonly { readonly token: string; readonly probability: number }[];
  readonly merged: readonly { readonly token: string; readonly probability: number }[];
}
