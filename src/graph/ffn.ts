/**
 * FFN sublayers of a model and the groups that can be merged.
 *
 * Why: everything after opening speaks of “FFN i of group g”: its weights and where they are stored, the values to
 * tap (pre-activation, hidden, output, attention output), its shape. Grouping is by shape, function and layout,
 * in execution order, within a stack; only groups of two or more can be merged (design.md, FFN detection).
 */
import type { OnnxModel, TensorInfo } from '../onnx/types.ts';
import { elementCount, formatShape } from '../tensor/shape.ts';
import { type Activation, activationOf, regionSignature } from './activation.ts';
import { attentionOutputOf, type ResidualAdd, residualAddOf, residualJoinOf } from './attention.ts';
import { type Constants, readConstants } from './constants.ts';
import { type GraphIndex, indexGraph } from './index-graph.ts';
import { layerLabel, templateOf } from './labels.ts';
import { isVectorOver, type LinearMap, linearMaps, type Operand } from './linear.ts';
import { isBinary, isNonlinear, isRounding, opOf } from './operators.ts';
import { operandOf, storedConstant } from './packing.ts';
import { groupRefusal, integerKernels, unsearched } from './refusals.ts';
import { type Region, traceRegion } from './region.ts';
import { clipsAtZero } from './rounding.ts';
import { stacksOf } from './stacks.ts';
import type { FfnWeight, WeightRole } from './weights.ts';

export type { FfnWeight, WeightRole } from './weights.ts';

export interface Ffn {
  /** Position in its group, execution order. */
  readonly layer: number;
  readonly label: string;
  readonly dModel: number;
  readonly dFf: number;
  readonly gated: boolean;
  readonly activation: Activation;
  /** In a fixed order of roles, the same for all FFNs of a group. */
  readonly weights: readonly FfnWeight[];
  /** Value names. X, Z (up), Z of the gate, H, Y. */
  readonly input: string;
  readonly preActivation: string;
  readonly gatePreActivation?: string;
  readonly hidden: string;
  readonly output: string;
  /** Output of the last linear map before the previous residual Add, where it was found. */
  readonly attentionOutput?: string;
  /** The Add that puts the output back on the residual stream, where it was found. */
  readonly residual?: ResidualAdd;
  /**
   * For values above whose features are not in their last axis (the channels of a convolution): that axis, counted
   * from the end.
   */
  readonly featureAxes?: ReadonlyMap<string, number>;
}

export interface FfnGroup {
  readonly id: string;
  readonly name: string;
  readonly dModel: number;
  readonly dFf: number;
  readonly gated: boolean;
  readonly activation: Activation;
  readonly ffns: readonly Ffn[];
}

export interface FfnSearch {
  readonly index: GraphIndex;
  readonly constants: Constants;
  readonly groups: readonly FfnGroup[];
  /** Sentences. */
  readonly refusals: readonly string[];
}

export interface SearchOptions {
  /** Whether FFNs with weights in half precision, or quantized in schemes that can be written again, may be in groups. */
  readonly quantized?: boolean;
  /** How a tensor is kept in its file, where not as the model has it: FFNs kept in different ways share no copy. */
  storedAs?(tensor: TensorInfo): string;
}

/**
 * Finds the FFNs of a model.
 * @throws OnnxError for a graph that cannot be run (see indexGraph) or constants that cannot be read.
 */
