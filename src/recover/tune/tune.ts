/**
 * End-to-end tuning of a merged model (method.md, Steps 6: the paper's own recovery), over the differentiable port.
 *
 * Adam with warm-up and cosine decay on seeded micro-batches, gradients accumulated and clipped by their global norm.
 * Every so many steps the caller scores the parameters on the selection split: the best are kept (those of the start
 * among them, so the result is never worse), and it stops where they have not improved for long.
 *
 * Everything that a run is, is in its state, at the end of any step: cancelled and resumed, it takes the same steps as
 * without. The state is plain data (structured clone, IndexedDB).
 */
import type { DifferentiableModel, Parameters } from '../../runtime/differentiable.ts';
import { adamStep, globalNorm, type Moments, rateAt, zeroMoments } from './adam.ts';
import { batchAt, type TuningBatches } from './batches.ts';

export interface TuneOptions {
  readonly steps: number;
  /** Micro-batches of a step: gradients are averaged over them. */
  readonly accumulate: number;
  /** Highest learning rate. */
  readonly rate: number;
  /** Steps until it is reached. */
  readonly warmUp: number;
  /** Largest global norm of a gradient. */
  readonly clip: number;
  readonly seed: number;
  /** Steps between two looks at the selection split. */
  readonly lookEvery: number;
  /** Looks without an improvement after which it stops. */
  readonly patience: number;
}

export const DEFAULT_TUNING: TuneOptions = {
  steps: 150,
  accumulate: 1,
  rate: 5e-4,
  warmUp: 10,
  clip: 1,
  seed: 1,
  lookEvery: 25,
  patience: 4,
};

/** A run at the end of a step. */
export interface TuneState {
  readonly options: TuneOptions;
  /** Steps done. */
  readonly step: number;
  readonly parameters: Parameters;
  readonly moments: Moments;
  /** Selection losses: of the start, and of the best. */
  readonly start: number;
  readonly best: { readonly parameters: Parameters; readonly loss: number; readonly step: number };
  /** Looks since the best. */
  readonly idle: number;
}

export interface TunePoint {
  readonly step: number;
  readonly steps: number;
  /** Training loss of the step's batches, before it. */
  readonly loss: number;
  /** Global norm of the gradient before clipping. */
  readonly norm: number;
  readonly rate: number;
  /** Selection loss after it, where it was looked at. */
  readonly selection?: number;
}

export interface TuneControl {
  /** Loss of parameters on the selection split, as they are after a step: lower is better. */
  select(parameters: Parameters, step: number): Promise<number>;
  readonly signal?: AbortSignal;
  /** Whether the time is over. */
  readonly isOver?: () => boolean;
  /** After each step; awaited, so that a caller can let others run, or store the state. */
  readonly onStep?: (point: TunePoint, state: TuneState) => void | Promise<void>;
  /** Goes on from here. */
  readonly resume?: TuneState;
}

export interface TuneResult {
  /** The best on the selection split; the start where nothing was better. */
  readonly parameters: Parameters;
  /** Selection losses. */
  readonly before: number;
  readonly after: number;
  /** Where `parameters` were. */
  readonly bestStep: number;
  /** `paused`: cancelled or out of time; `state` goes on from there. */
  readonly stopped: 'steps' | 'patience' | 'paused';
  readonly state: TuneState;
}

/**
 * @param start parameters by name; they are not changed, and given back where nothing was better
 * @throws RangeError for options that do not fit, or a state of other parameters; RuntimeFailure
 */
export async function tune(
  model: Pick<DifferentiableModel, 'valueAndGrad'>,
  batches: TuningBatches,
  start: Parameters,
  options: Partial<TuneOptions>,
  control: TuneControl,
): Promise<TuneResult> {
  let state = control.resume ? checkedState(control.resume, start) : null;
  const settings = state?.options ?? { ...DEFAULT_TUNING, ...options };
  checkOptions(settings);
  state ??= await firstState(start, settings, control);
  const { steps, lookEvery, patience } = settings;
  while (state.step < steps && state.idle < patience) {
    if (control.signal?.aborted || control.isOver?.()) return resultOf(state, 'paused');
    const made = await stepOf(model, batches, state);
    state = made.state;
    let selection: number | undefined;
    if (state.step % lookEvery === 0 || state.step === steps) {
      selection = await control.select(state.parameters, state.step);
      state = looked(state, selection);
    }
    await control.onStep?.({ ...made.point, ...(selection !== undefined && { selection }) }, state);
  }
  return resultOf(state, state.step >= steps ? 'steps' : 'patience');
}

