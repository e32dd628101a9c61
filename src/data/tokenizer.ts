/**
 * Text to token ids and back, by the model's own tokenizer.json.
 *
 * No special token is added: the metrics of the method are on plain text, and generation begins as they do.
 *
 * Known limits: a text is encoded in one go; some hundred megabytes are too much.
 */
import { DataError } from './errors.ts';
import type { NamedBlob } from './files.ts';

export interface TextCodec {
  /** @param what for the sentence of an error: “report.txt”, The prompt */
  encode(text: string, what: string): Int32Array;
  decode(ids: ArrayLike<number>): string;
}

/**
 * @param vocabulary size of the model's token table, where known: larger ids are refused
 * @throws DataError for a file that cannot be read as a tokenizer
 */
export async function loadTokenizer(file: NamedBlob, vocabulary: number | undefined): Promise<TextCodec> {
  const tokenizer = await readTokenizer(file);
  return {
    encode(text, what) {
      let ids: readonly (number | undefined)[];
      let tokens: readonly string[];
      try {
        ({ ids, tokens } = tokenizer.encode(text, { add_special_tokens: false }));
      } catch (error) {
        throw new DataError(
          `${what} could not be encoded with this tokenizer: ${messageOf(error)}. Check that tokenizer.json belongs to the model.`,
        );
      }
      const bad = ids.findIndex((id) => id === undefined || (vocabulary !== undefined && id >= vocabulary));
      if (bad >= 0) throw new DataError(refusal(what, bad, tokens[bad], ids[bad], vocabulary));
      return Int32Array.from(ids as readonly number[]);
    },
    decode(ids) {
      if (ids.length === 0) return '';
      return tokenizer.decode(Array.from(ids), {
        skip_special_tokens: false,
        clean_up_tokenization_spaces: false,
      });
    },
  };
}

async function readTokenizer(file: NamedBlob) {
  try {
    const { Tokenizer } = await import('@huggingface/tokenizers');
    return new Tokenizer(JSON.parse(await file.text()), {});
  } catch (error) {
    throw new DataError(
      `“${file.name}” could not be read as a tokenizer: ${messageOf(error)}. Drop the tokenizer.json that was saved with the model.`,
    );
  }
}

function refusal(
  what: string,
  position: number,
  token: string,
  id: number | undefined,
  vocabulary: number | undefined,
): string {
  return id === undefined
    ? `${what} has “${token}” at position ${position}, which this tokenizer does not know. Leave it out, or drop the tokenizer.json that belongs to this model.`
    : `${what} has a token of id ${id} at position ${position}, but the model's table has ${vocabulary} tokens. Drop the tokenizer.json that belongs to this model.`;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
