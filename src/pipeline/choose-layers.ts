/**
 * Which whole layers to leave out: the control is given its best choice, by evaluation (method.md, controls).
 *
 * Tried are all windows of R adjacent layers and a greedy choice, one layer after the other, each the least harmful
 * beside those already out. Costs at most (N − R + 1) + R·N evaluations; equal sets are evaluated once.
 */

export interface LayerChoice {
  /** Ascending. */
  readonly layers: readonly number[];
  readonly value: number;
}

/**
 * @param candidates layers that can be left out, ascending
 * @param evaluate the damage of leaving layers out; lower is better
 * @param told after each evaluation: how many are done, of at most how many
 * @throws RangeError where there are not enough candidates
 */
export async function chooseLayers(
  candidates: readonly number[],
  remove: number,
  evaluate: (layers: readonly number[]) => Promise<number>,
  told: (done: number, most: number) => Promise<void> = async () => {},
): Promise<LayerChoice> {
  if (remove < 1 || remove > candidates.length) {
    throw new RangeError(`${remove} layers cannot be left out: ${candidates.length} could be.`);
  }
  const windows = candidates
    .map((first) => Array.from({ length: remove }, (_, k) => first + k))
    .filter((window) => window.every((l) => candidates.includes(l)));
  const greedyMost = Array.from({ length: remove }, (_, r) => candidates.length - r).reduce(
    (a, b) => a + b,
    0,
  );
  const most = windows.length + greedyMost;
  const known = new Map<string, number>();
  let done = 0;
  const damageOf = async (layers: readonly number[]) => {
    const key = layers.join();
    let value = known.get(key);
    if (value === undefined) {
      value = await evaluate(layers);
      known.set(key, value);
    }
    await told(++done, most);
    return value;
  };
  /** The first of the best; a NaN is never better. */
  const bestOf = async (sets: readonly (readonly number[])[]): Promise<LayerChoice> => {
    let best: LayerChoice = { layers: sets[0], value: Number.POSITIVE_INFINITY };
    for (const layers of sets) {
      const value = await damageOf(layers);
      if (value < best.value) best = { layers, value };
    }
    return best;
  };
  let greedy: LayerChoice = { layers: [], value: Number.POSITIVE_INFINITY };
  for (let r = 0; r < remove; r++) {
    const { layers } = greedy;
    const next = candidates
      .filter((l) => !layers.includes(l))
      .map((l) => [...layers, l].sort((a, b) => a - b));
    greedy = await bestOf(next);
  }
  if (windows.length === 0) return greedy;
  const window = await bestOf(windows);
  return window.value <= greedy.value ? window : greedy;
}
