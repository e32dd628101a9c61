/**
 * Where the open model runs: opened when it is first needed, checked against wasm as soon as there is data to do so.
 *
 * Why: a provider that is found wrong changes what every later stage runs on and what the page says of it; one place
 * holds that, and the studio asks for the model only.
 *
 * Known limits: a model that was opened before there was data is opened anew to be checked, and what was merged on it
 * is lost; the studio is told before (`beforeAnew`).
 */
import type { SessionFactory } from '../runtime/session.ts';
import type { LiveModel } from './live-model.ts';
import type { OpenedModel } from './opened.ts';
import type { Job } from './progress.ts';
import { type Feeds, openChecked } from './self-test.ts';
import type { EngineSummary } from './types.ts';

export interface LiveDeps {
  readonly engine: EngineSummary;
  readonly sessions: SessionFactory;
  /** The wasm provider, where `sessions` is another one that is to be checked against it. */
  readonly checkAgainst?: () => Promise<SessionFactory>;
}

export class LiveDesk {
  private readonly deps: LiveDeps;
  /** Opens models where the open one runs. */
  sessions: SessionFactory;
  private engineNow: EngineSummary;
  private live: LiveModel | null = null;
  /** Whether the provider was checked, or needs no check. */
  private checked = false;

  constructor(deps: LiveDeps) {
    this.deps = deps;
    this.sessions = deps.sessions;
    this.engineNow = deps.engine;
  }

  /** Where things run now; changes where the self-test finds a provider wrong. */
  get engine(): EngineSummary {
    return this.engineNow;
  }

  /**
   * @param sample one batch of calibration data, where there is some
   * @param beforeAnew called before an open model is closed to be opened and checked
   */
  async model(
    opened: OpenedModel,
    sample: Feeds | undefined,
    job: Job,
    beforeAnew: () => void,
  ): Promise<LiveModel> {
    const { checkAgainst } = this.deps;
    if (this.live && (this.checked || !sample)) return this.live;
    if (this.live) {
      beforeAnew();
      const { live } = this;
      this.live = null;
      await live.release();
    }
    this.checked = sample !== undefined || !checkAgainst;
    const checked = await openChecked(opened, this.sessions, this.engineNow, sample, checkAgainst, job);
    this.sessions = checked.sessions;
    this.engineNow = checked.engine;
    this.live = checked.live;
    return checked.live;
  }

  /** Closes the model; the next one starts with the providers that were given. */
  async close(): Promise<void> {
    this.sessions = this.deps.sessions;
    this.engineNow = this.deps.engine;
    const { live } = this;
    this.live = null;
    await live?.release();
  }
}
