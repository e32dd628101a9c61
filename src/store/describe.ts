/** Plans and sets of layers in words. */
import { setName } from './sets.ts';
import type {
  GroupSummary,
  LayerSet,
  MergeMethodId,
  MergePlan,
  MergeResult,
  RecoveryStep,
  ScoreChoice,
  ScoreTerm,
} from './types.ts';

type Groups = readonly Pick<GroupSummary, 'id' | 'name'>[];

/**
 * The piece of each group's name that tells it from the others: `encoder` and `decoder`, and of
 * `model.text.layers.*` and `model.vision.layers.*` `text` and `vision`. Empty for one group.
 */
export function stackName(groups: Groups, groupId: string): string {
  const group = groups.find(({ id }) => id === groupId);
  if (groups.length < 2 || !group) return '';
  const pieces = group.name.split('.');
  const others = groups.map(({ name }) => name.split('.'));
  const start = pieces.findIndex((piece, at) => others.some((other) => other[at] !== piece));
  for (let end = start + 1; start >= 0 && end <= pieces.length; end++) {
    const names = others.map((other) => other.slice(start, end).join('.'));
    if (new Set(names).size === groups.length) return pieces.slice(start, end).join('.');
  }
  return group.name;
}

/** `4–7 and 9–10`; sets that hold commas are parted by semicolons. Of several groups: `encoder 4–7 and decoder 9–10`. */
export function describeSets(sets: readonly LayerSet[], groups: Groups = []): string {
  // Sets drawn at random come in the order that they were drawn.
  const inOrder = [...sets].sort((a, b) => (a.groupId === b.groupId ? a.layers[0] - b.layers[0] : 0));
  return joined(inOrder.map((set) => inStack(groups, set.groupId, setName(set.layers))));
}

function inStack(groups: Groups, groupId: string, layers: string): string {
  return `${stackName(groups, groupId)} ${layers}`.trim();
}

function joined(names: readonly string[]): string {
  if (names.some((name) => name.includes(','))) return names.join('; ');
  return names.length > 1 ? `${names.slice(0, -1).join(', ')} and ${names.at(-1)}` : (names[0] ?? 'nothing');
}

/** `1–2, 3–4`, as proposals are named. */
export function listSets(sets: readonly LayerSet[]): string {
  return sets.map(({ layers }) => setName(layers)).join(', ');
}

export const METHOD_SHORT: Record<MergeMethodId, string> = {
  permute: 'permuted, averaged',
  vanilla: 'averaged as they are',
  copy: 'anchor copied',
  random: 'drawn at random, permuted, averaged',
  'ffn-drop': 'FFNs left out but the first of each',
  'layer-drop': 'left out whole',
};

/** What a method heeds beside the layers: how units are aligned to a reference, the reference alone, or nothing. */
const HEEDS: Record<MergeMethodId, 'score and reference' | 'reference' | 'nothing'> = {
  permute: 'score and reference',
  vanilla: 'nothing',
  copy: 'reference',
  random: 'score and reference',
  'ffn-drop': 'nothing',
  'layer-drop': 'nothing',
};

const TERM_SHORT: Record<ScoreTerm, string> = {
  preactivation: 'pre-activations',
  gate: 'gate',
  hidden: 'post-activations',
  'input-weights': 'input weights',
  'output-weights': 'output weights',
};

/** Ties weights, so that there is something to recover; methods that drop leave nothing. */
export function ties(method: MergeMethodId): boolean {
  return method !== 'ffn-drop' && method !== 'layer-drop';
}

/** Aligns units, so that the score matters. */
export function usesScore(method: MergeMethodId): boolean {
  return HEEDS[method] === 'score and reference';
}

export function usesReference(method: MergeMethodId): boolean {
  return HEEDS[method] !== 'nothing';
}

export function scoreValue(score: ScoreChoice): string {
  return typeof score === 'string' ? score : score.join('+');
}

/** False where weights alone decide, so that a merge needs no calibration data. */
export function needsData({ method, score }: { method: MergeMethodId; score: ScoreChoice }): boolean {
  if (method === 'layer-drop') return true;
  if (!usesScore(method)) return false;
  return typeof score === 'string' || score.some((term) => !term.endsWith('-weights'));
}

function describeScore(score: ScoreChoice): string {
  if (score === 'default') return '';
  if (score === 'best') return ', best score of all';
  return `, aligned by ${score.map((term) => TERM_SHORT[term]).join(' + ')}`;
}

/** `R2, R3 ×2, R6, refreshed`: each rung once, with how often the set that needed it most has it. */
export function describeRecovery(recovery: readonly RecoveryStep[]): string {
  const counts = new Map<string, Map<number, number>>();
  for (const { rung, set, refreshed } of recovery) {
    const sets = counts.get(rung) ?? new Map<number, number>();
    counts.set(rung, sets.set(set, (sets.get(set) ?? 0) + (refreshed ? 0 : 1)));
  }
  const times = (sets: Map<number, number>) => Math.max(...sets.values());
  const names = [...counts].map(([rung, sets]) => {
    const name = rung === 'tune' ? 'tuned' : rung;
    return times(sets) > 1 ? `${name} ×${times(sets)}` : name;
  });
  return [...names, ...(recovery.some(({ refreshed }) => refreshed) ? ['refreshed'] : [])].join(', ');
}

/** `4–7 and 9–10, permuted, averaged, first layer as reference + R2, R3`. */
export function describePlan(
  plan: MergePlan,
  droppedLayers?: MergeResult['droppedLayers'],
  groups: Groups = [],
): string {
  const { method } = plan;
  if (method === 'layer-drop') {
    const dropped = (droppedLayers ?? []).filter(({ layers }) => layers.length > 0);
    const names = dropped.map(({ groupId, layers }) => inStack(groups, groupId, layers.join(', ')));
    return names.length > 0 ? `layers ${joined(names)} left out whole` : 'layers left out whole';
  }
  const seed = method === 'random' && plan.seed !== undefined ? ` (seed ${plan.seed})` : '';
  const reference = usesReference(method) ? `, ${plan.reference} layer as reference` : '';
  const score = usesScore(method) ? describeScore(plan.score) : '';
  const recovered = plan.recovery?.length ? ` + ${describeRecovery(plan.recovery)}` : '';
  return `${describeSets(plan.sets, groups)}, ${METHOD_SHORT[method]}${seed}${reference}${score}${recovered}`;
}

/** What stands alone says that its numbers are layers; those of several stacks begin with the stack's name. */
export function withLayers(description: string): string {
  return /^\d/.test(description) ? `layers ${description}` : description;
}
