/**
 * Sentences for what the browser itself throws: memory, storage and files. Its own words differ from engine to engine
 * (V8, SpiderMonkey and JavaScriptCore each have theirs) and say nothing of a remedy.
 *
 * Known limits: told by names and words, since an allocation that fails is a RangeError like any other.
 */

/** Of V8, SpiderMonkey, JavaScriptCore, and of Emscripten, in that order. */
const NO_MEMORY = [
  /array buffer allocation failed|invalid (typed )?array (buffer )?length|invalid string length|unable to grow instance memory|could not allocate memory|maximum memory size exceeded|cannot be cloned, out of memory/i,
  /allocation size overflow|out of memory|failed to grow/i,
  /array size is not a small enough positive integer|length out of range of buffer|out of bounds memory growth/i,
  /bad_alloc|cannot enlarge memory|aborted\(oom\)/i,
];

/** True for an allocation that failed, whoever's it was. */
export function isMemoryFailure(message: string): boolean {
  return NO_MEMORY.some((words) => words.test(message));
}

/**
 * What happened and what to do, for an error of the browser.
 * @returns null for any other
 */
export function platformSentence(name: string, message: string): string | null {
  switch (name) {
    case 'QuotaExceededError':
      return 'There is no room left, on the disk or in what the browser lets this page use. Free some space, then try again; what is shown stays.';
    case 'NotReadableError':
      return 'The file could not be read: it was moved or changed on disk after it was dropped, or memory is too short to read it. Drop it again, and close other tabs if that does not help.';
    case 'NotAllowedError':
    case 'NoModificationAllowedError':
      return 'The browser did not let the page write there. Choose another place, or answer yes where it asks.';
    default:
      return isMemoryFailure(message)
        ? 'There was not enough memory for this step; what is shown stays. Close other tabs, use less calibration data, or a smaller model.'
        : null;
  }
}
