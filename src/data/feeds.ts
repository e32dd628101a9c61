/**
 * Fills a graph's inputs by their names from what a batch has: tokens, a decoder's tokens, images, sound.
 *
 * Why: exporters ask for more than the data: masks, positions, token types, empty caches of keys and values, switches.
 * Each name that is understood has one rule here, and the element type that the graph declares. What is not
 * understood is `foreign`: the person can give it as an array by its name (extras.ts).
 *
 * A cache is fed empty: length 0 on its axis of past positions. Heads and their width come from the graph's dims, else
 * from config.json. Axes are told by their names (batch, past, sequence), else by their places: [batch, heads, past,
 * width], and the same after a leading 2 for key and value in one.
 *
 * Known limits: caches of a fixed length above 0 (static caches) are foreign, since there is no emptying them;
 * attention masks of rank 4 and positions of rank 3 are foreign.
 */
import type { HostTensor } from '../runtime/session.ts';
import { DataType } from '../tensor/dtype.ts';
import { type CacheSizes, cacheSizes, type Json } from './config.ts';
import type { Feeds } from './dataset.ts';
import { canFeed, tensorOf } from './elements.ts';

/** An input of the graph. */
export interface TensorInput {
  readonly name: string;
  readonly elemType: number;
  /** Number = fixed; null or a name where free. Absent where the graph records no shape. */
  readonly dims?: readonly (number | string | null)[];
}

/** Sequences of one length. */
export interface Tokens {
  /** [items × length], row-major */
  readonly ids: Int32Array;
  readonly length: number;
  /** 1 where a token is real [items × length]; absent where all are. */
  readonly real?: Uint8Array;
}

/** What a batch has. */
export interface Parts {
  readonly items: number;
  readonly tokens?: Tokens;
  readonly decoder?: Tokens;
  /** Tensors by input name that the data makes itself: pixels, features. */
  readonly made?: Feeds;
  /** Real samples of sound, as tokens have them. */
  readonly sound?: Pick<Tokens, 'real' | 'length'>;
  /** Split and number of the first item, for what is given by item. */
  readonly rows?: readonly number[];
}

export type Source = 'tokens' | 'decoder' | 'sound' | 'image';

export interface FeedPlan {
  /** @throws RangeError where the parts lack what an input needs */
  make(parts: Parts): Feeds;
  /** Names that are filled. */
  readonly filled: readonly string[];
  /** Inputs that are not understood, or not for this kind of data. */
  readonly foreign: readonly TensorInput[];
  /** Caches whose sizes are in neither the graph nor config.json. */
  readonly unsized: readonly TensorInput[];
}

type Filler = (parts: Parts) => HostTensor | undefined;

/** Names of inputs that the data itself makes. */
export const MADE_INPUTS: Readonly<Record<Exclude<Source, 'tokens' | 'decoder'>, readonly string[]>> = {
  sound: ['input_values', 'input_features'],
  image: ['pixel_values'],
};

/**
 * @param sources what the batches will have
 * @param config config.json, for caches
 */
export function planFeeds(
  inputs: readonly TensorInput[],
  sources: readonly Source[],
  config: Json = {},
): FeedPlan {
  const sizes = cacheSizes(config);
  const fillers = new Map<string, Filler>();
  const foreign: TensorInput[] = [];
  const unsized: TensorInput[] = [];
  for (const input of inputs) {
    const filler = fillerOf(input, sources, sizes);
    if (filler === 'unsized') unsized.push(input);
    else if (filler) fillers.set(input.name, filler);
    else foreign.push(input);
  }
  return {
    filled: [...fillers.keys()],
    foreign,
    unsized,
    make(parts) {
      const feeds: Record<string, HostTensor> = {};
      for (const [name, fill] of fillers) {
        const tensor = fill(parts);
        if (!tensor) throw new RangeError(`The batch has nothing for the input “${name}”.`);
        feeds[name] = tensor;
      }
      return feeds;
    },
  };
}

