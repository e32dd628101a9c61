/**
 * How much a file may ask for before it is refused.
 *
 * Why: the reader keeps the structure of a model in memory, so a hostile or damaged file could blow up memory or
 * time with structure alone. The largest fixture graph (2,561 nodes) takes 53,000 elements, so that graphs some 70
 * times larger still open; weights do not count.
 */

/** Units of parsed structure (a message costs several, a dimension one); bounds memory to some 300 MB. */
export const MAX_ELEMENTS = 4_000_000;
/** Protobuf fields looked at, unknown ones included; bounds time to seconds. */
export const MAX_FIELDS = 64_000_000;
/** Bytes of one name or other text. */
export const MAX_TEXT = 1 << 20;
/** Bytes of all text together. */
export const MAX_ALL_TEXT = 64 << 20;
/** Graphs inside the attributes of nodes inside graphs. */
export const MAX_DEPTH = 32;
/** Most axes of a tensor or value. */
export const MAX_RANK = 1024;

/** Window of the file that is read after a jump; it doubles while reading goes on in sequence. */
export const FIRST_WINDOW = 32 << 10;
export const LAST_WINDOW = 1 << 20;
