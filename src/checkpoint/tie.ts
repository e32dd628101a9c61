/**
 * From merged weights to edits of the checkpoint: the first layer's tensors get the values, the others become aliases.
 *
 * Why: a merge knows weights in ONNX's layout; the checkpoint has its own layout, packs or does not, and may already
 * share tensors between layers that the merge would make different, which must be noticed.
 */
import { elementCount } from '../tensor/shape.ts';
import type { WeightMatch } from './match.ts';
import { tensorsOf } from './match.ts';
import { type Block, halfBlocks, positionOf, wholeBlock } from './shapes.ts';
import { CheckpointError, type CheckpointTensor } from './types.ts';
import type { TensorEdit } from './writer.ts';

/** Weights that the merge made one, by id; values [rows × cols], row-major, as the weights were matched. */
export interface TiedWeights {
  readonly ids: readonly string[];
  readonly rows: number;
  readonly cols: number;
  readonly values: Float32Array;
}

/** A weight's values in the layout of each tensor that holds it. */
export function valuesForTensors(
  match: WeightMatch,
  { rows, cols, values }: Pick<TiedWeights, 'rows' | 'cols' | 'values'>,
): { readonly tensor: CheckpointTensor; readonly values: Float32Array }[] {
  const take = (block: Block, { tensor, transposed }: { tensor: CheckpointTensor; transposed: boolean }) => {
    const out = new Float32Array(elementCount(tensor.shape));
    for (let k = 0; k < out.length; k++) out[k] = values[positionOf(block, transposed, k)];
    return { tensor, values: out };
  };
  if (match.kind === 'whole') return [take(wholeBlock(rows, cols), match)];
  const blocks = halfBlocks(rows, cols, match.axis);
  return match.halves.map((half, k) => take(blocks[k], half));
}

/**
 * The edits that write a merge.
 * A tensor of another type or shape than the first layer's is replaced rather than tied: equal, but stored.
 * @param matches of all weights of the model, the ones that were not merged included
 * @throws CheckpointError where a merged weight was not found, and where the checkpoint shares a tensor between
 *   weights that the merge makes different
 */
export function tieEdits(
  groups: readonly TiedWeights[],
  matches: ReadonlyMap<string, WeightMatch>,
): Map<string, TensorEdit> {
  const edits = new Map<string, TensorEdit>();
  const users = usersOf(matches);
  for (const group of groups) {
    const [firstMatch, ...others] = group.ids.map((id) => {
      const match = matches.get(id);
      if (match) return match;
      throw new CheckpointError(
        `Weight “${id}” was not found in the checkpoint. Drop the checkpoint that the ONNX file was exported from.`,
      );
    });
    const add = (tensor: CheckpointTensor, edit: TensorEdit) => {
      const stranger = users.get(tensor)?.find((id) => !group.ids.includes(id));
      if (stranger !== undefined) {
        throw new CheckpointError(
          `Tensor “${tensor.name}” of the checkpoint serves “${group.ids[0]}” and “${stranger}”, which this merge makes different. Merge the layers that share it together, or use a checkpoint that stores them apart.`,
        );
      }
      edits.set(tensor.name, edit);
    };
    const firsts = tensorsOf(firstMatch);
    for (const { tensor, values } of valuesForTensors(firstMatch, group)) {
      add(tensor, { kind: 'replace', values });
    }
    for (const match of others) {
      const tensors = tensorsOf(match);
      if (tensors.length === firsts.length && isAlike(firstMatch, match)) {
        for (const [k, tensor] of tensors.entries()) {
          if (tensor !== firsts[k]) add(tensor, { kind: 'alias', of: firsts[k].name });
        }
      } else {
        for (const { tensor, values } of valuesForTensors(match, group)) {
          if (!firsts.includes(tensor)) add(tensor, { kind: 'replace', values });
        }
      }
    }
  }
  return edits;
}

function usersOf(matches: ReadonlyMap<string, WeightMatch>): Map<CheckpointTensor, string[]> {
  const users = new Map<CheckpointTensor, string[]>();
  for (const [id, match] of matches) {
    for (const tensor of tensorsOf(match)) users.set(tensor, [...(users.get(tensor) ?? []), id]);
  }
  return users;
}

/** Whether the tensors of two weights can be one: the same types, shapes and layout, part by part. */
function isAlike(a: WeightMatch, b: WeightMatch): boolean {
  const layout = (match: WeightMatch) =>
    JSON.stringify(
      (match.kind === 'whole' ? [match] : match.halves).map(({ tensor: { dtype, shape }, transposed }) => [
        dtype,
        shape,
        transposed,
      ]),
    );
  return a.kind === b.kind && layout(a) === layout(b);
}
