/** Data that cannot be used. The message is a sentence for the page: what was wrong and what to do. */
export class DataError extends Error {
  override readonly name = 'DataError';
}
