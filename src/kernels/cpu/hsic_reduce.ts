/**
 * Twin of shaders/hsic_reduce.wgsl: sums [N × N] += ⟨Ũᵢ, Ũⱼ⟩ / (m(m−3)) over a stack of N U-centred Grams
 * [m × m], all pairs. f64.
 */
export function addHsicPairs(sums: Float64Array, stack: readonly Float64Array[], m: number): void {
  const count = stack.length;
  for (let i = 0; i < count; i++) {
    for (let j = i; j < count; j++) {
      const value = dot(stack[i], stack[j]) / (m * (m - 3));
      sums[i * count + j] += value;
      if (i !== j) sums[j * count + i] += value;
    }
  }
}

function dot(a: Float64Array, b: Float64Array): number {
  let even = 0;
  let odd = 0;
  const paired = a.length - (a.length % 2);
  for (let k = 0; k < paired; k += 2) {
    even += a[k] * b[k];
    odd += a[k + 1] * b[k + 1];
  }
  return paired < a.length ? even + odd + a[paired] * b[paired] : even + odd;
}
