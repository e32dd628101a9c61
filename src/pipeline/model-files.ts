/**
 * Which of the model files that were dropped together is what: one model, an encoder and its decoder, a decoder's
 * second file; and the files that their weights are in.
 *
 * Why: exporters write an encoder–decoder model in two to four files, and weights in files of their own, and a
 * browser cannot open siblings by itself: what is missing is named with the sentence that asks for it.
 *
 * Known limits: files are told apart by their names and inputs; of several copies of one model
 * (other precisions) one was chosen before (model-variants.ts).
 */
import { DataError } from '../data/errors.ts';
import { type NamedBlob, pathOf } from '../data/files.ts';
import type { Part, PartRole } from '../flatten/types.ts';
import { openOnnx } from '../onnx/reader.ts';
import { externalLocations } from '../onnx/save.ts';
import type { OnnxModel } from '../onnx/types.ts';
import { listed } from './model-variants.ts';

/** A part with the files of its external data. */
export interface ModelFile extends Part {
  /** By location in the model. */
  readonly externals: ReadonlyMap<string, NamedBlob>;
}

export interface ModelFiles {
  /** Encoder first; what is measured. */
  readonly main: readonly ModelFile[];
  /** The decoder's weights again, in other files. */
  readonly twins: readonly ModelFile[];
}

/** What a decoder reads that an encoder gives. */
export const FROM_ENCODER = ['encoder_hidden_states', 'encoder_outputs'];

/**
 * Opens all model files and sorts them.
 * @param all everything that was dropped, to find external data in
 * @throws DataError where they do not belong together, or data files are missing; OnnxError where one cannot be read
 */
export async function openModelFiles(
  models: readonly NamedBlob[],
  all: readonly NamedBlob[],
): Promise<ModelFiles> {
  const opened: ModelFile[] = [];
  for (const file of models) opened.push(await openModelFile(file, all));
  const missing = opened.flatMap(({ fileName, model, externals }) =>
    externalLocations(model)
      .filter((l) => !externals.has(l))
      .map((location) => ({ fileName, location })),
  );
  if (missing.length > 0) throw new DataError(missingSentence(missing));
  return sorted(opened);
}

async function openModelFile(file: NamedBlob, all: readonly NamedBlob[]): Promise<ModelFile> {
  const externals = new Map<string, NamedBlob>();
  const model = await openOnnx(file, (location) => externals.get(location));
  for (const location of externalLocations(model)) {
    const found = findExternal(location, file, all);
    if (found) externals.set(location, found);
  }
  return { role: roleOf(file.name, model), fileName: file.name, model, externals };
}

/** The file at a location beside the model; where folders are not known, the one of that name. */
function findExternal(location: string, beside: NamedBlob, all: readonly NamedBlob[]): NamedBlob | undefined {
  const folder = pathOf(beside).split('/').slice(0, -1);
  const wanted = [...folder, ...location.split('/').filter((p) => p !== '' && p !== '.')].join('/');
  const exact = all.find((f) => pathOf(f) === wanted);
  const name = location.split('/').at(-1);
  const named = all.filter((f) => f.name === name);
  return exact ?? (named.length === 1 ? named[0] : undefined);
}

function missingSentence(missing: readonly { fileName: string; location: string }[]): string {
  const names = [...new Set(missing.map((m) => `“${m.location}”`))];
  const listed =
    names.length > 4
      ? `${names.slice(0, 4).join(', ')} and ${names.length - 4} more files`
      : names.join(', ');
  const models = [...new Set(missing.map((m) => `“${m.fileName}”`))].join(' and ');
  return `The weights of ${models} are in ${listed}, which ${names.length > 1 ? 'were' : 'was'} not dropped with it. Drop the files together, or their folder.`;
}

function roleOf(fileName: string, model: OnnxModel): PartRole {
  const name = fileName.toLowerCase();
  if (name.includes('decoder')) return name.includes('with_past') ? 'decoder-with-past' : 'decoder';
  if (name.includes('encoder')) return 'encoder';
  return model.graph.inputs.some((v) => FROM_ENCODER.includes(v.name)) ? 'decoder' : 'model';
}

/** A decoder that also runs with a cache by an input that chooses the branch. */
export function isMergedDecoder(model: OnnxModel): boolean {
  return model.graph.inputs.some((v) => v.name === 'use_cache_branch');
}

function sorted(opened: readonly ModelFile[]): ModelFiles {
  const of = (role: PartRole) => opened.filter((p) => p.role === role);
  const [models, encoders, pasts] = [of('model'), of('encoder'), of('decoder-with-past')];
  // Where there are several decoders, the plain one is measured.
  const decoders = of('decoder').sort(
    (a, b) => Number(isMergedDecoder(a.model)) - Number(isMergedDecoder(b.model)),
  );
  if (models.length === 1 && opened.length === 1) return { main: models, twins: [] };
  const tooMany =
    models.length > 0 ? opened : encoders.length > 1 ? encoders : decoders.length > 2 ? decoders : [];
  if (tooMany.length > 0) {
    const names = listed(tooMany.map((m) => `“${m.fileName}”`));
    throw new DataError(
      `${names} were dropped together, but one model is opened at a time. Drop one of them, or an encoder with its decoder.`,
    );
  }
  const [decoder, ...others] = decoders.length > 0 ? decoders : pasts;
  if (decoder && encoders.length === 1) checkWidths(encoders[0], decoder);
  const twins = [...others, ...(decoders.length > 0 ? pasts : pasts.slice(1))];
  return { main: [...encoders, ...(decoder ? [decoder] : [])], twins };
}

/** @throws DataError where an encoder's vectors are not as wide as those that a decoder reads: files of two models */
function checkWidths(encoder: ModelFile, decoder: ModelFile): void {
  const gives = encoder.model.graph.outputs[0]?.dims?.at(-1);
  const reads = decoder.model.graph.inputs.find((v) => FROM_ENCODER.includes(v.name))?.dims?.at(-1);
  if (typeof gives !== 'number' || typeof reads !== 'number' || gives === reads) return;
  throw new DataError(
    `“${encoder.fileName}” gives vectors of ${gives} numbers and “${decoder.fileName}” reads vectors of ${reads}, so they are of two models. Drop the encoder and the decoder of one model.`,
  );
}
