/** Writes safetensors files for tests, byte by byte from the format's description; shares nothing with `src/checkpoint`. */

export interface TensorSpec {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
}

export interface NamedFile extends Blob {
  readonly name: string;
}

/** A Blob with a name, as `File` is in a browser. */
export function named(name: string, content: BlobPart): NamedFile {
  return Object.assign(new Blob([content]), { name });
}

/** Any header (as given, or as JSON of what is given), then the bytes. */
export function withHeader(header: unknown, data: Uint8Array = new Uint8Array()): Uint8Array<ArrayBuffer> {
  const text = new TextEncoder().encode(typeof header === 'string' ? header : JSON.stringify(header));
  const out = new Uint8Array(8 + text.length + data.length);
  new DataView(out.buffer).setUint32(0, text.length, true);
  out.set(text, 8);
  out.set(data, 8 + text.length);
  return out;
}

/** A file of tensors, their bytes in the order given; `spaces` are added after the JSON, as padding. */
export function buildSafetensors(
  tensors: Readonly<Record<string, TensorSpec>>,
  metadata?: Readonly<Record<string, string>>,
  spaces = 0,
): Uint8Array<ArrayBuffer> {
  let at = 0;
  const entries: string[] = metadata ? [`"__metadata__":${JSON.stringify(metadata)}`] : [];
  for (const [name, { dtype, shape, bytes }] of Object.entries(tensors)) {
    const place = [at, at + bytes.length];
    entries.push(`${JSON.stringify(name)}:{"dtype":"${dtype}","shape":[${shape}],"data_offsets":[${place}]}`);
    at += bytes.length;
  }
  const data = new Uint8Array(at);
  at = 0;
  for (const { bytes } of Object.values(tensors)) {
    data.set(bytes, at);
    at += bytes.length;
  }
  return withHeader(`{${entries.join(',')}}${' '.repeat(spaces)}`, data);
}

/** An f32 tensor. */
export function f32(shape: readonly number[], values: ArrayLike<number>): TensorSpec {
  return { dtype: 'F32', shape, bytes: new Uint8Array(Float32Array.from(values).buffer) };
}