function fillerOf(
  input: TensorInput,
  sources: readonly Source[],
  sizes: CacheSizes,
): Filler | 'unsized' | undefined {
  const { name, elemType, dims } = input;
  if (!canFeed(elemType)) return undefined;
  const has = (source: Source) => sources.includes(source);
  const rank = dims?.length;
  const made = (['sound', 'image'] as const).some((s) => has(s) && MADE_INPUTS[s].includes(name));
  if (made) return ({ made: of }) => of?.[name];
  if (/^past/.test(name)) return cacheFiller(input, sizes);
  /** [items, length] of one side, or [1, length] where the graph says so. */
  const perToken =
    (
      side: 'tokens' | 'decoder' | 'sound',
      value: (position: number, at: number, of: Tokens) => number,
    ): Filler =>
    (parts) => {
      const of = parts[side] as Tokens | undefined;
      if (!of) return undefined;
      const one = dims?.length === 1 || (dims?.[0] === 1 && parts.items > 1);
      const count = one ? of.length : parts.items * of.length;
      const values = Array.from({ length: count }, (_, at) => value(at % of.length, at, of));
      return tensorOf(elemType, dims?.length === 1 ? [of.length] : [count / of.length, of.length], values);
    };
  const mask = (_: number, at: number, { real }: Pick<Tokens, 'real'>) => real?.[at] ?? 1;
  const own = has('tokens') ? 'tokens' : has('decoder') && !has('sound') ? 'decoder' : undefined;
  if (rank !== undefined && rank > 2)
    return name === 'pixel_mask' && has('image') ? onesLike(input) : undefined;
  switch (name) {
    case 'input_ids':
      return has('tokens') ? perToken('tokens', (_, at, { ids }) => ids[at]) : undefined;
    case 'decoder_input_ids':
      return has('decoder') ? perToken('decoder', (_, at, { ids }) => ids[at]) : undefined;
    case 'attention_mask':
    case 'encoder_attention_mask':
      return own ? perToken(own, mask) : has('sound') ? perToken('sound', mask) : undefined;
    case 'decoder_attention_mask':
      return has('decoder') ? perToken('decoder', mask) : undefined;
    case 'position_ids':
      return own ? perToken(own, (position) => position) : undefined;
    case 'decoder_position_ids':
      return has('decoder') ? perToken('decoder', (position) => position) : undefined;
    case 'token_type_ids':
      return own ? perToken(own, () => 0) : undefined;
    case 'cache_position': {
      const side = has('decoder') ? 'decoder' : own;
      return side
        ? ({ [side]: of }) =>
            of &&
            tensorOf(
              elemType,
              [of.length],
              Array.from({ length: of.length }, (_, k) => k),
            )
        : undefined;
    }
    case 'use_cache_branch':
      return () =>
        tensorOf(
          elemType,
          (dims ?? [1]).map(() => 1),
          [0],
        );
    case 'num_logits_to_keep':
    case 'logits_to_keep':
      // 0 stands for all positions.
      return () =>
        tensorOf(
          elemType,
          (dims ?? []).map(() => 1),
          [0],
        );
    default:
      return undefined;
  }
}

/** A mask of ones over the pixels that are fed: pictures of a batch are of one size. */
function onesLike({ elemType }: TensorInput): Filler {
  return ({ items, made }) => {
    const pixels = made?.pixel_values;
    if (!pixels) return undefined;
    const [height, width] = pixels.dims.slice(-2);
    return tensorOf(elemType, [items, height, width], new Uint8Array(items * height * width).fill(1));
  };
}

type Axis = 'items' | 'heads' | 'width' | 'past' | 'items×heads' | number;

/** An empty cache. */
function cacheFiller({ elemType, dims }: TensorInput, sizes: CacheSizes): Filler | 'unsized' | undefined {
  if (!dims || dims.length < 3 || dims.length > 5 || elemType === DataType.int64) return undefined;
  const axes = dims.map((dim, axis) => axisOf(dim, axis, dims.length));
  if (!axes.includes('past')) {
    // Nothing says which axis grows: where the graph fixes it, the cache cannot be empty.
    const at = dims.length === 5 ? 3 : 2;
    if (axes[at] !== 0) return undefined;
  }
  const known = (axis: Axis): number | undefined =>
    axis === 'heads' || axis === 'items×heads' ? sizes.heads : axis === 'width' ? sizes.headDim : 0;
  if (axes.some((axis) => known(axis) === undefined)) return 'unsized';
  return ({ items }) => {
    const shape = axes.map((axis) => {
      if (typeof axis === 'number') return axis;
      if (axis === 'items') return items;
      if (axis === 'past') return 0;
      return axis === 'items×heads' ? items * sizes.heads! : known(axis)!;
    });
    return tensorOf(elemType, shape, new Float32Array(shape.reduce((n, d) => n * d, 1)));
  };
}

function axisOf(dim: number | string | null, axis: number, rank: number): Axis {
  if (typeof dim === 'number') return dim;
  const name = dim?.toLowerCase() ?? '';
  if (/batch.*head|head.*batch/.test(name)) return 'items×heads';
  if (/past|seq|len|cache|total/.test(name)) return 'past';
  if (/batch/.test(name)) return 'items';
  if (/head_?(dim|size)|width/.test(name)) return 'width';
  if (/head/.test(name)) return 'heads';
  const places: readonly Axis[] =
    rank === 3 ? ['items', 'past', 'width'] : ['items', 'heads', 'past', 'width'];
  return rank === 5 ? (axis === 0 ? 2 : places[axis - 1]) : places[axis];
}
