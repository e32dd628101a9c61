/**
 * Seeded random integers: the same on every machine, so that a random variant can be made again from its seed.
 *
 * Generator: a 32-bit counter with a golden-ratio step through a multiply and xorshift finaliser; each seed starts at a
 * scrambled place. Good for drawing windows, not for anything secret.
 */
export interface Seeded {
  /** Uniform in 0 … bound − 1, without the bias of a remainder; bound from 1 to 2³². */
  integer(bound: number): number;
}

export function createSeeded(seed: number): Seeded {
  let state = finalise(seed >>> 0);
  const next = () => {
    state = (state + 0x9e3779b9) >>> 0;
    return finalise(state);
  };
  return {
    integer(bound) {
      const limit = 2 ** 32 - (2 ** 32 % bound);
      for (;;) {
        const value = next();
        if (value < limit) return value % bound;
      }
    },
  };
}

/** 0 … count − 1 in a random order, each as likely (Fisher–Yates, from the end). */
export function shuffled(count: number, random: Seeded): Uint32Array {
  const order = Uint32Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const j = random.integer(i + 1);
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
}

function finalise(value: number): number {
  let x = Math.imul(value ^ (value >>> 15), 0x2c1b3c6d);
  x = Math.imul(x ^ (x >>> 12), 0x297a2d39);
  return (x ^ (x >>> 15)) >>> 0;
}
