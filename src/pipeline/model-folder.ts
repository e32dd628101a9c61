/** Files that belong to the model's folder: given back in a zip beside the merged model, or merged alike. */
import type { NamedBlob, SortedFiles } from '../data/files.ts';
import type { BesideModel } from './downloads.ts';
import type { DownloadFormat, ModelSummary } from './types.ts';

export class ModelFolder implements BesideModel {
  companions: ReadonlyMap<string, NamedBlob> = new Map();
  private checkpoints: ReadonlyMap<string, NamedBlob> = new Map();

  get checkpoint(): readonly NamedBlob[] {
    return [...this.checkpoints.values()];
  }

  /** Takes a drop: in place of what was there, or added to it, by name. */
  take(sorted: SortedFiles, how: 'instead' | 'added'): void {
    const { config, tokenizer, preprocessor, generation, companions, checkpoints } = sorted;
    const single = [config, tokenizer, preprocessor, generation].filter((f) => f !== undefined);
    const named = (have: ReadonlyMap<string, NamedBlob>, more: readonly NamedBlob[]) =>
      new Map([...(how === 'added' ? have : []), ...more.map((f) => [f.name, f] as const)]);
    this.companions = named(this.companions, [...single, ...companions]);
    this.checkpoints = named(this.checkpoints, checkpoints);
  }

  /** What a model can be saved as, with what was dropped beside it. */
  formats({ formats }: ModelSummary): DownloadFormat[] {
    return [...formats, ...(this.checkpoints.size > 0 ? (['safetensors'] as const) : [])];
  }
}