export async function findFfns(model: OnnxModel, options: SearchOptions = {}): Promise<FfnSearch> {
  const index = indexGraph(model.graph);
  const constants = await readConstants(model, index);
  const linears = linearMaps(index, constants);
  const refusals = [...unsearched(model), ...integerKernels(model.graph, constants)];
  const found: Found[] = [];
  const used = new Set<LinearMap>();
  const inOrder = [...linears.values()].sort((x, y) => index.order(x.node) - index.order(y.node));
  for (const start of inOrder) {
    if (used.has(start)) continue;
    const trace = traceRegion(start, index, constants, linears);
    if (trace.kind === 'refused') {
      // The gate of a refused up projection needs no sentence of its own.
      for (const up of trace.ups) used.add(up);
      refusals.push(
        `${layerLabel([start.node], [start.weight])} looks like an FFN but cannot be merged, because ${trace.reason}.`,
      );
    }
    if (trace.kind !== 'ffn') continue;
    // A chain of linear maps is cut into FFNs that share none.
    for (const map of [...trace.region.ups, trace.region.down]) used.add(map);
    found.push({
      ...describe(trace.region, index, constants, linears),
      region: trace.region,
      order: index.order(trace.region.down.node),
    });
  }
  found.sort((a, b) => a.order - b.order);
  const stacks = stacksOf(
    found.map((f) => placeOf(f, index, constants)),
    index,
    linears,
  );
  const byKey = new Map<string, Found[]>();
  found.forEach((f, i) => {
    const key = `${stacks[i]} · ${groupKey(f, f.region, constants)} · ${f.weights.map((w) => options.storedAs?.(w.source.tensor) ?? '').join()}`;
    byKey.set(key, [...(byKey.get(key) ?? []), f]);
  });

  const groups: FfnGroup[] = [];
  for (const members of byKey.values()) {
    const [head] = members;
    // A head of a classifier or of masked language modelling goes elsewhere than it came from: it is no FFN.
    if (members.length === 1 && inputSize(head) !== head.dModel) continue;
    const shape = `${head.dModel}→${head.dFf}, ${head.activation.label}${head.gated ? ', gated' : ''}`;
    const refusal = groupRefusal(members, shape, options.quantized ?? false);
    if (refusal !== undefined) {
      refusals.push(refusal);
      continue;
    }
    groups.push({
      id: `g${groups.length}`,
      name: templateOf(members.map((m) => m.label)),
      dModel: head.dModel,
      dFf: head.dFf,
      gated: head.gated,
      activation: head.activation,
      ffns: members.map(({ region: _region, order: _order, ...ffn }, layer) => ({ ...ffn, layer })),
    });
  }
  return { index, constants, groups, refusals };
}

/** An FFN before it has a group. */
interface Found extends Omit<Ffn, 'layer'> {
  readonly region: Region;
  readonly order: number;
}

/** Size of the value that enters an FFN. */
function inputSize({ region }: Found): number {
  return region.ups[0].inSize;
}

/** Where the residual stream enters and leaves an FFN. */
function placeOf(ffn: Found, index: GraphIndex, constants: Constants) {
  const join = residualJoinOf(ffn.output, index, constants);
  if (!join) return { from: [ffn.input], to: [ffn.output] };
  return { from: [ffn.input, join.stream], to: [ffn.output, join.output, join.node.outputs[0]] };
}

/** Distinct stored tensors of an FFN. */
export function storedTensors(ffn: Ffn): Set<TensorInfo> {
  return new Set(ffn.weights.map((w) => w.source.tensor));
}

/** Parameters that one FFN holds: elements of its distinct tensors. */
export function parametersOf(ffn: Ffn): number {
  let sum = 0;
  for (const tensor of storedTensors(ffn)) sum += elementCount(tensor.dims);
  return sum;
}

function describe(
  region: Region,
  index: GraphIndex,
  constants: Constants,
  linears: ReturnType<typeof linearMaps>,
): Omit<Ffn, 'layer'> {
  const [up, gate] = upAndGate(region, constants);
  const upBias = biasOf(up, index, constants);
  const gateBias = gate && biasOf(gate, index, constants);
  const downBias = biasOf(region.down, index, constants);
  const weights: FfnWeight[] = [weightOf('w_in', up, true, region)];
  if (upBias.operand) weights.push(vectorOf('b_in', upBias.operand, region));
  if (gate) weights.push(weightOf('w_gate', gate, true, region));
  if (gateBias?.operand) weights.push(vectorOf('b_gate', gateBias.operand, region));
  weights.push(weightOf('w_out', region.down, false, region));
  if (downBias.operand) weights.push({ ...downBias.operand, role: 'b_out', hiddenAxis: null });
  const taken = new Set(weights.map((w) => `${w.node.index}:${w.input}`));
  const rest = region.vectors.filter((v) => !taken.has(`${v.node.index}:${v.input}`));
  rest.forEach((v, i) => {
    weights.push(vectorOf(`unit_${i}`, v, region));
  });
  const [upValue, gateValue] = preActivations(region, upBias.value, gateBias?.value, constants);
  const residual = residualAddOf(downBias.value, index, constants);
  const attentionOutput = attentionOutputOf(downBias.value, region.down, index, constants, linears);
  const channels = new Map([...region.axes].filter(([, axis]) => axis !== -1));
  if (region.down.dataAxis !== -1) channels.set(downBias.value, region.down.dataAxis);
  const input = up.node.inputs[up.dataInput];
  if (up.dataAxis !== -1) channels.set(input, up.dataAxis);
  return {
    label: layerLabel([up.node, region.down.node], weights, input, index),
    dModel: region.down.outSize,
    dFf: region.units,
    gated: gateValue !== undefined,
    activation: activationOf(region, constants),
    weights,
    input,
    preActivation: upValue,
    ...(gateValue !== undefined && { gatePreActivation: gateValue }),
    hidden: region.hidden,
    output: downBias.value,
    ...(attentionOutput !== undefined && { attentionOutput }),
    ...(residual && { residual }),
    ...(channels.size > 0 && { featureAxes: channels }),
  };
}

