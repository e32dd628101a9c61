/**
 * A matrix in a GPU buffer: owned, or adopted from somebody else (then never destroyed here).
 */
import type { Matrix } from '../backend.ts';

export class GpuMatrix implements Matrix {
  readonly rows: number;
  readonly cols: number;
  readonly owned: boolean;
  private buffer: GPUBuffer | null;

  constructor(buffer: GPUBuffer, rows: number, cols: number, owned: boolean) {
    this.buffer = buffer;
    this.rows = rows;
    this.cols = cols;
    this.owned = owned;
  }

  /** @throws Error after release. */
  get data(): GPUBuffer {
    if (this.buffer === null) throw new Error('This matrix was released.');
    return this.buffer;
  }

  /** Lets go of the buffer. @returns the buffer to destroy, if it is ours and was not released before. */
  detach(): GPUBuffer | null {
    const { buffer } = this;
    this.buffer = null;
    return this.owned ? buffer : null;
  }
}
