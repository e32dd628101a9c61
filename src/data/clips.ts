/**
 * Recordings as clips of one channel at the model's sampling rate, out of .wav files and arrays.
 *
 * Arrays are waveforms at the model's own rate, [samples] or [clips, samples], or features [clips, …] as the model takes
 * them. Where nothing is said of their texts, long recordings are cut into clips of the length that the model takes.
 */
import { DataError } from './errors.ts';
import { type NamedBlob, pathOf, type SplitName, splitOf, splitOfFolder } from './files.ts';
import { parseNpy, toNumbers } from './npy.ts';
import { resampleSound } from './resample.ts';
import type { SoundRecipe } from './sound-recipe.ts';
import { parseWav } from './wav.ts';

export interface Clip {
  /** For people. */
  readonly name: string;
  readonly split: SplitName | undefined;
  /** At the model's rate; or features as the model takes them, row-major, with their shape. */
  readonly samples: Float32Array;
  readonly shape?: readonly number[];
  readonly text?: string;
}

/** The shortest clip that is fed, in seconds: shorter ones are less than what some models look at once. */
const SHORTEST = 0.1;

/**
 * @param texts of the recordings, in their order
 * @param length most samples of a clip
 * @param exact clips must have exactly that length: what is shorter is left out
 * @param features rank of features as the model takes them, batch included; 0 where it takes waveforms
 * @throws DataError for files that are no sound
 */
export async function readClips(
  recordings: readonly NamedBlob[],
  arrays: readonly NamedBlob[],
  texts: readonly string[] | undefined,
  recipe: SoundRecipe,
  { length, exact, features }: { length: number; exact: boolean; features: number },
): Promise<{ clips: readonly Clip[]; notes: readonly string[] }> {
  const clips: Clip[] = [];
  let [short, cut] = [0, 0];
  const add = (name: string, split: SplitName | undefined, samples: Float32Array, text?: string) => {
    const least = exact ? length : Math.ceil(SHORTEST * recipe.rate);
    if (text !== undefined) {
      if (samples.length > length) cut++;
      if (samples.length < least) short++;
      else clips.push({ name, split, samples: samples.subarray(0, length), text });
      return;
    }
    for (let from = 0; from < samples.length; from += length) {
      const part = samples.subarray(from, from + length);
      const named = samples.length > length ? `${name}, from ${Math.round(from / recipe.rate)} s` : name;
      if (part.length < least) short++;
      else clips.push({ name: named, split, samples: part });
    }
  };
  for (const [k, file] of recordings.entries()) {
    const { rate, samples } = parseWav(new Uint8Array(await file.arrayBuffer()), file.name);
    add(file.name, splitOfClip(file), resampleSound(samples, rate, recipe.rate), texts?.[k]);
  }
  for (const file of arrays) {
    const array = parseNpy(new Uint8Array(await file.arrayBuffer()), file.name);
    const { shape } = array;
    const values = toNumbers(array);
    const isFeatures = features > 0 && shape.length === features;
    if (!isFeatures && shape.length !== 1 && shape.length !== 2) {
      throw new DataError(
        `“${file.name}” has shape (${shape.join(', ')}); waveforms have (samples) or (clips, samples) at ${recipe.rate} samples a second. Save it so.`,
      );
    }
    const [count, ...inner] = shape.length === 1 ? [1, ...shape] : shape;
    const size = inner.reduce((n, d) => n * d, 1);
    for (let k = 0; k < count; k++) {
      const part = values.subarray(k * size, (k + 1) * size);
      const name = `${file.name}, ${k}`;
      if (isFeatures) clips.push({ name, split: splitOfClip(file), samples: part, shape: inner });
      else add(name, splitOfClip(file), part);
    }
  }
  const seconds = `${Number((length / recipe.rate).toFixed(2))} s`;
  const count = (n: number) => `${n} clip${n > 1 ? 's' : ''}`;
  return {
    clips,
    notes: [
      ...(cut > 0
        ? [`${count(cut)} longer than ${seconds} are cut, and their texts may be longer than what is heard.`]
        : []),
      ...(short > 0
        ? [`${count(short)} shorter than ${exact ? seconds : `${SHORTEST} s`} are left out.`]
        : []),
    ],
  };
}

function splitOfClip(file: NamedBlob): SplitName | undefined {
  const folders = pathOf(file).split('/').slice(0, -1);
  return splitOf(file.name) ?? folders.map(splitOfFolder).find((s) => s !== undefined);
}
