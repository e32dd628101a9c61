/**
 * A name for contents: SHA-256 of bytes and settings, so that results can be cached by what they were made from.
 *
 * The bytes are hashed in blocks of 4 MB, then the digests of the blocks together with the settings: web crypto has
 * no streaming hash, and the data must not be copied whole.
 *
 * Known limits: web crypto is there only on https and localhost; elsewhere each name is random, so that nothing is
 * ever reused rather than wrongly reused.
 */
const BLOCK_BYTES = 1 << 22;

/**
 * @param parts hashed one after the other; where one ends and the next begins must be told by the settings
 * @param settings anything that JSON can write
 * @returns 64 hexadecimal digits
 */
export async function digestOf(parts: Iterable<ArrayBufferView>, settings: unknown): Promise<string> {
  const subtle = globalThis.crypto.subtle as SubtleCrypto | undefined;
  if (!subtle) return hex(globalThis.crypto.getRandomValues(new Uint8Array(32)));
  const sha256 = async (bytes: Uint8Array<ArrayBuffer>) =>
    new Uint8Array(await subtle.digest('SHA-256', bytes));
  const digests: number[] = [];
  const block = new Uint8Array(BLOCK_BYTES);
  let used = 0;
  for (const part of parts) {
    const bytes = new Uint8Array(part.buffer, part.byteOffset, part.byteLength);
    for (let at = 0; at < bytes.length; ) {
      const taken = bytes.subarray(at, at + BLOCK_BYTES - used);
      block.set(taken, used);
      used += taken.length;
      at += taken.length;
      if (used < BLOCK_BYTES) continue;
      digests.push(...(await sha256(block)));
      used = 0;
    }
  }
  digests.push(...(await sha256(block.slice(0, used))));
  return hex(
    await sha256(Uint8Array.from([...digests, ...new TextEncoder().encode(JSON.stringify(settings))])),
  );
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (b) => b.toString(16).padStart(2, '0')).join('');
}
