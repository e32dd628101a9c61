/**
 * R6: local distillation of the tied FFN (method.md, Recovery ladder).
 *
 * Adam on Σᵢ ‖Ŷᵢ − Yᵢ‖²/vᵢ over the shared matrices and the layers' vectors, on seeded minibatches, with a cosine
 * decay of the learning rate. The loss on held-out rows is looked at every so many steps: the best parameters seen are
 * kept (those of the start among them), and it stops where they have not improved for long. No gradient leaves the
 * FFN, so it costs six matrix products a layer and step (nine where gated).
 *
 * Stores own b_in, b_gate and b_out of each layer by default; vectors that the FFN has are trained too.
 */

import type { CalibrationBatch } from '../calibration.ts';
import type { RecoveryInput, RecoveryMethod } from '../method.ts';
import { outputPowers } from '../statistics.ts';
import { storableScales } from '../storable.ts';
import { shapeOf, type TiedFfn, type VectorRole, withVectors } from '../tied-ffn.ts';
import { heldOutRows, Minibatches } from './minibatches.ts';
import { createBackendTrainer, type FfnTrainer } from './trainer.ts';

export interface DistillOptions {
  readonly steps: number;
  /** What an earlier run chose: the parameters of this step are given, and nothing is looked at before. */
  readonly stopAt?: number;
  /** Rows of a minibatch, of each layer. */
  readonly tokens: number;
  /** Learning rate of the first step; it falls to 0 by a half cosine. */
  readonly rate: number;
  readonly seed: number;
  /** Share of the calibration rows that tell when to stop; with 0, one minibatch of the fitted rows does. */
  readonly holdOut: number;
  /** Held-out rows looked at, at most. */
  readonly heldOutTokens: number;
  /** Steps between two looks. */
  readonly lookEvery: number;
  /** Looks without an improvement after which it stops. */
  readonly patience: number;
  /** Vectors that each layer gets of its own; absent ones start without effect (0, or 1 for scales). */
  readonly own: readonly VectorRole[];
  /** Memory for rows, in bytes. */
  readonly poolBytes: number;
}

export const distill: RecoveryMethod<DistillOptions> = {
  id: 'R6',
  label: 'Distil locally',
  defaults: {
    steps: 400,
    tokens: 512,
    rate: 1e-3,
    seed: 1,
    holdOut: 0.1,
    heldOutTokens: 2048,
    lookEvery: 25,
    patience: 6,
    own: ['bIn', 'bGate', 'bOut'],
    poolBytes: 512 * 2 ** 20,
  },
  stores: (ffn, options = {}) => ownRoles(ffn, { ...distill.defaults, ...options }.own),

  async recover(input, options = {}) {
    const settings = { ...distill.defaults, ...options };
    checkOptions(settings);
    const { ffn, data, algebra, signal } = input;
    const powers = await outputPowers(data, signal);
    const start = giveOwn(ffn, ownRoles(ffn, settings.own));
    const { dModel, layers } = shapeOf(ffn);
    const batches = new Minibatches(data, {
      rows: settings.tokens,
      holdOut: settings.holdOut,
      seed: settings.seed,
      poolRows: Math.max(settings.tokens, Math.floor(settings.poolBytes / (8 * dModel * layers))),
      ...(signal && { signal }),
    });
    const heldOut = await heldOutRows(data, settings.holdOut, settings.heldOutTokens, signal);
    const trainer = createBackendTrainer(algebra.backend, start, powers);
    try {
      return await train(input, settings, start, trainer, batches, heldOut ?? (await batches.next()));
    } finally {
      trainer.release();
    }
  },
};

async function train(
  { signal, onStep, isOver }: RecoveryInput,
  settings: DistillOptions,
  start: TiedFfn,
  trainer: FfnTrainer,
  batches: Minibatches,
  watched: CalibrationBatch,
) {
  const before = await trainer.loss(watched);
  let best = { ffn: start, loss: before, step: 0 };
  let idle = 0;
  const notes: string[] = [];
  const { steps, stopAt, lookEvery, patience } = settings;
  const last = Math.min(steps, stopAt ?? steps);
  for (let step = 1; step <= last; step++) {
    signal?.throwIfAborted();
    await trainer.step(await batches.next(), cosineRate(settings.rate, step - 1, steps));
    const ended = isOver?.() === true;
    const isLook = stopAt === undefined && step % lookEvery === 0;
    if (!isLook && !ended && step !== last) continue;
    const loss = await trainer.loss(watched);
    await onStep?.(step, steps, loss);
    if (loss < best.loss) {
      best = { ffn: storableScales(await trainer.read()), loss, step };
      idle = 0;
    } else idle++;
    if (ended || idle >= patience) {
      const why = ended ? 'The time was over or the run cancelled' : 'It no longer helped';
      notes.push(
        `Stopped after ${step} of ${steps} steps: ${why}; the held-out loss was least at step ${best.step}.`,
      );
      break;
    }
  }
  return {
    ffn: best.ffn,
    before,
    after: best.loss,
    notes,
    chosen: { steps, stopAt: best.step, seed: settings.seed, own: settings.own },
  };
}

/** The rate of a step, from 0. */
export function cosineRate(rate: number, step: number, steps: number): number {
  return 0.5 * rate * (1 + Math.cos((Math.PI * step) / steps));
}

function ownRoles(ffn: TiedFfn, own: readonly VectorRole[]): VectorRole[] {
  const { gated } = shapeOf(ffn);
  return own.filter((role) => gated || (role !== 'bGate' && role !== 'gateScale'));
}

function giveOwn(ffn: TiedFfn, roles: readonly VectorRole[]): TiedFfn {
  const { dModel, dFf } = shapeOf(ffn);
  return withVectors(ffn, (i) =>
    Object.fromEntries(
      roles.map((role) => {
        const fresh = new Float32Array(role === 'bOut' ? dModel : dFf);
        if (role.endsWith('Scale')) fresh.fill(1);
        return [role, ffn.layers[i][role]?.slice() ?? fresh];
      }),
    ),
  );
}

function checkOptions({ steps, tokens, rate, lookEvery, patience }: DistillOptions): void {
  for (const [name, value] of Object.entries({ steps, tokens, lookEvery, patience })) {
    if (!Number.isInteger(value) || value < 1) {
      throw new RangeError(`Distillation needs a whole number of ${name} from 1 up; it was ${value}.`);
    }
  }
  if (!(rate > 0 && Number.isFinite(rate))) {
    throw new RangeError(`The learning rate must be a number above 0; it was ${rate}.`);
  }
}