function vectorOf(role: WeightRole, operand: Operand, region: Region): FfnWeight {
  const { dims } = operand.source;
  const hiddenAxis = dims.findIndex((d) => d !== 1);
  const packed = region.halves !== undefined && dims[hiddenAxis] === 2 * region.units;
  return { ...operand, role, hiddenAxis, ...(packed && { halves: 2 }) };
}

function weightOf(role: WeightRole, map: LinearMap, hiddenIsOutput: boolean, region: Region): FfnWeight {
  const hiddenAxis = hiddenIsOutput ? 1 - map.inAxis : map.inAxis;
  return { ...map.weight, role, hiddenAxis, ...(region.halves && hiddenIsOutput && { halves: 2 }) };
}

/** Of two linear maps into the hidden units, the gate is the one that the activation bends. */
function upAndGate(region: Region, constants: Constants): [LinearMap, LinearMap | undefined] {
  const [first, second] = region.ups;
  if (!second) return [first, undefined];
  const [up] = gateLast([first.output, second.output], region, constants);
  return up === first.output ? [first, second] : [second, first];
}

/** The values to compare units by: of the up projection and of the gate, or of the halves that are both. */
function preActivations(
  region: Region,
  up: string,
  gate: string | undefined,
  constants: Constants,
): readonly [string, string | undefined] {
  return region.halves ? gateLast(region.halves, region, constants) : [up, gate];
}

function gateLast(
  [first, second]: readonly [string, string],
  region: Region,
  constants: Constants,
): readonly [string, string] {
  return bends(first, region, constants) && !bends(second, region, constants)
    ? [second, first]
    : [first, second];
}

/** Whether a non-linear operator is met before the value is joined with another projection. */
function bends(value: string, region: Region, constants: Constants): boolean {
  const alone = new Set([value]);
  for (const node of region.nodes) {
    const fixed = (v: string) => v === '' || constants.isConstant(v);
    if (!node.inputs.some((v) => alone.has(v))) continue;
    if (isBinary(opOf(node)) && !node.inputs.every((v) => alone.has(v) || fixed(v))) continue;
    if (isNonlinear(opOf(node)) || clipsAtZero(node, constants)) return true;
    for (const output of node.outputs) alone.add(output);
  }
  return false;
}

/** The bias of a linear map (Gemm's C, or an Add that alone reads the output, views between) and the value after it. */
function biasOf(
  map: LinearMap,
  index: GraphIndex,
  constants: Constants,
): { operand?: Operand; value: string } {
  if (map.bias) return { operand: map.bias, value: map.output };
  let value = map.output;
  for (let hops = 0; hops < 4; hops++) {
    const uses = index.usesOf(value).filter((u) => u.node.opType !== 'Shape');
    if (uses.length !== 1 || index.outputs.has(value)) break;
    const { node, input } = uses[0];
    if (node.opType === 'Add' && input >= 0) {
      const other = 1 - input;
      const stored = storedConstant(node.inputs[other], index, constants);
      if (stored && isVectorOver(stored.source.dims, map.outSize, map.dataAxis)) {
        return { operand: operandOf(node, other, stored), value: node.outputs[0] };
      }
      break;
    }
    if (input !== 0 || !(node.opType === 'Reshape' || node.opType === 'Cast' || isRounding(opOf(node))))
      break;
    value = node.outputs[0];
  }
  return { value: map.output };
}

function groupKey(
  ffn: Pick<Ffn, 'weights' | 'dModel' | 'dFf' | 'gated'>,
  region: Region,
  constants: Constants,
): string {
  const layout = ffn.weights
    .map(
      (w) =>
        `${w.role}:${w.source.tensor.dataType}:${w.source.dataType}:${formatShape(w.source.dims)}:${w.source.transposed}:${w.hiddenAxis}:${JSON.stringify(w.packing?.scheme ?? w.unsupported)}`,
    )
    .join(',');
  const scale = [...region.ups, region.down]
    .map((m) => [m.alpha, m.beta, m.activation, m.dataAxis].join('/'))
    .join(',');
  return [ffn.dModel, ffn.dFf, ffn.gated, regionSignature(region, constants), layout, scale].join(' · ');
}
