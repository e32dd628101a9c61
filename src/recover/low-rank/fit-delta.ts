/**
 * The delta of one matrix of one layer: its λ on held-out rows, then on all rows. See low-rank.ts for the formulas.
 */
import { centredFor } from '../centring.ts';
import { checkLambdas, type LambdaOptions, strongest, withoutHeldOut } from '../lambda.ts';
import type { Dense, LinearAlgebra } from '../linear-algebra.ts';
import type { RecoveryInput } from '../method.ts';
import { about, type CentredMoments } from '../moments.ts';
import { biasesOf, fitRidge } from '../ridge.ts';
import { type Collected, collectMoments } from '../statistics.ts';
import { canStore } from '../storable.ts';
import { affine, hiddenOf, type LowRank, plus, type TiedFfn, withVectors } from '../tied-ffn.ts';
import { truncated } from './leading-rows.ts';

/** The up projection, the gate, the down projection. */
export type Place = 'in' | 'gate' | 'out';

export const ROLES = {
  in: { delta: 'inDelta', bias: 'bIn', scale: 'inScale', matrix: 'wIn' },
  gate: { delta: 'gateDelta', bias: 'bGate', scale: 'gateScale', matrix: 'wGate' },
  out: { delta: 'outDelta', bias: 'bOut', scale: undefined, matrix: 'wOut' },
} as const;

export interface DeltaOptions extends LambdaOptions {
  readonly rank: number;
  readonly seed: number;
  /** Whether held-out rows choose λ; without, the first is taken. */
  readonly choose: boolean;
}

export interface FittedDelta {
  /** With the delta, fitted on all rows. */
  readonly ffn: TiedFfn;
  readonly lambda: number;
  /** The same fitted without the held-out rows, and a bias without a delta; null where nothing was chosen. */
  readonly trial: { readonly ffn: TiedFfn; readonly biasAlone: TiedFfn } | null;
  readonly notes: readonly string[];
}

/** @param input of one layer; `power` is its vᵢ */
export async function fitDelta(
  input: RecoveryInput,
  place: Place,
  power: number,
  options: DeltaOptions,
): Promise<FittedDelta> {
  const { ffn, algebra } = input;
  const { lambdas, rank, seed, choose } = options;
  const { delta: role, bias } = ROLES[place];
  checkLambdas(lambdas);
  const ownBias = canStore(input, bias);
  const collected = await momentsOf(input, place, power, options.holdOut, ownBias);
  const notes = new Set<string>();
  const { fit, heldOut, all } = choose ? collected.moments : withoutHeldOut(collected.moments);
  const fitOn = async (m: CentredMoments, lambda: number) => {
    const { b, k, raised } = await solution(algebra, m, lambda, collected.difference, collected.exact);
    if (raised)
      notes.add(`The statistics of a delta could not be factored with λ = ${lambda}; λ was raised.`);
    return truncated(algebra, b, k, rank, seed);
  };
  const withDelta = (delta: LowRank | undefined, m: CentredMoments): TiedFfn =>
    withVectors(ffn, () => ({
      [role]: delta,
      ...(ownBias && { [bias]: biasOf(m, delta) }),
    }));
  let lambda = lambdas[0];
  let trial: FittedDelta['trial'] = null;
  if (heldOut) {
    const shifted = about(heldOut, (i) => ({ a: fit.meanA[i], b: fit.meanB[i] }));
    const tried = [];
    for (const candidate of lambdas) {
      const delta = await fitOn(fit, candidate);
      tried.push({ lambda: candidate, delta, heldOut: lowRankResidual(shifted, delta) });
    }
    const best = strongest(tried);
    lambda = best.lambda;
    trial = { ffn: withDelta(best.delta, fit), biasAlone: withDelta(undefined, fit) };
  }
  return { ffn: withDelta(await fitOn(all, lambda), all), lambda, trial, notes: [...notes] };
}

interface DeltaMoments {
  readonly moments: Collected;
  /** Wᵢ − W⊙γ, towards which the fit shrinks; null for the down projection, which shrinks to nothing. */
  readonly difference: Dense | null;
  /** Whether the difference explains what is missing exactly, so that it needs no fit. */
  readonly exact: boolean;
}

