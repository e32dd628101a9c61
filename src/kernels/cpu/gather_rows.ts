/**
 * Twin of shaders/gather_rows.wgsl: out[i, :] = x[indices[i], :].
 */
export function gatherRows(out: Float32Array, x: Float32Array, cols: number, indices: Uint32Array): void {
  indices.forEach((from, to) => {
    out.set(x.subarray(from * cols, (from + 1) * cols), to * cols);
  });
}