async function firstState(start: Parameters, options: TuneOptions, control: TuneControl): Promise<TuneState> {
  const loss = await control.select(start, 0);
  return {
    options,
    step: 0,
    parameters: start,
    moments: zeroMoments(start),
    start: loss,
    best: { parameters: start, loss, step: 0 },
    idle: 0,
  };
}

async function stepOf(
  model: Pick<DifferentiableModel, 'valueAndGrad'>,
  batches: TuningBatches,
  state: TuneState,
): Promise<{ state: TuneState; point: TunePoint }> {
  const { steps, accumulate, rate: highest, warmUp, clip, seed } = state.options;
  const step = state.step + 1;
  let gradients: Parameters | null = null;
  let loss = 0;
  for (let i = 0; i < accumulate; i++) {
    const index = batchAt((step - 1) * accumulate + i, batches.count, seed);
    const made = await model.valueAndGrad(state.parameters, await batches.batch(index));
    loss += made.loss / accumulate;
    gradients = gradients ? added(gradients, made.gradients) : made.gradients;
  }
  const norm = globalNorm(gradients!) / accumulate;
  if (!Number.isFinite(norm) || !Number.isFinite(loss)) {
    throw new RangeError(
      `Tuning became unstable at step ${step} (the loss was ${loss}). Try a lower learning rate.`,
    );
  }
  const rate = rateAt(step, steps, highest, warmUp);
  // New arrays, so that the start, the best and a state which was given away stay what they were.
  const next = {
    ...state,
    step,
    parameters: copyOf(state.parameters),
    moments: { first: copyOf(state.moments.first), second: copyOf(state.moments.second) },
  };
  adamStep(next.parameters, gradients!, next.moments, step, rate, Math.min(1, clip / norm) / accumulate);
  return { state: next, point: { step, steps, loss, norm, rate } };
}

function looked(state: TuneState, loss: number): TuneState {
  if (!(loss < state.best.loss)) return { ...state, idle: state.idle + 1 };
  return { ...state, idle: 0, best: { parameters: state.parameters, loss, step: state.step } };
}

function resultOf(state: TuneState, stopped: TuneResult['stopped']): TuneResult {
  const { parameters, loss, step } = state.best;
  return { parameters, before: state.start, after: loss, bestStep: step, stopped, state };
}

function copyOf(parameters: Parameters): Parameters {
  return new Map([...parameters].map(([name, v]) => [name, v.slice()]));
}

function added(sum: Parameters, more: Parameters): Parameters {
  return new Map([...sum].map(([name, v]) => [name, v.map((x, i) => x + more.get(name)![i])]));
}

/** @throws RangeError where a state does not belong to these parameters */
function checkedState(state: TuneState, start: Parameters): TuneState {
  const fits =
    state.parameters.size === start.size &&
    [...start].every(([name, v]) => state.parameters.get(name)?.length === v.length);
  if (!fits) {
    throw new RangeError('The stored tuning is of another merge, so it cannot go on here. Start it anew.');
  }
  return state;
}

function checkOptions({
  steps,
  accumulate,
  rate,
  warmUp,
  clip,
  seed,
  lookEvery,
  patience,
}: TuneOptions): void {
  for (const [name, value] of Object.entries({ steps, accumulate, lookEvery, patience })) {
    if (!Number.isInteger(value) || value < 1) {
      throw new RangeError(`Tuning needs a whole number from 1 up for “${name}”; it was ${value}.`);
    }
  }
  for (const [name, value] of Object.entries({ warmUp, seed })) {
    if (!Number.isInteger(value) || value < 0) {
      throw new RangeError(`Tuning needs a whole number from 0 up for “${name}”; it was ${value}.`);
    }
  }
  for (const [name, value] of Object.entries({ rate, clip })) {
    if (!(value > 0 && Number.isFinite(value))) {
      throw new RangeError(`Tuning needs a number above 0 for “${name}”; it was ${value}.`);
    }
  }
}
