/**
 * Twin of shaders/column_affine.wgsl: out[t, c] = x[t, c]·scale[c] + shift[c], f64 rounded once. out may be x.
 */
export function columnAffine(
  out: Float32Array,
  x: Float32Array,
  cols: number,
  scale: Float32Array | null,
  shift: Float32Array | null,
): void {
  if (scale !== null && shift !== null) {
    for (let base = 0; base < x.length; base += cols) {
      for (let c = 0; c < cols; c++) out[base + c] = x[base + c] * scale[c] + shift[c];
    }
  } else if (scale !== null) {
    for (let base = 0; base < x.length; base += cols) {
      for (let c = 0; c < cols; c++) out[base + c] = x[base + c] * scale[c];
    }
  } else if (shift !== null) {
    for (let base = 0; base < x.length; base += cols) {
      for (let c = 0; c < cols; c++) out[base + c] = x[base + c] + shift[c];
    }
  } else if (out !== x) {
    out.set(x);
  }
}
