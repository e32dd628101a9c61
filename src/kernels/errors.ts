/**
 * What can go wrong on a device, as types, so that a caller can react (rebuild, fall back to the CPU, advise).
 */

/** A GPU operation failed: validation, out of memory, an internal error, a shader that does not compile. */
export class GpuError extends Error {
  override readonly name: string = 'GpuError';
}

/** An allocation on the GPU that failed. @param message the browser's own words */
export function gpuOutOfMemory(message: string): GpuError {
  return new GpuError(
    `The GPU is out of memory${message ? ` (${message.replace(/\.$/, '')})` : ''}; what is shown stays. Close other tabs and programs that use it, ` +
      'pick a smaller group or window, or add ?gpu=off to the address to run on the CPU.',
  );
}

/** The device is gone. Nothing on it can be read any more; rebuild the backend from what the CPU side holds. */
export class GpuLostError extends GpuError {
  override readonly name = 'GpuLostError';
  /** WebGPU's reason: `destroyed` where our own side ended it, else `unknown`. */
  readonly reason: string;

  constructor(reason: string, message: string) {
    super(
      `The GPU stopped${reason !== 'destroyed' && message ? ` (${message.replace(/\.$/, '')})` : ''}, and what was on it is gone; ` +
        'the results shown are not. Open the model again to go on. Should it happen again, add ?gpu=off to the address to run on the CPU.',
    );
    this.reason = reason;
  }
}

/** A matrix is larger than the device allows. The sentence quotes the limit, the need and the remedy. */
export class GpuLimitError extends GpuError {
  override readonly name = 'GpuLimitError';
  readonly limit: string;
  readonly allowed: number;
  readonly needed: number;

  constructor(limit: string, allowed: number, needed: number, what: string) {
    super(
      `${what} needs ${needed.toLocaleString('en')} (${limit}), but this GPU allows ${allowed.toLocaleString('en')}. ` +
        'Run on the CPU, or pick a smaller group or window.',
    );
    this.limit = limit;
    this.allowed = allowed;
    this.needed = needed;
  }
}
