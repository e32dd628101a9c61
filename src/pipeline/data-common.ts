/** What every kind of data shares on its way to a dataset: what is missing, which inputs are filled by what. */
import { type Json, positionsOf, readConfig } from '../data/config.ts';
import type { Dataset } from '../data/dataset.ts';
import { DataError } from '../data/errors.ts';
import { type Extras, readExtras } from '../data/extras.ts';
import { type FeedPlan, planFeeds, type Source, type TensorInput } from '../data/feeds.ts';
import { type NamedBlob, SPLITS } from '../data/files.ts';
import { fileNameOf, placeOf } from '../data/tensors.ts';
import { DataType, dataTypeName } from '../tensor/dtype.ts';
import { formatShape } from '../tensor/shape.ts';
import type { OpenedModel } from './opened.ts';
import type { DataState, Metric, Need, Task } from './types.ts';

/** Files that belong to the open model, gathered over several drops. */
export interface DataFiles {
  readonly config?: NamedBlob;
  readonly tokenizer?: NamedBlob;
  readonly preprocessor?: NamedBlob;
  readonly generation?: NamedBlob;
  readonly texts: readonly NamedBlob[];
  readonly images: readonly NamedBlob[];
  readonly labels: readonly NamedBlob[];
  readonly audios: readonly NamedBlob[];
  readonly archives: readonly NamedBlob[];
}

export interface DataStage extends DataState {
  readonly dataset: Dataset | null;
}

export function missing(...needs: readonly Need[]): DataStage {
  return { data: null, needs, dataset: null };
}

/** @param metrics what can be measured, the default first */
export function ready(dataset: Dataset, task: Task, metrics: readonly [Metric, ...Metric[]]): DataStage {
  return {
    data: {
      kind: dataset.kind,
      task,
      splits: SPLITS.map((name) => ({
        name,
        unit: dataset.unit,
        ...dataset.size(name),
        ...(dataset.scoredUnit && { scoredUnit: dataset.scoredUnit }),
      })),
      rule: dataset.rule,
      ...(dataset.contextLength !== undefined && { contextLength: dataset.contextLength }),
      ...(dataset.contextSource !== undefined && { contextSource: dataset.contextSource }),
      metric: metrics[0],
      metrics,
      notes: dataset.notes,
    },
    needs: [],
    dataset,
  };
}

export function inputsOf({ inputs }: OpenedModel): TensorInput[] {
  return inputs.map((v) => ({
    name: v.name,
    elemType: v.elemType ?? DataType.float,
    ...(v.dims && { dims: v.dims }),
  }));
}

/** Arrays by name. */
export function arraysOf({ images, labels }: DataFiles): NamedBlob[] {
  return [...images, ...labels].filter((f) => /\.npy$/i.test(f.name));
}

/** Files but those that are for one of the inputs by name. */
export function filesBut(files: readonly NamedBlob[], inputs: readonly TensorInput[]): NamedBlob[] {
  return files.filter((file) => placeOf(file.name, inputs) === undefined);
}

export interface Filling {
  readonly plan: FeedPlan;
  readonly extras: Extras;
  /** What must be dropped before the inputs can be filled. */
  readonly needs: readonly Need[];
  readonly config: Json;
}

/**
 * What fills the model's inputs: the data, or arrays given beside it.
 * @param besides what the data is, for the sentence: “text”, “images”
 */
export async function fillInputs(
  opened: OpenedModel,
  files: DataFiles,
  sources: readonly Source[],
  besides: string,
): Promise<Filling> {
  const config = await readConfig(files.config);
  const plan = planFeeds(inputsOf(opened), sources, config);
  const { extras, missing: absent } = await readExtras(arraysOf(files), [...plan.foreign, ...plan.unsized]);
  const unsized = plan.unsized.filter((input) => absent.includes(input));
  const foreign = plan.foreign.filter((input) => absent.includes(input));
  const needs: Need[] = [];
  if (unsized.length > 0) {
    needs.push({
      what: 'config',
      sentence: `The graph does not say how many heads, and how wide, the cache of keys and values has (${listInputs(unsized)}). Drop the config.json that was saved with the model.`,
    });
  }
  if (foreign.length > 0) needs.push({ what: 'model', sentence: foreignSentence(foreign, besides) });
  return { plan, extras, needs, config };
}

function foreignSentence(foreign: readonly TensorInput[], besides: string): string {
  const many = foreign.length > 1;
  const names = foreign.slice(0, 3).map((input) => `${fileNameOf(input.name)}.npy`);
  return `Besides ${besides}, this model asks for ${foreign.length} input${many ? 's' : ''} that ${many ? 'are' : 'is'} not understood: ${listInputs(foreign)}. Give ${many ? 'them as arrays by their names' : 'it as an array by its name'} (${names.join(', ')}${foreign.length > 3 ? ', …' : ''}), with one row for all items or one an item.`;
}

/** Names, types and shapes; four of them at most. */
function listInputs(inputs: readonly TensorInput[]): string {
  const listed = inputs
    .slice(0, 4)
    .map(
      (i) =>
        `${i.name} (${dataTypeName(i.elemType) ?? `type ${i.elemType}`}, ${i.dims ? formatShape(i.dims) : 'any shape'})`,
    );
  return `${listed.join(', ')}${inputs.length > 4 ? ', …' : ''}`;
}

/** Longest chunk that is chosen without being asked for: a batch of activations must fit in memory. */
const LONGEST_CHUNK = 1024;

/**
 * Tokens a chunk: a fixed input length, else what was asked for, else config.json, else the position table.
 * @param otherwise taken where nothing says it
 */
export async function contextLength(
  opened: OpenedModel,
  files: DataFiles,
  asked: number | undefined,
  otherwise?: number,
): Promise<{ length: number; source: string } | undefined> {
  const fixed = opened.inputs.find((v) => v.name === 'input_ids')?.dims?.[1];
  if (typeof fixed === 'number') return { length: fixed, source: `The model takes exactly ${fixed} tokens.` };
  const told = positionsOf(await readConfig(files.config));
  const most = told ?? fromTable(opened.positions);
  if (asked !== undefined) {
    if (!Number.isInteger(asked) || asked < 2) {
      throw new DataError(`A context length of ${asked} is not possible: give a whole number of at least 2.`);
    }
    if (most !== undefined && asked > most) {
      throw new DataError(
        `A context length of ${asked} is longer than the ${most} positions that the model knows.`,
      );
    }
    return { length: asked, source: 'As you asked.' };
  }
  if (most === undefined) {
    return otherwise === undefined
      ? undefined
      : {
          length: otherwise,
          source: `Neither config.json nor the graph says how long: ${otherwise} is taken.`,
        };
  }
  const origin = told !== undefined ? 'config.json' : 'the position table in the graph';
  if (most > LONGEST_CHUNK) {
    return {
      length: LONGEST_CHUNK,
      source: `${origin} allows ${most} tokens; chunks of ${LONGEST_CHUNK} keep memory in bounds.`,
    };
  }
  return { length: most, source: `From ${origin}.` };
}

/** Tables of some families (RoBERTa, OPT) have two rows more than positions: 514 for 512. */
function fromTable(rows: number | undefined): number | undefined {
  return rows !== undefined && rows > 66 && (rows - 2) % 64 === 0 ? rows - 2 : rows;
}
