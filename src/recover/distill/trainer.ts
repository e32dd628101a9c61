/**
 * What trains a tied FFN: the seam at which a device may take over.
 *
 * A trainer owns its parameters and the state of Adam (Kingma and Ba 2015: β₁ 0.9, β₂ 0.999, ε 1e-8, bias-corrected);
 * the rung above it decides on minibatches, rates and when to stop.
 */
import type { CalibrationBatch } from '../calibration.ts';
import type { LinearAlgebra } from '../linear-algebra.ts';
import { type LayerVectors, type TiedFfn, vectorRoles } from '../tied-ffn.ts';
import { lossOf } from './gradients.ts';

export interface FfnTrainer {
  /** Loss on a batch; changes nothing. */
  loss(batch: CalibrationBatch): Promise<number>;
  /** One step of Adam at a learning rate; gives the loss before it. */
  step(batch: CalibrationBatch, rate: number): Promise<number>;
  /** A copy of the parameters as they are. */
  read(): Promise<TiedFfn>;
  /** Frees what the trainer holds. */
  release(): void;
}

export type TrainerFactory = (
  algebra: LinearAlgebra,
  ffn: TiedFfn,
  powers: readonly number[],
) => Promise<FfnTrainer>;

const BETA1 = 0.9;
const BETA2 = 0.999;
const EPSILON = 1e-8;

/** The trainer over the recovery's linear algebra. */
export const createAlgebraTrainer: TrainerFactory = async (algebra, start, powers) => {
  const ffn = copyOf(start);
  const moments = new Map<Float32Array, { first: Float64Array; second: Float64Array }>();
  let steps = 0;
  return {
    loss: async (batch) => (await lossOf(algebra, ffn, batch, powers)).loss,
    async step(batch, rate) {
      const { loss, gradients } = await lossOf(algebra, ffn, batch, powers, true);
      steps++;
      for (const [parameter, gradient] of gradients) {
        const known = moments.get(parameter) ?? {
          first: new Float64Array(parameter.length),
          second: new Float64Array(parameter.length),
        };
        moments.set(parameter, known);
        adam(parameter, gradient, known.first, known.second, steps, rate);
      }
      return loss;
    },
    read: async () => copyOf(ffn),
    release: () => moments.clear(),
  };
};

/** One bias-corrected step, in place. @param steps from 1 */
export function adam(
  parameter: Float32Array,
  gradient: Float64Array,
  first: Float64Array,
  second: Float64Array,
  steps: number,
  rate: number,
): void {
  const [c1, c2] = [1 - BETA1 ** steps, 1 - BETA2 ** steps];
  for (let i = 0; i < parameter.length; i++) {
    const g = gradient[i];
    first[i] = BETA1 * first[i] + (1 - BETA1) * g;
    second[i] = BETA2 * second[i] + (1 - BETA2) * g * g;
    parameter[i] -= (rate * (first[i] / c1)) / (Math.sqrt(second[i] / c2) + EPSILON);
  }
}

/** The same FFN in arrays of its own; what was tied stays tied. */
export function copyOf(ffn: TiedFfn): TiedFfn {
  const copies = new Map<Float32Array, Float32Array>();
  const copy = (values: Float32Array) => {
    const known = copies.get(values) ?? values.slice();
    copies.set(values, known);
    return known;
  };
  const { wIn, wGate, wOut } = ffn.shared;
  return {
    activation: ffn.activation,
    shared: {
      wIn: { ...wIn, data: copy(wIn.data) },
      ...(wGate && { wGate: { ...wGate, data: copy(wGate.data) } }),
      wOut: { ...wOut, data: copy(wOut.data) },
    },
    layers: ffn.layers.map(
      (layer) =>
        Object.fromEntries(
          vectorRoles.filter((role) => layer[role]).map((role) => [role, copy(layer[role]!)]),
        ) as LayerVectors,
    ),
  };
}
