/**
 * Loss of a tied FFN on one minibatch, and its gradients: two matrix products and φ, by hand.
 *
 *   L = Σᵢ ‖Ŷᵢ − Yᵢ‖² / (T·vᵢ)
 *   E = 2(Ŷ − Y)/(T·v);  ∂W_out = (H⊙s)ᵀE;  ∂b_out = Σₜ E;  ∂(H⊙s) = E·W_outᵀ;  ∂s = Σₜ ∂(H⊙s)⊙H;  ∂H = ∂(H⊙s)⊙s
 *   plain: ∂Z = ∂H⊙φ′(Z);  gated: ∂Z = ∂H⊙φ(G), ∂G = ∂H⊙Z⊙φ′(G)
 *   ∂γ = Σₜ ∂Z⊙(X·W_in);  ∂b_in = Σₜ ∂Z;  ∂W_in = Xᵀ(∂Z⊙γ);  the same for the gate.
 */
import { activationSlope } from '../activation.ts';
import type { CalibrationBatch } from '../calibration.ts';
import type { Dense, LinearAlgebra } from '../linear-algebra.ts';
import { affine, forwardHidden, type TiedFfn } from '../tied-ffn.ts';

/** Gradients by the array that holds the parameter: a tied vector is one array, and gets one sum. */
export type Gradients = ReadonlyMap<Float32Array, Float64Array>;

/**
 * L on a minibatch and, where asked, its gradients with respect to every matrix and vector of the FFN.
 * @param powers vᵢ, one a layer
 */
export async function lossOf(
  algebra: LinearAlgebra,
  ffn: TiedFfn,
  batch: CalibrationBatch,
  powers: readonly number[],
  withGradients = false,
): Promise<{ readonly loss: number; readonly gradients: Gradients }> {
  const gradients = new Map<Float32Array, Float64Array>();
  const sumOf = (parameter: Float32Array) => {
    const known = gradients.get(parameter) ?? new Float64Array(parameter.length);
    gradients.set(parameter, known);
    return known;
  };
  const { wIn, wGate, wOut } = ffn.shared;
  let loss = 0;
  for (let i = 0; i < ffn.layers.length; i++) {
    const layer = ffn.layers[i];
    const [x, y] = [batch.x[i], batch.y[i]];
    const forward = await forwardHidden(algebra, ffn.activation, ffn.shared, layer, x);
    const { rawIn, rawGate, z, g, activated, hidden } = forward;
    const scaled = affine(hidden, layer.hiddenScale, undefined);
    const output = affine(await algebra.matmul(scaled, wOut), undefined, layer.bOut);
    const weight = 1 / (x.rows * powers[i]);
    const error = { ...output, data: new Float32Array(output.data.length) };
    for (let t = 0; t < error.data.length; t++) {
      const away = output.data[t] - y.data[t];
      loss += weight * away * away;
      error.data[t] = 2 * weight * away;
    }
    if (!withGradients) continue;

    addTo(sumOf(wOut.data), (await algebra.matmul(scaled, error, { transA: true })).data);
    if (layer.bOut) addColumns(sumOf(layer.bOut), error);
    const back = await algebra.matmul(error, wOut, { transB: true });
    if (layer.hiddenScale) addColumns(sumOf(layer.hiddenScale), times(back, hidden));
    const toHidden = affine(back, layer.hiddenScale, undefined);

    const slope = { ...activated, data: activationSlope(ffn.activation, (g ?? z).data) };
    const toZ = times(toHidden, g ? activated : slope);
    if (layer.inScale) addColumns(sumOf(layer.inScale), times(toZ, rawIn));
    if (layer.bIn) addColumns(sumOf(layer.bIn), toZ);
    const toRaw = affine(toZ, layer.inScale, undefined);
    addTo(sumOf(wIn.data), (await algebra.matmul(x, toRaw, { transA: true })).data);
    if (!g || !wGate || !rawGate) continue;

    const toG = times(times(toHidden, z), slope);
    if (layer.gateScale) addColumns(sumOf(layer.gateScale), times(toG, rawGate));
    if (layer.bGate) addColumns(sumOf(layer.bGate), toG);
    const toRawGate = affine(toG, layer.gateScale, undefined);
    addTo(sumOf(wGate.data), (await algebra.matmul(x, toRawGate, { transA: true })).data);
  }
  return { loss, gradients };
}

function times(a: Dense, b: Dense): Dense {
  const data = new Float32Array(a.data.length);
  for (let i = 0; i < data.length; i++) data[i] = a.data[i] * b.data[i];
  return { rows: a.rows, cols: a.cols, data };
}

function addTo(sum: Float64Array, values: Float32Array): void {
  for (let i = 0; i < sum.length; i++) sum[i] += values[i];
}

function addColumns(sum: Float64Array, { rows, cols, data }: Dense): void {
  for (let r = 0, i = 0; r < rows; r++) for (let c = 0; c < cols; c++, i++) sum[c] += data[i];
}
