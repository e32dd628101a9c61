/** A recipe, link or saved session that cannot be used; `message` is a sentence for the page. */
export class RecipeError extends Error {
  override readonly name = 'RecipeError';
  /** The offending field as it stands in the JSON, e.g. `plan.sets[0].layers[2]`; empty for the whole. */
  readonly field: string;

  constructor(field: string, message: string) {
    super(message);
    this.field = field;
  }
}
