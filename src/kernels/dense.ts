/**
 * Small dense factorisations on the CPU, in f64: the ends of a randomised SVD (Halko, Martinsson and Tropp 2011),
 * whose products are the backend's. Row-major.
 *
 * Use for the r leading singular triplets of A [m × n]: Y = A·Ω with Ω [n × (r + some)] random; Q = orthonormal(Y);
 * once or twice Q = orthonormal(A·orthonormal(Aᵀ·Q)); B = Qᵀ·A; symmetricEigen(B·Bᵀ) = U·Σ²·Uᵀ; then A ≈ (Q·U)·(Uᵀ·B).
 * Known limits: meant for some hundred columns; Jacobi takes about 10·n³ operations a sweep, and 6 to 10 sweeps.
 */

/**
 * An orthonormal basis Q [rows × cols] of the columns of a tall matrix, by Householder reflections. Where columns
 * depend on each other, Q is orthonormal all the same.
 * @throws RangeError for a matrix that is wider than tall.
 */
export function orthonormal(x: ArrayLike<number>, rows: number, cols: number): Float64Array {
  if (rows < cols || x.length !== rows * cols) {
    throw new RangeError(
      `A basis of ${cols} columns in ${rows} rows is not possible from ${x.length} values.`,
    );
  }
  // Columns as rows: a reflection walks down them.
  const columns = Array.from({ length: cols }, (_, c) =>
    Float64Array.from({ length: rows }, (_, r) => x[r * cols + c]),
  );
  const normals: Float64Array[] = [];
  const reflect = (normal: Float64Array, column: Float64Array, from: number) => {
    let dot = 0;
    for (let r = from; r < rows; r++) dot += normal[r] * column[r];
    for (let r = from; r < rows; r++) column[r] -= 2 * dot * normal[r];
  };
  columns.forEach((column, c) => {
    normals.forEach((normal, k) => {
      reflect(normal, column, k);
    });
    const normal = new Float64Array(rows);
    let square = 0;
    for (let r = c; r < rows; r++) square += column[r] ** 2;
    const size = Math.sqrt(square);
    normal.set(column.subarray(c), c);
    // Away from the axis, so that nothing cancels.
    normal[c] += (column[c] < 0 ? -1 : 1) * (size || 1);
    let length = 0;
    for (let r = c; r < rows; r++) length += normal[r] ** 2;
    const inverse = 1 / Math.sqrt(length);
    for (let r = c; r < rows; r++) normal[r] *= inverse;
    normals.push(normal);
  });
  const q = new Float64Array(rows * cols);
  for (let c = 0; c < cols; c++) {
    const column = new Float64Array(rows);
    column[c] = 1;
    for (let k = c; k >= 0; k--) reflect(normals[k], column, k);
    for (let r = 0; r < rows; r++) q[r * cols + c] = column[r];
  }
  return q;
}

export interface Eigen {
  /** From the largest to the smallest. */
  readonly values: Float64Array;
  /** [n × n], the eigenvectors as columns in the order of the values. */
  readonly vectors: Float64Array;
}

const MOST_SWEEPS = 30;

/**
 * Eigenvalues and eigenvectors of a symmetric matrix [n × n], by cyclic Jacobi rotations (Golub and Van Loan,
 * section 8.5): small eigenvalues keep their digits.
 * @throws RangeError where a value is not finite.
 */
export function symmetricEigen(matrix: ArrayLike<number>, n: number): Eigen {
  const a = Float64Array.from(matrix);
  if (a.length !== n * n || !a.every(Number.isFinite)) {
    throw new RangeError(`A symmetric matrix of ${n}×${n} finite values is needed.`);
  }
  // Rows of `vectors` are eigenvectors until the end: rotations then walk along memory.
  const vectors = Float64Array.from({ length: n * n }, (_, k) => Number(k % (n + 1) === 0));
  const rotate = (rows: Float64Array, p: number, q: number, c: number, s: number) => {
    for (let k = 0; k < n; k++) {
      const [x, y] = [rows[p * n + k], rows[q * n + k]];
      rows[p * n + k] = c * x - s * y;
      rows[q * n + k] = s * x + c * y;
    }
  };
  for (let sweep = 0; sweep < MOST_SWEEPS; sweep++) {
    let turned = false;
    for (let p = 0; p < n; p++) {
      for (let q = p + 1; q < n; q++) {
        const off = a[p * n + q];
        const [left, right] = [a[p * n + p], a[q * n + q]];
        if (Math.abs(off) <= 2 ** -53 * Math.sqrt(Math.abs(left * right)) || Math.abs(off) < 1e-300) continue;
        turned = true;
        const tau = (right - left) / (2 * off);
        const t = (tau < 0 ? -1 : 1) / (Math.abs(tau) + Math.hypot(1, tau));
        const c = 1 / Math.hypot(1, t);
        rotate(a, p, q, c, t * c);
        for (let k = 0; k < n; k++) {
          const [x, y] = [a[k * n + p], a[k * n + q]];
          a[k * n + p] = c * x - t * c * y;
          a[k * n + q] = t * c * x + c * y;
        }
        a[p * n + q] = 0;
        a[q * n + p] = 0;
        rotate(vectors, p, q, c, t * c);
      }
    }
    if (!turned) break;
  }
  const order = Array.from({ length: n }, (_, k) => k).sort((x, y) => a[y * (n + 1)] - a[x * (n + 1)]);
  return {
    values: Float64Array.from(order, (k) => a[k * (n + 1)]),
    vectors: Float64Array.from({ length: n * n }, (_, k) => vectors[order[k % n] * n + Math.floor(k / n)]),
  };
}
