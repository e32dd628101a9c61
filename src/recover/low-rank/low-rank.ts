/**
 * R5: low-rank deltas of each layer, in closed form (method.md, Recovery ladder).
 *
 *   in, gate:  a·b nearest to Δ = Wᵢ − W⊙γ in the metric of the inputs, min tr((Δ − ab)ᵀ(C + λI)(Δ − ab)), C = X̄ᵀX̄/T:
 *              the truncated singular value decomposition of Δ whitened by the activations;
 *   out:       reduced-rank ridge regression of R = Y − (H⊙s)·W_out on H⊙s (Mukherjee and Zhu 2011): the ridge solution
 *              B = (C + λI)⁻¹ĀᵀR̄/T, truncated in the metric C + λI.
 *
 * Where the inputs are not the original's (refreshed), or no own bias can take the means away, the first is a reduced-
 * rank regression too, of what is missing in Z, shrinking towards Δ. Layers are independent of each other, since the
 * shared matrices stay. A delta is kept where the outputs of its layer come nearer on held-out rows.
 *
 * Stores r(d + n) floats a layer and matrix, and own biases where the file has a place.
 */
import { ofLayer, type Part } from '../calibration.ts';
import type { LambdaOptions } from '../lambda.ts';
import type { RecoveryInput, RecoveryMethod } from '../method.ts';
import { outputError, outputPowers } from '../statistics.ts';
import { canStore, noPlaceFor } from '../storable.ts';
import { type LayerOwn, shapeOf, type TiedFfn, withVectors } from '../tied-ffn.ts';
import { fitDelta, type Place, ROLES } from './fit-delta.ts';

export interface LowRankOptions extends LambdaOptions {
  readonly rank: number;
  /** Which matrices get a delta. */
  readonly of: readonly Place[];
  /** Of the randomised decomposition. */
  readonly seed: number;
  /** What an earlier run took, where nothing is to be chosen: the λ of each layer, empty for no delta. */
  readonly inTaken: readonly string[];
  readonly gateTaken: readonly string[];
  readonly outTaken: readonly string[];
}

const PLACES = ['in', 'gate', 'out'] as const;

export const lowRank: RecoveryMethod<LowRankOptions> = {
  id: 'R5',
  label: 'Own low-rank deltas',
  defaults: {
    rank: 4,
    of: PLACES,
    lambdas: [0.1, 0.001, 0.01, 1],
    holdOut: 0.2,
    seed: 1,
    inTaken: [],
    gateTaken: [],
    outTaken: [],
  },

  stores(ffn, options = {}) {
    const { of } = { ...lowRank.defaults, ...options };
    return placesOf(ffn, of).flatMap((place) => [ROLES[place].delta, ROLES[place].bias]);
  },

  async recover(input, options = {}) {
    const settings = { ...lowRank.defaults, ...options };
    const { rank, of, seed, holdOut } = settings;
    if (!Number.isInteger(rank) || rank < 1) {
      throw new RangeError(`The rank of a delta must be a whole number from 1 up; it was ${rank}.`);
    }
    const places = placesOf(input.ffn, of).filter((place) => canStore(input, ROLES[place].delta));
    if (places.length === 0) throw noPlaceFor('low-rank deltas', lowRank.label);
    const powers = await outputPowers(input.data, input.signal);
    const done: LayerResult[] = [];
    for (let i = 0; i < powers.length; i++) {
      // Where time is over, the layers that are left stay as they are.
      const mine = i > 0 && input.isOver?.() ? [] : places;
      done.push(await recoverLayer(oneLayer(input, i), i, powers[i], mine, settings));
      await input.onStep?.(i + 1, powers.length, done[i].after);
    }
    const taken = (place: Place) => done.map((l) => l.taken.get(place) ?? '');
    const notes = PLACES.filter((p) => places.includes(p) && taken(p).every((l) => l === '')).map(
      (p) => `Deltas of the ${NAMES[p]} brought nothing in any layer and were left out.`,
    );
    return {
      ffn: withVectors(input.ffn, (i) => done[i].own),
      before: done.reduce((sum, l) => sum + l.before, 0),
      after: done.reduce((sum, l) => sum + l.after, 0),
      notes: [...new Set([...done.flatMap((l) => l.notes), ...notes])],
      chosen: {
        rank,
        of: places,
        seed,
        holdOut,
        inTaken: taken('in'),
        gateTaken: taken('gate'),
        outTaken: taken('out'),
      },
    };
  },
};

const NAMES: Readonly<Record<Place, string>> = {
  in: 'up-projection',
  gate: 'gate',
  out: 'down-projection',
};

function placesOf(ffn: TiedFfn, of: readonly Place[]): Place[] {
  return PLACES.filter((place) => of.includes(place) && (place !== 'gate' || shapeOf(ffn).gated));
}

/** A layer by itself, as a set of one. */
function oneLayer(input: RecoveryInput, i: number): RecoveryInput {
  const { ffn, originals, data } = input;
  return {
    ...input,
    ffn: { ...ffn, layers: [ffn.layers[i]] },
    originals: [originals[i]],
    data: ofLayer(data, i),
  };
}

interface LayerResult {
  readonly own: LayerOwn;
  /** λ by place. */
  readonly taken: ReadonlyMap<Place, string>;
  /** mean‖Ŷ − Y‖²/v on all rows. */
  readonly before: number;
  readonly after: number;
  readonly notes: readonly string[];
}

async function recoverLayer(
  input: RecoveryInput,
  layer: number,
  power: number,
  places: readonly Place[],
  settings: LowRankOptions,
): Promise<LayerResult> {
  const { data, algebra, signal } = input;
  const { lambdas, holdOut, inTaken, gateTaken, outTaken } = settings;
  const earlier: Readonly<Record<Place, readonly string[]>> = { in: inTaken, gate: gateTaken, out: outTaken };
  const decided = Object.values(earlier).some((list) => list.length > 0);
  const errorOf = async (ffn: TiedFfn, only: Part) => {
    const asked = { holdOut: only === 'fit' ? 0 : holdOut, only, ...(signal && { signal }) };
    return (await outputError(algebra, ffn, data, [power], asked))[only];
  };
  const before = await errorOf(input.ffn, 'fit');
  const taken = new Map<Place, string>();
  const notes: string[] = [];
  let { ffn } = input;
  for (const place of places) {
    const known = earlier[place][layer] ?? '';
    if (decided && known === '') continue;
    const fit = await fitDelta({ ...input, ffn }, place, power, {
      ...settings,
      lambdas: decided ? [Number(known)] : lambdas,
      choose: !decided && holdOut > 0,
    });
    notes.push(...fit.notes);
    if (fit.trial) {
      // On held-out rows, fitted on the others: better than what is there, and than a bias alone.
      const now = await errorOf(ffn, 'held-out');
      const trial = await errorOf(fit.trial.ffn, 'held-out');
      const bare = await errorOf(fit.trial.biasAlone, 'held-out');
      if (!(trial < Math.min(now, bare))) continue;
    }
    ffn = fit.ffn;
    taken.set(place, String(fit.lambda));
  }
  const after = await errorOf(ffn, 'fit');
  if (after <= before) return { own: ffn.layers[0], taken, before, after, notes };
  return {
    own: input.ffn.layers[0],
    taken: new Map(),
    before,
    after: before,
    notes: [...notes, 'Deltas made the outputs of a layer worse on all rows and were left out there.'],
  };
}
