/**
 * Twin of shaders/u_centre.wgsl: U-centring of a Gram matrix K [m × m], in place, f64.
 *
 * Source: Székely and Rizzo 2014, definition 2. With K̃ = K without its diagonal, r its row sums, S their total:
 *   Ũ[a, b] = K̃[a, b] − (r[a] + r[b])/(m−2) + S/((m−1)(m−2)) for a ≠ b, and 0 on the diagonal.
 * Then HSIC₁(K, L) of method.md is ⟨Ũ_K, Ũ_L⟩ / (m(m−3)): one dot product a pair, and no cancellation between
 * the three terms of that formula.
 */
export function uCentre(gram: Float64Array, m: number): void {
  const sums = new Float64Array(m);
  let total = 0;
  for (let a = 0; a < m; a++) {
    gram[a * m + a] = 0;
    for (let b = 0; b < m; b++) sums[a] += gram[a * m + b];
    total += sums[a];
  }
  const mean = total / ((m - 1) * (m - 2));
  for (let a = 0; a < m; a++) {
    for (let b = 0; b < m; b++) gram[a * m + b] += mean - (sums[a] + sums[b]) / (m - 2);
    gram[a * m + a] = 0;
  }
}
