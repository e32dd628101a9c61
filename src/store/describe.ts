/** Plans and sets of layers in words, and the names of files made from them. */
import { setName } from './sets.ts';
import type { LayerSet, MergeMethodId, MergePlan, MergeResult, ScoreChoice, ScoreTerm } from './types.ts';

/** `4–7 and 9–10`; sets that hold commas are parted by semicolons. */
export function describeSets(sets: readonly LayerSet[]): string {
  // Sets drawn at random come in the order that they were drawn.
  const inOrder = [...sets].sort((a, b) => (a.groupId === b.groupId ? a.layers[0] - b.layers[0] : 0));
  const names = inOrder.map(({ layers }) => setName(layers));
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

const TERM_SHORT: Record<ScoreTerm, string> = {
  preactivation: 'pre-activations',
  gate: 'gate',
  hidden: 'post-activations',
  'input-weights': 'input weights',
  'output-weights': 'output weights',
};

/** Aligns units, so that the score matters. */
export function usesScore(method: MergeMethodId): boolean {
  return method === 'permute' || method === 'random';
}

export function usesReference(method: MergeMethodId): boolean {
  return usesScore(method) || method === 'copy';
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

/** `4–7 and 9–10, permuted, averaged, first layer as reference`. */
export function describePlan(plan: MergePlan, droppedLayers?: MergeResult['droppedLayers']): string {
  const { method } = plan;
  if (method === 'layer-drop') {
    const dropped = droppedLayers?.flatMap(({ layers }) => layers).join(', ');
    return dropped ? `layers ${dropped} left out whole` : 'layers left out whole';
  }
  const seed = method === 'random' && plan.seed !== undefined ? ` (seed ${plan.seed})` : '';
  const reference = usesReference(method) ? `, ${plan.reference} layer as reference` : '';
  const score = usesScore(method) ? describeScore(plan.score) : '';
  return `${describeSets(plan.sets)}, ${METHOD_SHORT[method]}${seed}${reference}${score}`;
}

/** The name offered for a saved model: `model-merged-4-7.onnx`; unchanged where nothing was merged. */
export function suggestedName(fileName: string, plan: MergePlan | null): string {
  if (!plan || plan.sets.length === 0) return fileName;
  const stem = fileName.replace(/\.onnx$/i, '');
  const sets = plan.sets.map(({ layers }) => setName(layers).replace('–', '-').replaceAll(', ', '+'));
  const kind = plan.method === 'ffn-drop' || plan.method === 'layer-drop' ? plan.method : 'merged';
  return `${stem}-${kind}-${sets.join('_')}.onnx`;
}
