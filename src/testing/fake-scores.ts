/**
 * Made-up scores that look like real ones: the first layer matters most, damage grows with depth and with the width of
 * a set, methods differ as they do in the trials. For the fake API only.
 */
import type {
  ExampleResult,
  GenerateRequest,
  ImageExample,
  LayerSet,
  MergePlan,
  Metric,
  PlanCandidate,
  PlanRequest,
  RecoveryStep,
  ScoreChoice,
  SweepEntry,
} from '../pipeline/types.ts';

const ORIGINALS: Record<Metric, number> = {
  perplexity: 4.854,
  'strided-perplexity': 4.611,
  'token-accuracy': 0.534,
  accuracy: 0.952,
  kl: 0,
  agreement: 1,
  cosine: 0,
};

const HIGHER: readonly Metric[] = ['token-accuracy', 'accuracy', 'agreement'];

const METHOD_FACTOR: Readonly<Record<string, number>> = {
  permute: 1,
  vanilla: 2.1,
  copy: 3.9,
  random: 1.45,
  'ffn-drop': 3.8,
  'layer-drop': 2.6,
};

function scoreFactor(score: ScoreChoice): number {
  if (typeof score === 'string') return score === 'best' ? 0.86 : 1;
  if (score.length === 3) return 0.9;
  return score.every((term) => term.endsWith('-weights')) ? 1.08 : 1;
}

/** In nats; below 0.7 for all but the first layers of a stack. */
function damageOfSet({ layers }: LayerSet, depth: number): number {
  const [first] = layers;
  const spread = (layers.at(-1) ?? first) - first;
  const place = first === 0 ? 0.78 : 0.004 + 0.075 * (first / depth) ** 1.6;
  const ripple = 1 + 0.3 * Math.sin(5 * first + 3 * spread);
  return place * ripple * (layers.length - 1) ** 1.5 * (1 + 0.15 * (spread - layers.length + 1));
}

/** What a rung leaves of the damage; a second time it takes less. */
const RUNG_FACTOR: Record<RecoveryStep['rung'], number> = {
  R0c: 0.96,
  R0b: 0.93,
  R1: 1.04,
  R2: 0.9,
  R3: 0.62,
  R4: 0.94,
  R5: 0.97,
  R6: 0.68,
  tune: 0.8,
};

function recoveryFactor({ sets, recovery = [] }: Pick<MergePlan, 'sets' | 'recovery'>): number {
  return recovery.reduce((factor, { rung, refreshed }) => {
    const share = (1 - RUNG_FACTOR[rung]) / Math.max(1, sets.length);
    return factor * (1 - share * (refreshed ? 0.25 : 1));
  }, 1);
}

export function damageOf(
  plan: Pick<MergePlan, 'sets' | 'method' | 'score' | 'seed' | 'recovery'>,
  depth: number,
): number {
  const sum = plan.sets.reduce((total, set) => total + damageOfSet(set, depth), 0);
  const luck = plan.method === 'random' ? 1 + 0.18 * Math.sin(3 * (plan.seed ?? 0)) : 1;
  return sum * (METHOD_FACTOR[plan.method] ?? 1) * scoreFactor(plan.score) * luck * recoveryFactor(plan);
}

export function scored(metric: Metric, damage: number): { original: number; value: number; error: number } {
  const original = ORIGINALS[metric];
  if (metric === 'kl') return { original, value: damage * 0.9, error: 0.02 * damage };
  const value = HIGHER.includes(metric) ? original * Math.exp(-0.5 * damage) : original * Math.exp(damage);
  const size = Math.abs(value - original);
  return {
    original,
    value,
    error: damage === 0 ? 0 : 0.025 * size + (HIGHER.includes(metric) ? 0.002 : 0.006),
  };
}

export function entryOf(
  metric: Metric,
  groupId: string,
  first: number,
  last: number,
  depth: number,
  bytesAfter: number,
  plan: Pick<MergePlan, 'method' | 'score'>,
): SweepEntry {
  const layers = Array.from({ length: last - first + 1 }, (_, index) => first + index);
  const { original, value, error } = scored(
    metric,
    damageOf({ ...plan, sets: [{ groupId, layers }] }, depth),
  );
  return {
    groupId,
    first,
    last,
    value,
    original,
    standardError: error,
    bytesAfter,
    blockRuns: 4 * (depth - first),
  };
}

