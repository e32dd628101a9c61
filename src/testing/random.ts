/**
 * Seeded random numbers for tests: the same on every machine and run.
 *
 * Generator: a 32-bit Weyl sequence through a multiply–xorshift finaliser; plenty for test data, not for more.
 */
export interface Random {
  /** Uniform in [0, 1). */
  uniform(): number;
  /** Standard normal (Box–Muller). */
  normal(): number;
  /** Uniform integer in [0, bound). */
  integer(bound: number): number;
  /** `count` standard normals as f32. */
  normals(count: number): Float32Array;
  /** A uniformly random permutation of 0 … size−1. */
  permutation(size: number): Uint32Array;
}

export function createRandom(seed: number): Random {
  let state = seed >>> 0;

  function uniform(): number {
    state = (state + 0x9e3779b9) >>> 0;
    let x = state;
    x = Math.imul(x ^ (x >>> 16), 0x21f0aaad);
    x = Math.imul(x ^ (x >>> 15), 0x735a2d97);
    return ((x ^ (x >>> 15)) >>> 0) / 2 ** 32;
  }

  function normal(): number {
    const radius = Math.sqrt(-2 * Math.log(1 - uniform()));
    return radius * Math.cos(2 * Math.PI * uniform());
  }

  const integer = (bound: number) => Math.floor(uniform() * bound);

  return {
    uniform,
    normal,
    integer,
    normals(count) {
      return Float32Array.from({ length: count }, normal);
    },
    permutation(size) {
      const out = Uint32Array.from({ length: size }, (_, u) => u);
      for (let u = size - 1; u > 0; u--) {
        const other = integer(u + 1);
        [out[u], out[other]] = [out[other], out[u]];
      }
      return out;
    },
  };
}
