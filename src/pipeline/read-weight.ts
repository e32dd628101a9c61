/** A weight of an FFN as a matrix, read from the measured model. */
import type { FfnWeight } from '../graph/ffn.ts';
import { weightShape } from '../graph/weights.ts';
import type { WeightMatrix } from '../merge/method.ts';
import { readFloats } from '../onnx/tensors.ts';
import { transpose } from '../tensor/matrix.ts';
import type { OpenedModel } from './opened.ts';

/** In the shape that its node sees. @throws OnnxError where it cannot be read */
export async function readWeight(
  { model }: Pick<OpenedModel, 'model'>,
  weight: FfnWeight,
): Promise<WeightMatrix> {
  const { tensor, transposed } = weight.source;
  const stored = await readFloats(model, tensor);
  const { rows, cols } = weightShape(weight);
  return { weight, rows, cols, data: transposed ? transpose(stored, cols, rows) : stored };
}
