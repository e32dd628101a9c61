/** A text model opened with the beginnings of its texts, so that recovery takes seconds. */
import type { NamedBlob } from '../data/files.ts';
import type { Studio } from '../pipeline/studio.ts';
import type { TuneTools } from '../pipeline/tune-run.ts';
import { createStudio, namedFile } from './studio-in-node.ts';

export interface ShortOptions {
  /** In the place of the report split. */
  readonly report?: string;
  readonly tuning?: Partial<TuneTools>;
}

export async function openShort(
  folder: string,
  { report, tuning }: ShortOptions = {},
): Promise<{ studio: Studio; groupId: string }> {
  const names = ['model.onnx', 'config.json', 'tokenizer.json'];
  const files = await Promise.all(names.map((f) => namedFile(`${folder}/${f}`)));
  for (const [split, characters] of [
    ['calibrate', 1024],
    ['select', 512],
    ['report', 512],
  ] as const) {
    const whole = await (await namedFile(`${folder}/${split}.txt`)).text();
    const text = split === 'report' && report !== undefined ? report : whole.slice(0, characters);
    files.push(Object.assign(new Blob([text]), { name: `${split}.txt` }) as NamedBlob);
  }
  const studio = await createStudio(tuning);
  const { model } = await studio.open(files);
  return { studio, groupId: model.groups[0].id };
}
