/**
 * R0b: own biases for each layer (method.md, Recovery ladder).
 *
 * b_out,i = mean(Yᵢ) − mean(Hᵢ)·W_out makes the mean error of every output zero. Own b_in (and b_gate) may be added:
 * so that the mean pre-activation is the original's, b_in,i = mean(Zᵢ original) − mean(Xᵢ·W_in ⊙ γᵢ).
 *
 * Stores d floats a layer for b_out, and n for each own b_in and b_gate. Needs a place for b_out.
 */
import { parts } from '../calibration.ts';
import type { RecoveryInput, RecoveryMethod } from '../method.ts';
import { ColumnMoments, outputError, outputPowers } from '../statistics.ts';
import { canStore, noPlaceFor, storableRoles } from '../storable.ts';
import { affine, forwardHidden, outputOf, shapeOf, withVectors } from '../tied-ffn.ts';

export interface OwnBiasesOptions {
  /** Own b_in too (and b_gate), by means of pre-activations. */
  readonly inputBiases: boolean;
}

export const ownBiases: RecoveryMethod<OwnBiasesOptions> = {
  id: 'R0b',
  label: 'Own biases',
  defaults: { inputBiases: false },

  stores(ffn, options = {}) {
    const { inputBiases } = { ...ownBiases.defaults, ...options };
    if (!inputBiases) return ['bOut'];
    return shapeOf(ffn).gated ? ['bIn', 'bGate', 'bOut'] : ['bIn', 'bOut'];
  },

  async recover(input, options = {}) {
    const settings = { ...ownBiases.defaults, ...options };
    if (!canStore(input, 'bOut')) throw noPlaceFor('own output biases', ownBiases.label);
    const inputBiases = settings.inputBiases && storableRoles(input, ['bIn', 'bGate']).length > 0;
    const { data, algebra, signal } = input;
    const everything = { holdOut: 0, ...(signal && { signal }) };
    const powers = await outputPowers(data, signal);
    const { fit: before } = await outputError(algebra, input.ffn, data, powers, everything);
    const started = inputBiases ? await matchPreActivations(input) : input.ffn;
    const ffn = await matchOutputs({ ...input, ffn: started });
    const { fit: after } = await outputError(algebra, ffn, data, powers, everything);
    if (!inputBiases || after <= before) return { ffn, before, after, notes: [], chosen: { inputBiases } };
    const plain = await matchOutputs(input);
    const { fit } = await outputError(algebra, plain, data, powers, everything);
    const notes = ['Own input biases made the outputs of the FFNs worse, so only output biases are kept.'];
    return { ffn: plain, before, after: fit, notes, chosen: { inputBiases: false } };
  },
};

/** Own b_out that make every layer's mean output the target's. */
export async function matchOutputs({
  ffn,
  data,
  algebra,
  signal,
}: Pick<RecoveryInput, 'ffn' | 'data' | 'algebra' | 'signal'>) {
  const { layers, dModel } = shapeOf(ffn);
  const bare = withVectors(ffn, () => ({ bOut: undefined }));
  const errors = Array.from({ length: layers }, () => new ColumnMoments(dModel));
  for await (const { batch } of parts(data, 0, signal)) {
    for (let i = 0; i < layers; i++) {
      const given = await outputOf(bare, i, algebra, batch.x[i]);
      errors[i].add({ ...given, data: given.data.map((v, t) => batch.y[i].data[t] - v) });
    }
  }
  const biases = errors.map((e) => Float32Array.from(e.means()));
  return withVectors(ffn, (i) => ({ bOut: biases[i] }));
}

/** Own b_in and b_gate that make every layer's mean pre-activation the original's. */
async function matchPreActivations(input: RecoveryInput) {
  const { ffn, originals, data, algebra, signal } = input;
  const bare = withVectors(ffn, () => ({ bIn: undefined, bGate: undefined }));
  const { layers, dFf, gated } = shapeOf(ffn);
  const make = () => Array.from({ length: layers }, () => new ColumnMoments(dFf));
  const [up, gate] = [make(), make()];
  for await (const { batch } of parts(data, 0, signal)) {
    for (let i = 0; i < layers; i++) {
      const original = originals[i];
      const { z, g } = await forwardHidden(algebra, ffn.activation, ffn.shared, bare.layers[i], batch.x[i]);
      const x = (batch.originalX ?? batch.x)[i];
      const target = affine(await algebra.matmul(x, original.wIn), original.inScale, original.bIn);
      up[i].add({ ...target, data: target.data.map((v, t) => v - z.data[t]) });
      if (!g) continue;
      const gateTarget = affine(await algebra.matmul(x, original.wGate!), original.gateScale, original.bGate);
      gate[i].add({ ...gateTarget, data: gateTarget.data.map((v, t) => v - g.data[t]) });
    }
  }
  return withVectors(ffn, (i) => ({
    ...(canStore(input, 'bIn') && { bIn: Float32Array.from(up[i].means()) }),
    ...(gated && canStore(input, 'bGate') && { bGate: Float32Array.from(gate[i].means()) }),
  }));
}
