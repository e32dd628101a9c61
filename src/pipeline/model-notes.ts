/** What a person should know of an opened model beyond its numbers, in sentences. */
import type { FlatModel, StoredTensor } from '../flatten/types.ts';
import { storedTensors } from '../graph/ffn.ts';
import { labelOf } from '../quantize/scheme.ts';
import { dataTypeName } from '../tensor/dtype.ts';
import { elementCount } from '../tensor/shape.ts';
import type { OpenedModel } from './opened.ts';

export function modelNotes(
  {
    search,
    views,
    files,
    mainFiles,
    missing,
  }: Pick<OpenedModel, 'search' | 'views' | 'files' | 'mainFiles' | 'missing'>,
  flat: FlatModel,
  widened: boolean,
): string[] {
  const notes: string[] = [];
  if (search.groups.length === 0 && search.refusals.length === 0) {
    notes.push('No FFN was found in this graph: no linear map leads through an activation to another one.');
  }
  if (missing !== undefined) notes.push(missing);
  if (widened) notes.push(widenedNote(search, flat));
  if (mainFiles.length === 1 && mainFiles[0].role === 'encoder') {
    notes.push(`“${mainFiles[0].fileName}” is an encoder; drop its decoder with it to merge both.`);
  }
  const along = files.filter((f) => !mainFiles.includes(f)).map((f) => `“${f.fileName}”`);
  if (along.length > 0)
    notes.push(
      `${along.join(' and ')} hold${along.length > 1 ? '' : 's'} the decoder again and will be merged alike.`,
    );
  if (views.length > 1 && along.length === 0) {
    notes.push('The decoder is measured without a cache; its branch with a cache is merged alike.');
  }
  return notes;
}

function widenedNote(search: OpenedModel['search'], flat: FlatModel): string {
  const tensors = new Set(search.groups.flatMap((g) => g.ffns.flatMap((f) => [...storedTensors(f)])));
  const types = new Set<string>();
  let elements = 0;
  for (const tensor of tensors) {
    elements += elementCount(tensor.dims);
    const stored = flat.storedAs(tensor);
    if (stored && tensor.dims.length > 1) types.add(nameOf(stored));
  }
  const megabytes = Math.max(1, Math.round((4 * elements) / 1e6));
  const kept = [...types].join(' and ') || 'fewer bits';
  return `Weights are kept in ${kept}. They are measured and merged in float, which takes ${megabytes} MB of memory for the FFNs, and are written back in ${kept}.`;
}

function nameOf({ tensor, packing }: StoredTensor): string {
  return packing ? labelOf(packing.scheme) : (dataTypeName(tensor.dataType) ?? 'another type');
}
