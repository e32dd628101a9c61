/**
 * Text to token ids and back, by the model's own tokenizer.json.
 *
 * Causal models get no special token: the metrics of the method are on plain text, and generation begins as they do.
 * Encoders get those of the tokenizer's post-processor, which stand around a text and are found by encoding a letter.
 *
 * Long texts are encoded piece by piece (pieces.ts), with time for other things between the pieces.
 */
import { DataError } from './errors.ts';
import type { NamedBlob } from './files.ts';
import { cutPieces } from './pieces.ts';

export interface TextCodec {
  /** @param what for the sentence of an error: “report.txt”, The prompt */
  encode(text: string, what: string): Int32Array;
  /** The same for a text of any length; a piece's length is for tests. */
  encodeLong(text: string, what: string, pieceLength?: number): Promise<Int32Array>;
  decode(ids: ArrayLike<number>): string;
  /** What the post-processor puts before and after one text. */
  readonly around: { readonly before: readonly number[]; readonly after: readonly number[] };
  /** The token that stands for a hidden one, where there is one. */
  readonly mask?: number;
  /** The id of a token as it is spelled; undefined where the tokenizer has none. */
  idOf(token: string): number | undefined;
}

/**
 * @param vocabulary size of the model's token table, where known: larger ids are refused
 * @throws DataError for a file that cannot be read as a tokenizer
 */
export async function loadTokenizer(file: NamedBlob, vocabulary: number | undefined): Promise<TextCodec> {
  const tokenizer = await readTokenizer(file);
  /** @param before tokens of the pieces before this one, for the position in a sentence */
  const encode = (text: string, what: string, before = 0): Int32Array => {
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
    if (bad >= 0) throw new DataError(refusal(what, before + bad, tokens[bad], ids[bad], vocabulary));
    return Int32Array.from(ids as readonly number[]);
  };
  const mask = maskOf([...tokenizer.get_added_tokens_decoder().entries()]);
  return {
    around: aroundOf((special) => tokenizer.encode('a', { add_special_tokens: special }).ids),
    ...(mask !== undefined && { mask }),
    idOf: (token) => tokenizer.token_to_id(token),
    encode: (text, what) => encode(text, what),
    async encodeLong(text, what, pieceLength) {
      const parts: Int32Array[] = [];
      let count = 0;
      for (const piece of cutPieces(text, pieceLength)) {
        // A turn of the event loop: a cancelled or newer request gets through.
        if (parts.length > 0) await new Promise((resolve) => setTimeout(resolve));
        const ids = encode(piece, what, count);
        parts.push(ids);
        count += ids.length;
      }
      if (parts.length === 1) return parts[0];
      const all = new Int32Array(count);
      let at = 0;
      for (const part of parts) {
        all.set(part, at);
        at += part.length;
      }
      return all;
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

function aroundOf(encode: (special: boolean) => readonly number[]): TextCodec['around'] {
  try {
    const [plain, whole] = [encode(false), encode(true)];
    const extra = whole.length - plain.length;
    for (let at = 0; at <= extra; at++) {
      if (plain.every((id, k) => whole[at + k] === id))
        return { before: whole.slice(0, at), after: whole.slice(at + plain.length) };
    }
  } catch {
    // A tokenizer that does not know the letter adds nothing that could be told.
  }
  return { before: [], after: [] };
}

/** The mask among the added tokens: [MASK], <mask>, <|mask|>. */
function maskOf(added: readonly (readonly [number, { readonly content: string }])[]): number | undefined {
  return added.find(([, { content }]) => /^[[<]\|?mask\|?[\]>]$/i.test(content))?.[0];
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
