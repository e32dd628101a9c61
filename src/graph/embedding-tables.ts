/**
 * Embedding tables: how many tokens and how many positions a model knows.
 *
 * Why: the context length is not in an ONNX graph; where no config.json says it, the position table does. A table is
 * a Gather from a constant matrix; it is the token table where its indices are the model's `input_ids` (through views),
 * and the position table where they come from a Range, from `position_ids`, or from a cumulative sum of the mask.
 */
import type { NodeInfo } from '../onnx/types.ts';
import type { FfnSearch } from './ffn.ts';
import { isView } from './operators.ts';

export interface EmbeddingTables {
  readonly vocabulary?: number;
  readonly positions?: number;
}

export function embeddingTables({ index, constants }: FfnSearch): EmbeddingTables {
  let vocabulary: number | undefined;
  let positions: number | undefined;
  for (const node of index.graph.nodes) {
    if (node.opType !== 'Gather') continue;
    const table = constants.sourceOf(node.inputs[0]);
    if (table?.dims.length !== 2 || (node.attributes.get('axis')?.i ?? 0) !== 0) continue;
    const origin = originOf(node.inputs[1]);
    if (origin === 'tokens') vocabulary ??= table.dims[0];
    if (origin === 'positions') positions ??= table.dims[0];
  }
  return { ...(vocabulary !== undefined && { vocabulary }), ...(positions !== undefined && { positions }) };

  function originOf(value: string): 'tokens' | 'positions' | undefined {
    let current = value;
    for (let hops = 0; hops < 12; hops++) {
      if (current === 'input_ids') return 'tokens';
      if (current === 'position_ids') return 'positions';
      const node: NodeInfo | undefined = index.producers.get(current);
      if (!node) return undefined;
      if (node.opType === 'Range' || node.opType === 'CumSum') return 'positions';
      if (
        isView(node.opType) ||
        ['Slice', 'Expand', 'Add', 'Sub', 'Mul', 'Where', 'Gather'].includes(node.opType)
      ) {
        const computed = node.inputs.find((v) => !constants.sourceOf(v) && constants.intsOf(v) === undefined);
        if (computed === undefined) return undefined;
        current = computed;
      } else {
        return undefined;
      }
    }
    return undefined;
  }
}
