/**
 * Calibration data of tied sets: inputs X and outputs Y of their FFNs, tapped from the open model.
 *
 * Targets are always the original's; inputs are the original's, or those that the merged model gives (a refresh).
 * What fits a budget is kept in memory, since closed forms read it several times; else each pass runs the model again,
 * so that memory does not grow with the data. The select and report splits are never read here.
 */
import { type Dataset, readBatch } from '../data/dataset.ts';
import type { Ffn, FfnGroup } from '../graph/ffn.ts';
import type { FfnWeights } from '../merge/method.ts';
import { type CalibrationBatch, type CalibrationData, inMemory } from '../recover/calibration.ts';
import type { Dense } from '../recover/linear-algebra.ts';
import { toRows } from './features.ts';
import type { Changes, LiveModel } from './live-model.ts';
import type { Job } from './progress.ts';
import { paddingOn } from './side.ts';

/** Bytes of X and Y that are kept. */
const KEPT_BYTES = 1 << 30;

/** Layers of a group that are tied. */
export interface TappedLayers {
  readonly group: FfnGroup;
  readonly layers: readonly number[];
}

export interface TapSource {
  readonly live: LiveModel;
  readonly dataset: Dataset;
  /** Between two batches it can be cancelled. */
  readonly job: Job;
}

/** X and Y of one FFN in one batch, of the original. */
interface Tapped {
  readonly x: Dense;
  readonly y: Dense;
}

export class CalibrationTaps {
  private readonly source: TapSource;
  /** A batch each. */
  private readonly kept = new Map<Ffn, Tapped[]>();
  private readonly weights = new Map<Ffn, Promise<FfnWeights>>();
  private left = KEPT_BYTES;

  constructor(source: TapSource) {
    this.source = source;
  }

  /** The weights of one FFN, read once. */
  weightsOf(group: FfnGroup, layer: number): Promise<FfnWeights> {
    const ffn = group.ffns[layer];
    const known = this.weights.get(ffn) ?? this.source.live.weightsOf(group, layer);
    this.weights.set(ffn, known);
    return known;
  }

  /** Runs the original once for all layers of some sets, and keeps what the budget allows. */
  async prepare(sets: readonly TappedLayers[]): Promise<void> {
    const missing = sets
      .map(({ group, layers }) => ({ group, layers: layers.filter((l) => !this.kept.has(group.ffns[l])) }))
      .filter(({ layers }) => layers.length > 0);
    const fitting: TappedLayers[] = [];
    for (let b = 0; b < this.batches && missing.length > 0; b++) {
      const taken = await this.tap(b === 0 ? missing : fitting, b);
      if (b === 0) {
        for (const set of missing) {
          const bytes = bytesOf(set, taken) * this.batches;
          if (bytes > this.left) continue;
          this.left -= bytes;
          fitting.push(set);
        }
      }
      for (const { group, layers } of fitting) {
        for (const ffn of layers.map((l) => group.ffns[l])) {
          const list = this.kept.get(ffn) ?? [];
          if (list.length === b) list.push(taken.get(ffn)!);
          this.kept.set(ffn, list);
        }
      }
      if (fitting.length === 0) return;
    }
  }

  /** The data of one set; it can be read as often as needed. */
  of(set: TappedLayers): CalibrationData {
    return { batches: () => this.original(set) };
  }

  /** The same with the inputs that a merged model gives: kept in memory where it fits. */
  async refreshed(set: TappedLayers, changes: Changes): Promise<CalibrationData> {
    const batches: CalibrationBatch[] = [];
    let bytes = 0;
    for await (const batch of this.changed(set, changes)) {
      batches.push(batch);
      for (const m of batch.x) bytes += m.data.byteLength;
      if (bytes * (this.batches / batches.length) > KEPT_BYTES) {
        return { batches: () => this.changed(set, changes) };
      }
    }
    return inMemory(batches);
  }

  private get batches(): number {
    const { dataset } = this.source;
    return dataset.batches('calibrate', dataset.itemsPerBatch);
  }

  private async *original(set: TappedLayers): AsyncGenerator<CalibrationBatch> {
    const ffns = set.layers.map((l) => set.group.ffns[l]);
    for (let b = 0; b < this.batches; b++) {
      await this.source.job.check();
      const isKept = ffns.every((f) => this.kept.has(f));
      const taken = isKept ? undefined : await this.tap([set], b);
      const each = ffns.map((f) => taken?.get(f) ?? this.kept.get(f)![b]);
      yield { x: each.map((t) => t.x), y: each.map((t) => t.y) };
    }
  }

  private async *changed(set: TappedLayers, changes: Changes): AsyncGenerator<CalibrationBatch> {
    let b = 0;
    for await (const { x, y } of this.original(set)) {
      const now = await this.values(
        [set],
        b++,
        set.layers.map((l) => set.group.ffns[l].input),
        changes,
      );
      yield { x: set.layers.map((l) => now.get(set.group.ffns[l].input)!), y, originalX: x };
    }
  }

  private async tap(sets: readonly TappedLayers[], batch: number): Promise<Map<Ffn, Tapped>> {
    const ffns = sets.flatMap(({ group, layers }) => layers.map((l) => group.ffns[l]));
    const values = await this.values(
      sets,
      batch,
      ffns.flatMap((f) => [f.input, f.output]),
    );
    return new Map(ffns.map((f) => [f, { x: values.get(f.input)!, y: values.get(f.output)! }]));
  }

  /** Values [tokens × d_model] of a batch, rows that are padding left out. */
  private async values(
    sets: readonly TappedLayers[],
    batch: number,
    names: readonly string[],
    changes?: Changes,
  ): Promise<Map<string, Dense>> {
    const { live, dataset, job } = this.source;
    await job.check();
    await live.prepare(names, job);
    const { feeds, padding } = await readBatch(dataset, 'calibrate', batch, dataset.itemsPerBatch);
    const groups = new Map<string, FfnGroup>(
      sets.flatMap(({ group, layers }) =>
        layers.flatMap((l) =>
          [group.ffns[l].input, group.ffns[l].output].map((name) => [name, group] as const),
        ),
      ),
    );
    const outputs = await live.run(feeds, [...new Set(names)], changes ? { changes } : {});
    try {
      const values = new Map<string, Dense>();
      for (const [name, output] of Object.entries(outputs)) {
        const group = groups.get(name)!;
        const data = await toRows(output, group.dModel, paddingOn(live.sideOf(group), padding));
        values.set(name, { rows: data.length / group.dModel, cols: group.dModel, data });
      }
      return values;
    } finally {
      for (const output of Object.values(outputs)) output.release();
    }
  }
}

function bytesOf({ group, layers }: TappedLayers, taken: ReadonlyMap<Ffn, Tapped>): number {
  return layers.reduce((sum, l) => {
    const { x, y } = taken.get(group.ffns[l])!;
    return sum + x.data.byteLength + y.data.byteLength;
  }, 0);
}
