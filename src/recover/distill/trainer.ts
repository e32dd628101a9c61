/**
 * What trains a tied FFN: the seam between the rung, which decides on minibatches, rates and when to stop, and a
 * device.
 *
 * A trainer owns its parameters, their gradients and the state of Adam (Kingma and Ba 2015: β₁ 0.9, β₂ 0.999, ε 1e-8,
 * bias-corrected), all on the device: a step takes a minibatch up and brings nothing back.
 */
import type { Backend, Matrix } from '../../kernels/backend.ts';
import type { CalibrationBatch } from '../calibration.ts';
import type { TiedFfn } from '../tied-ffn.ts';
import { DeviceFfn, type Parameter } from './device-ffn.ts';

export interface FfnTrainer {
  /** Loss on a batch; changes nothing. */
  loss(batch: CalibrationBatch): Promise<number>;
  /** One step of Adam at a learning rate. */
  step(batch: CalibrationBatch, rate: number): Promise<void>;
  /** A copy of the parameters as they are. */
  read(): Promise<TiedFfn>;
  /** Frees what the trainer holds. */
  release(): void;
}

/**
 * A trainer on a backend, which stays the caller's.
 * @param powers vᵢ, one a layer
 */
export function createBackendTrainer(
  backend: Backend,
  start: TiedFfn,
  powers: readonly number[],
): FfnTrainer {
  const device = new DeviceFfn(backend, start, powers);
  const state = new Map<Parameter, readonly [Matrix, Matrix]>();
  for (const parameter of device.parameters) {
    const { rows, cols } = parameter.value;
    state.set(parameter, [backend.zeros(rows, cols), backend.zeros(rows, cols)]);
  }
  let step = 0;
  return {
    loss: (batch) => device.loss(batch),
    async step(batch, learningRate) {
      await device.gradients(batch);
      step++;
      for (const [{ value, gradient }, [m, v]] of state) {
        await backend.adam(value, gradient, m, v, { step, learningRate });
      }
    },
    read: () => device.read(),
    release() {
      device.release();
      for (const moments of state.values()) backend.release(...moments);
      state.clear();
    },
  };
}
