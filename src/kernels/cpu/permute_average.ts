/**
 * Twin of shaders/permute_average.wgsl: out[u, :] = meanₖ inₖ[permₖ[u], :] (axis 0), or the same of columns
 * (axis 1), for K matrices [rows × cols]. Sums in f64, so that averaging equal matrices changes no bit.
 */
export function permuteAverage(
  out: Float32Array,
  inputs: readonly Float32Array[],
  permutations: readonly (Uint32Array | null)[],
  rows: number,
  cols: number,
  axis: 0 | 1,
): void {
  const row = new Float64Array(cols);
  for (let u = 0; u < rows; u++) {
    row.fill(0);
    inputs.forEach((input, k) => {
      const indices = permutations[k];
      const base = (axis === 0 && indices !== null ? indices[u] : u) * cols;
      if (axis === 1 && indices !== null) for (let c = 0; c < cols; c++) row[c] += input[base + indices[c]];
      else for (let c = 0; c < cols; c++) row[c] += input[base + c];
    });
    for (let c = 0; c < cols; c++) out[u * cols + c] = row[c] / inputs.length;
  }
}