/** Moments of the features of a place, and what is missing of its values without a delta. */
async function momentsOf(
  { ffn, originals, data, algebra, signal }: RecoveryInput,
  place: Place,
  power: number,
  holdOut: number,
  ownBias: boolean,
): Promise<DeltaMoments> {
  const { bias, scale, matrix } = ROLES[place];
  const [own] = ffn.layers;
  const kept = ownBias ? undefined : own[bias]?.map((v) => -v);
  const options = { holdOut, ...(signal && { signal }) };
  const mode = ownBias ? 'own' : 'none';
  if (place === 'out') {
    const moments = await collectMoments(
      algebra,
      data,
      [1 / power],
      async (batch) => {
        const a = await hiddenOf(ffn, 0, algebra, batch.x[0]);
        const given = await algebra.matmul(a, ffn.shared.wOut);
        return { a, b: affine(plus(batch.y[0], given, -1), undefined, kept) };
      },
      options,
    );
    return { moments: centredFor(moments, mode), difference: null, exact: false };
  }
  const [original] = originals;
  const [wanted, given] = [original[matrix]!, ffn.shared[matrix]!];
  const difference = plus(scaled(wanted, original[scale!]), scaled(given, own[scale!]), -1);
  let refreshed = false;
  const moments = await collectMoments(
    algebra,
    data,
    [1],
    async (batch) => {
      const [x] = batch.x;
      if (batch.originalX) refreshed = true;
      const target = affine(
        await algebra.matmul((batch.originalX ?? batch.x)[0], wanted),
        original[scale!],
        original[bias],
      );
      const now = affine(await algebra.matmul(x, given), own[scale!], undefined);
      return { a: x, b: affine(plus(target, now, -1), undefined, kept) };
    },
    options,
  );
  return { moments: centredFor(moments, mode), difference, exact: ownBias && !refreshed };
}

const scaled = (m: Dense, scale: Float32Array | undefined) => affine(m, scale, undefined);

/** B before it is truncated, and (C + λI)·B. */
async function solution(
  algebra: LinearAlgebra,
  m: CentredMoments,
  lambda: number,
  difference: Dense | null,
  exact: boolean,
): Promise<{ readonly b: Dense; readonly k: Dense; readonly raised: boolean }> {
  const { p, q, rows, gram, cross, weights } = m;
  const shape = { rows: p, cols: q };
  if (!difference) {
    const { w, raised } = await fitRidge(algebra, m, lambda);
    // (C + λI)·B is the right-hand side; the layer's weight changes no direction.
    const k = { ...shape, data: Float32Array.from(cross, (v) => v / rows / weights[0]) };
    return { b: { ...shape, data: Float32Array.from(w) }, k, raised: raised > 0 };
  }
  const fit = exact ? null : await fitRidge(algebra, m, lambda, difference.data);
  const b = fit ? { ...shape, data: Float32Array.from(fit.w) } : difference;
  let trace = 0;
  for (let i = 0; i < p; i++) trace += gram[i * p + i];
  const metric = Float32Array.from(gram, (v) => v / rows);
  for (let i = 0; i < p; i++) metric[i * p + i] += ((fit?.lambda ?? lambda) * trace) / rows / p;
  const k = await algebra.matmul({ rows: p, cols: p, data: metric }, b);
  return { b, k, raised: (fit?.raised ?? 0) > 0 };
}

/** Mean residual Σ w‖B̄ − Ā·ab‖² / T by the moments. */
function lowRankResidual({ p, q, rows, gram, cross, power }: CentredMoments, { a, b }: LowRank): number {
  const r = b.rows;
  // aᵀ·G and aᵀ·cross, then their products with a and b.
  const [left, across] = [new Float64Array(r * p), new Float64Array(r * q)];
  for (let u = 0; u < p; u++) {
    for (let k = 0; k < r; k++) {
      const factor = a.data[u * r + k];
      for (let v = 0; v < p; v++) left[k * p + v] += factor * gram[u * p + v];
      for (let c = 0; c < q; c++) across[k * q + c] += factor * cross[u * q + c];
    }
  }
  let sum = power;
  for (let k = 0; k < r; k++) {
    for (let c = 0; c < q; c++) sum -= 2 * across[k * q + c] * b.data[k * q + c];
    for (let l = 0; l < r; l++) {
      let [inner, outer] = [0, 0];
      for (let v = 0; v < p; v++) inner += left[k * p + v] * a.data[v * r + l];
      for (let c = 0; c < q; c++) outer += b.data[k * q + c] * b.data[l * q + c];
      sum += inner * outer;
    }
  }
  return sum / rows;
}

/** The own bias beside a delta: the means of what is missing less what the delta gives on average. */
function biasOf(m: CentredMoments, delta: LowRank | undefined): Float32Array {
  if (!delta) return Float32Array.from(m.meanB[0]);
  const { a, b } = delta;
  const [inner] = biasesOf({ ...m, q: a.cols, meanB: [new Float64Array(a.cols)] }, a.data);
  return Float32Array.from(m.meanB[0], (mean, c) => {
    let sum = mean;
    // `inner` is minus the means through a.
    for (let k = 0; k < b.rows; k++) sum += inner[k] * b.data[k * b.cols + c];
    return sum;
  });
}
