/**
 * Checks of JSON from outside, on valibot, with sentences that name the offending field and its value.
 *
 * Why: recipes come from files and links of strangers. Each check is given the words for what must stand there, so
 * that one function makes the sentence; values are quoted short and as JSON, so that nothing odd gets through.
 *
 * Why valibot: 2.3 kB compressed for what is used here (zod/mini 7.8 kB, zod 27.7 kB), and it makes no code from
 * strings, which the content security policy forbids.
 */
import * as v from 'valibot';
import { RecipeError } from './errors.ts';

/** Names of files and groups are shown and compared, never run; control and direction characters would mislead. */
const MISLEADING = /[\p{Cc}\u202a-\u202e\u2066-\u2069]/u;

export const text = (most: number) => {
  const words = `text of 1 to ${most} characters without control characters`;
  return v.pipe(
    v.string(words),
    v.check((s) => s.length >= 1 && s.length <= most && !MISLEADING.test(s), words),
  );
};

export const whole = (least: number, most: number) => {
  const words = `a whole number from ${least} to ${most}`;
  return v.pipe(
    v.number(words),
    v.check((n) => Number.isInteger(n) && n >= least && n <= most, words),
  );
};

/** A number that JSON can hold. */
export const finite = v.pipe(v.number('a number'), v.finite('a number'));

export const oneOf = <const T extends readonly string[]>(names: T) =>
  v.picklist(names, `one of ${names.map((n) => `“${n}”`).join(', ')}`);

export const sha256Text = v.pipe(
  v.string('64 hexadecimal digits'),
  v.regex(/^[0-9a-f]{64}$/, '64 hexadecimal digits'),
);

/** At most `most` of them: a bound on what a stranger can make the page hold. */
export const listOf = <S extends v.GenericSchema>(item: S, least: number, most: number) => {
  const words = `a list of ${least} to ${most}`;
  return v.pipe(
    v.array(item, words),
    v.check((list) => list.length >= least && list.length <= most, words),
  );
};

/**
 * @param what what it is, for the sentence: `recipe`
 * @throws RecipeError for the first field that is not as the schema says
 */
export function checked<S extends v.GenericSchema>(
  schema: S,
  value: unknown,
  what: string,
): v.InferOutput<S> {
  const result = v.safeParse(schema, value, { abortEarly: true });
  if (result.success) return result.output;
  const [issue] = result.issues;
  const field = v.getDotPath(issue) === null ? '' : pathOf(issue.path ?? []);
  if (field === '') throw new RecipeError('', `This is not a ${what}: it must be an object in JSON.`);
  throw new RecipeError(field, `This ${what} cannot be used: ${complaint(field, issue)}.`);
}

function complaint(field: string, issue: v.BaseIssue<unknown>): string {
  if (issue.type === 'strict_object' && issue.expected === 'never') return `“${field}” is not a known field`;
  if (issue.type === 'strict_object' && issue.received === 'undefined') return `“${field}” is missing`;
  const words = issue.message.startsWith('Invalid ') ? 'an object' : issue.message;
  return `“${field}” is ${quoted(issue.input)}, but must be ${words}`;
}

/** `plan.sets[0].layers[2]`. */
function pathOf(path: readonly { readonly key?: unknown }[]): string {
  return path
    .map(({ key }, at) =>
      typeof key === 'number' ? `[${key}]` : `${at > 0 ? '.' : ''}${shortened(String(key))}`,
    )
    .join('');
}

/** A value as short JSON. */
export function quoted(value: unknown): string {
  return shortened(JSON.stringify(value) ?? String(value));
}

function shortened(words: string): string {
  const plain = words.replace(new RegExp(MISLEADING, 'gu'), '�');
  return plain.length > 60 ? `${plain.slice(0, 57)}…` : plain;
}

/** A name from this machine as a recipe can carry it. */
export function carried(name: string, most: number): string {
  return name.replace(new RegExp(MISLEADING, 'gu'), '�').slice(0, most) || '�';
}
