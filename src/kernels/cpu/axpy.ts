/**
 * Twin of shaders/axpy.wgsl: y = alpha·x + beta·y, f64 rounded once. With beta = 0, y is not read.
 */
export function axpy(x: Float32Array, y: Float32Array, alpha: number, beta: number): void {
  if (beta === 0) for (let k = 0; k < y.length; k++) y[k] = alpha * x[k];
  else for (let k = 0; k < y.length; k++) y[k] = alpha * x[k] + beta * y[k];
}
