/**
 * Linear CKA on a cloud of points in the plane, computed as it is for layers (Kornblith et al. 2019):
 * |Y'X|² / (|X'X| |Y'Y|) of the centred clouds, in Frobenius norms. The second cloud is the first one turned, scaled
 * and mixed with another: turning and scaling leave CKA at 1, mixing does not.
 */

export interface ToyPoint {
  readonly x: number;
  readonly y: number;
}

const COUNT = 22;

/** Two long clouds, at right angles and in other orders, from sines: the same on every machine. */
const CLOUD: readonly ToyPoint[] = Array.from({ length: COUNT }, (_, index) => {
  const along = (2 * index) / (COUNT - 1) - 1;
  return { x: along, y: 0.45 * Math.sin(5.3 * index) };
});
const OTHER: readonly ToyPoint[] = Array.from({ length: COUNT }, (_, index) => ({
  x: 0.8 * Math.sin(2.4 * index * index + 1),
  y: 0.8 * Math.cos(1.7 * index * index),
}));

export interface CkaToy {
  readonly first: readonly ToyPoint[];
  readonly second: readonly ToyPoint[];
  readonly cka: number;
}

/**
 * @param turn degrees
 * @param scale factor
 * @param mix share of the other cloud, 0 to 1
 */
export function ckaToy(turn: number, scale: number, mix: number): CkaToy {
  const [cos, sin] = [Math.cos((turn * Math.PI) / 180), Math.sin((turn * Math.PI) / 180)];
  const second = CLOUD.map(({ x, y }, index) => {
    const [a, b] = [(1 - mix) * x + mix * OTHER[index].x, (1 - mix) * y + mix * OTHER[index].y];
    return { x: scale * (cos * a - sin * b), y: scale * (sin * a + cos * b) };
  });
  return { first: CLOUD, second, cka: linearCka(CLOUD, second) };
}

export function linearCka(a: readonly ToyPoint[], b: readonly ToyPoint[]): number {
  const [first, second] = [centred(a), centred(b)];
  return squaredNorm(first, second) / Math.sqrt(squaredNorm(first, first) * squaredNorm(second, second));
}

function centred(points: readonly ToyPoint[]): ToyPoint[] {
  const mean = (pick: (point: ToyPoint) => number) =>
    points.reduce((sum, point) => sum + pick(point), 0) / points.length;
  const [x, y] = [mean((point) => point.x), mean((point) => point.y)];
  return points.map((point) => ({ x: point.x - x, y: point.y - y }));
}

/** |B'A|². */
function squaredNorm(a: readonly ToyPoint[], b: readonly ToyPoint[]): number {
  const dot = (of: 'x' | 'y', by: 'x' | 'y') =>
    a.reduce((sum, point, index) => sum + point[of] * b[index][by], 0);
  return dot('x', 'x') ** 2 + dot('x', 'y') ** 2 + dot('y', 'x') ** 2 + dot('y', 'y') ** 2;
}
