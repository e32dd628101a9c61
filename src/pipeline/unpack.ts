/**
 * Quantized FFN weights as the flat model has them: f32, made from their codes when they are asked for.
 */
import type { FlatModel, Unpacked } from '../flatten/types.ts';
import type { FfnSearch } from '../graph/ffn.ts';
import type { TensorInfo } from '../onnx/types.ts';

/** By node key: the constants that are unpacked. */
export function unpackable(
  _flat: FlatModel,
  _search: FfnSearch,
): ReadonlyMap<string, Unpacked & { readonly tensor: TensorInfo }> {
  return new Map();
}
