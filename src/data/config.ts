/**
 * What config.json and generation_config.json say of a model: lengths, sizes of caches, where a decoder begins.
 *
 * Families name the same thing differently; the names are those of Hugging Face's configuration classes. A composite
 * model keeps them in `text_config` or `decoder`, which is looked into where the top has none.
 */
import { DataError } from './errors.ts';
import type { NamedBlob } from './files.ts';

export type Json = Readonly<Record<string, unknown>>;

/** @throws DataError for what is not JSON; an empty object where there is no file */
export async function readConfig(file: NamedBlob | undefined): Promise<Json> {
  if (!file) return {};
  try {
    const json: unknown = JSON.parse(await file.text());
    if (typeof json === 'object' && json !== null) return json as Json;
  } catch {
    // As below.
  }
  throw new DataError(
    `“${file.name}” is not valid JSON. Drop the ${file.name} that was saved with the model.`,
  );
}

/** The first of the keys that holds a whole number of at least `least`, at the top or in the part for text. */
export function wholeOf(json: Json, keys: readonly string[], least = 1): number | undefined {
  for (const part of [json, json.text_config, json.decoder]) {
    if (typeof part !== 'object' || part === null) continue;
    for (const key of keys) {
      const value = (part as Json)[key];
      if (typeof value === 'number' && Number.isInteger(value) && value >= least) return value;
    }
  }
  return undefined;
}

/** One whole number or a list of them. */
export function listOf(json: Json, key: string): number[] {
  const value = json[key];
  return (Array.isArray(value) ? value : [value]).filter((v): v is number => Number.isInteger(v));
}

export function architecturesOf({ architectures }: Json): readonly string[] {
  return Array.isArray(architectures) ? architectures.filter((a) => typeof a === 'string') : [];
}

/** Families whose position table begins after the padding token, so that it is longer than what can be fed. */
const OFFSET = /^(xlm-|xlm_)?roberta|^camembert|^longformer|^mpnet|^data2vec-text/;

/** Positions that can be fed. */
export function positionsOf(json: Json): number | undefined {
  const most = wholeOf(
    json,
    ['n_positions', 'max_position_embeddings', 'n_ctx', 'max_seq_len', 'max_target_positions'],
    2,
  );
  if (most === undefined || !OFFSET.test(String(json.model_type ?? ''))) return most;
  return most - (wholeOf(json, ['pad_token_id'], 0) ?? 1) - 1;
}

export interface CacheSizes {
  readonly heads?: number;
  readonly headDim?: number;
}

/** Heads of keys and values, and their width. */
export function cacheSizes(json: Json): CacheSizes {
  const heads = wholeOf(json, [
    'num_attention_heads',
    'n_head',
    'decoder_attention_heads',
    'num_heads',
    'n_heads',
  ]);
  const width = wholeOf(json, ['hidden_size', 'n_embd', 'd_model', 'dim']);
  const perHead = heads !== undefined && width !== undefined ? Math.floor(width / heads) : undefined;
  const shared = json.multi_query === true ? 1 : undefined;
  const kept = wholeOf(json, ['num_key_value_heads', 'num_kv_heads', 'n_head_kv']) ?? shared ?? heads;
  const headDim = wholeOf(json, ['head_dim', 'd_kv', 'kv_channels']) ?? perHead;
  return { ...(kept !== undefined && { heads: kept }), ...(headDim !== undefined && { headDim }) };
}