/** Windows that remove so many FFNs together, a few of them. */
export function proposalsFor(
  removed: number,
  groupId: string,
  depth: number,
  metric: Metric,
  bytesAfter: number,
  request: PlanRequest,
): PlanCandidate[] {
  const pairs = (start: number, step: number): LayerSet[] =>
    Array.from({ length: removed }, (_, index) => start + step * index)
      .filter((first) => first + 1 < depth)
      .map((first) => ({ groupId, layers: [first, first + 1] }));
  const window = (first: number): LayerSet[] => [
    { groupId, layers: Array.from({ length: removed + 1 }, (_, index) => first + index) },
  ];
  const all = [pairs(1, 2), pairs(2, 2), pairs(1, 3), pairs(3, 2), window(1), window(2), window(3)];
  const sound = all.filter(
    (sets) =>
      sets.reduce((sum, { layers }) => sum + layers.length - 1, 0) === removed &&
      sets.every(({ layers }) => (layers.at(-1) ?? 0) < depth),
  );
  const candidates = sound.map((sets): PlanCandidate => {
    const estimate = damageOf({ sets, method: 'permute', score: 'default' }, depth);
    const proposal = { sets, estimate, value: scored(metric, estimate * 1.07).value, bytesAfter };
    if (!request.recover) return proposal;
    const { method, reference, score } = request;
    const recovery = sets.map((_, set) => ({ rung: 'R3' as const, set, refreshed: false, options: {} }));
    const plan: MergePlan = { sets, method, reference, score, recovery };
    const { value } = scored(metric, 1.07 * damageOf(plan, depth));
    // An output bias of 128 floats a layer.
    const own = sets.reduce((sum, { layers }) => sum + 512 * layers.length, 0);
    return { ...proposal, recovered: { plan, value, bytesAfter: bytesAfter + own } };
  });
  const sign = HIGHER.includes(metric) ? -1 : 1;
  const rank = (candidate: PlanCandidate) => candidate.recovered?.value ?? candidate.value;
  return candidates.sort((a, b) => sign * (rank(a) - rank(b)));
}

const ORIGINAL_TEXT =
  '\nWhat say you, my lord? I have not seen the day\nThat ever I did hear the people speak\nSo well of any man.\n\nJULIET:\nO, be not so displeased; the night is young,\nAnd there is time enough for';
const MERGED_TEXT =
  '\nWhat say you, my lord? I have not seen the king\nTo stand against the state of this the more\nAnd be so bold.\n\nJULIET:\nI will not be the man that was the same,\nAnd so the world is made';

export function examplesFor(request: GenerateRequest, images: boolean, merged: boolean): ExampleResult {
  if (images)
    return { kind: 'images', items: Array.from({ length: 12 }, (_, index) => picture(index, merged)) };
  if (request.tokens === 0) {
    const guess = (token: string, probability: number) => ({ token, probability });
    const original = [guess('e', 0.62), guess('a', 0.14), guess('o', 0.08)];
    const changed = [guess('e', 0.48), guess('o', 0.17), guess('a', 0.12)];
    const item = { context: 'What say you, my lord? I hav', truth: 'e', original };
    return { kind: 'tokens', items: [{ ...item, merged: merged ? changed : original }] };
  }
  const cut = (text: string) => text.repeat(10).slice(0, request.tokens);
  const original = cut(ORIGINAL_TEXT);
  return {
    kind: 'text',
    prompt: request.prompt,
    original,
    merged: merged ? cut(MERGED_TEXT) : original,
  };
}

function picture(index: number, merged: boolean): ImageExample {
  const side = 16;
  const pixels = new Uint8ClampedArray(4 * side * side);
  for (let pixel = 0; pixel < side * side; pixel++) {
    const x = (pixel % side) - side / 2;
    const y = Math.floor(pixel / side) - side / 2;
    const ink = Math.abs(Math.hypot(x, y * (0.7 + index / 20)) - 5) < 1.3 + (index % 3) / 2 ? 235 : 12;
    pixels.set([ink, ink, ink, 255], 4 * pixel);
  }
  const label = (index * 7) % 10;
  const changed = merged && index % 5 === 3;
  return {
    width: side,
    height: side,
    pixels,
    label,
    original: { label, probability: 0.97 - 0.013 * index },
    merged: { label: changed ? (label + 5) % 10 : label, probability: changed ? 0.52 : 0.91 - 0.02 * index },
  };
}
