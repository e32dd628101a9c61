/**
 * Writing what a layer keeps of its own: new nodes of standard operators behind the node that makes a value.
 *
 * v′ = v ⊙ scale + (from · a) · b + shift becomes Mul, MatMul, MatMul, Add, Add, of which only those that are needed
 * are written. The last one gives v under its old name, so that every reader gets v′ and recorded shapes stay true.
 * Where the features are the channels of a convolution, vectors are [C, 1, …] and the products of a delta are Conv.
 * Vectors and factors are initializers of the file's main graph, in the element type of the value.
 */

import { valueTypes } from '../flatten/value-types.ts';
import type { Ffn } from '../graph/ffn.ts';
import type { NewNode } from '../onnx/types.ts';
import { transpose } from '../tensor/matrix.ts';
import { roundedTo } from './as-kept.ts';
import type { FileEdits } from './file-edits.ts';
import type { LowRankDelta, OwnPlace, ValueChange } from './own.ts';
import { type Spot, spotOf } from './own-places.ts';
import { floatTypeAt, placeOf } from './placed.ts';
import { encodeFloats } from './stored-values.ts';
import type { View } from './views.ts';

/** Element types of a value and of what a delta of it starts from. */
interface Types {
  readonly value: number;
  readonly from: number;
}

/**
 * Writes the changes of one layer into every file that has it.
 * @param ffn of the first view
 * @param name of what is added, before the place
 * @throws RangeError where a file cannot take a change (`placesFor` says so before), or sizes are wrong
 */
export function writeChanges(
  editsOf: (part: Spot['part']) => FileEdits,
  views: readonly View[],
  ffn: Ffn,
  changes: ReadonlyMap<OwnPlace, ValueChange>,
  name: string,
): void {
  /** One tensor serves all branches of a file. */
  const added = new Map<FileEdits, Map<string, string>>();
  for (const [place, change] of changes) {
    checkSizes(ffn, place, change);
    for (const view of views) {
      const twin = view.twinOf(ffn);
      if (!twin) continue;
      const spot = spotOf(view, twin, place);
      if (typeof spot === 'string') throw new RangeError(`Its value “${place}” cannot be changed: ${spot}.`);
      const edits = editsOf(spot.part);
      // Views that differ elsewhere may have this layer's nodes in common.
      if (edits.isChanged(spot.node, spot.output)) continue;
      const known = added.get(edits) ?? new Map<string, string>();
      added.set(edits, known);
      new ChangeWriter(edits, view, spot, `${name}.${place}`, known).write(change);
    }
  }
}

/** A change as the first view's file keeps it: rounded to the element type of the value. */
export function keptChange(view: View, ffn: Ffn, place: OwnPlace, change: ValueChange): ValueChange {
  const spot = spotOf(view, ffn, place);
  if (typeof spot === 'string') throw new RangeError(`Its value “${place}” cannot be changed: ${spot}.`);
  const types = typesAt(view, spot);
  const { scale, delta, shift } = change;
  return {
    ...(scale && { scale: roundedTo(types.value, scale) }),
    ...(delta && {
      delta: { ...delta, a: roundedTo(types.from, delta.a), b: roundedTo(types.from, delta.b) },
    }),
    ...(shift && { shift: roundedTo(types.value, shift) }),
  };
}

class ChangeWriter {
  private readonly edits: FileEdits;
  private readonly spot: Spot;
  private readonly name: string;
  private readonly added: Map<string, string>;
  private readonly types: Types;
  private readonly nodes: NewNode[] = [];

  constructor(edits: FileEdits, view: View, spot: Spot, name: string, added: Map<string, string>) {
    this.edits = edits;
    this.spot = spot;
    this.name = name;
    this.added = added;
    this.types = typesAt(view, spot);
  }

  write({ scale, delta, shift }: ValueChange): void {
    if (!scale && !delta && !shift) return;
    const { node, output, name } = this.spot;
    const raw = this.edits.fresh(`${this.name}.raw`);
    let value = raw;
    if (scale) value = this.node('Mul', [value, this.vector('scale', scale)], 'scaled');
    if (delta) value = this.node('Add', [value, this.product(delta, raw)], 'corrected');
    if (shift) value = this.node('Add', [value, this.vector('shift', shift)], 'shifted');
    const last = this.nodes.pop()!;
    this.edits.change(node, output, raw, [...this.nodes, { ...last, outputs: [name] }]);
  }

  /** (from · a) · b, in the shape and the type of the value. */
  private product({ a, b, rank }: LowRankDelta, raw: string): string {
    const { from, axis } = this.spot;
    if (!from) {
      throw new RangeError(
        `No low-rank delta can be added to the value “${this.spot.name}”: what it starts from is not to be had there.`,
      );
    }
    const { value: type, from: fromType } = this.types;
    const inner = a.length / rank;
    const outer = b.length / rank;
    const low = this.times(from.name, this.factor('a', a, inner, rank), 'low');
    let product = this.times(low, this.factor('b', b, rank, outer), 'delta');
    if (type !== fromType) product = this.node('Cast', [product], 'cast', new Map([['to', { i: type }]]));
    if (!from.reshaped || axis !== -1) return product;
    return this.node('Reshape', [product, this.node('Shape', [raw], 'shape')], 'rows');
  }

  private times(value: string, factor: string, called: string): string {
    return this.node(this.spot.axis === -1 ? 'MatMul' : 'Conv', [value, factor], called);
  }

  private node(
    opType: string,
    inputs: readonly string[],
    called: string,
    attributes?: NewNode['attributes'],
  ): string {
    const output = this.edits.fresh(`${this.name}.${called}`);
    this.nodes.push({ opType, name: output, inputs, outputs: [output], ...(attributes && { attributes }) });
    return output;
  }

  private vector(called: string, values: Float32Array): string {
    const dims = [values.length, ...new Array<number>(-1 - this.spot.axis).fill(1)];
    return this.tensor(called, dims, values, this.types.value);
  }

  /** A factor [rows × cols]; of a convolution, transposed and with a kernel of one. */
  private factor(called: string, values: Float32Array, rows: number, cols: number): string {
    const { axis } = this.spot;
    if (axis === -1) return this.tensor(called, [rows, cols], values, this.types.from);
    const dims = [cols, rows, ...new Array<number>(-1 - axis).fill(1)];
    return this.tensor(called, dims, transpose(values, rows, cols), this.types.from);
  }

  private tensor(called: string, dims: readonly number[], values: Float32Array, dataType: number): string {
    const key = `${this.name}.${called} ${dataType} ${dims.join()}`;
    const known = this.added.get(key);
    if (known !== undefined) return known;
    const data = encodeFloats(values, dataType);
    const name = this.edits.add(`${this.name}.${called}`, { dataType, dims, data });
    this.added.set(key, name);
    return name;
  }
}

/** @throws RangeError with the size that was wrong */
function checkSizes(ffn: Ffn, place: OwnPlace, { scale, delta, shift }: ValueChange): void {
  const { dModel: d, dFf: n } = ffn;
  const size = place === 'out' ? d : n;
  const wrong = (what: string, length: number, wanted: number) => {
    if (length === wanted) return;
    throw new RangeError(`The ${what} of “${place}” has ${length} values where ${wanted} were expected.`);
  };
  if (scale) wrong('scale', scale.length, size);
  if (shift) wrong('shift', shift.length, size);
  if (!delta) return;
  if (place === 'hidden')
    throw new RangeError('Hidden units have no low-rank delta: they are not linear in X.');
  wrong('first factor', delta.a.length, delta.rank * (place === 'out' ? n : d));
  wrong('second factor', delta.b.length, delta.rank * size);
}

/** As the file records or implies them, else those of the weights around. */
function typesAt(view: View, spot: Spot): Types {
  const { scope, name, from, typedLike, fromTypedLike } = spot;
  const model = spot.part.model;
  const known = (value: string | undefined): number | undefined => {
    if (value === undefined) return undefined;
    for (let at: typeof scope | undefined = scope; at?.graph; at = at.parent) {
      const { graph } = at;
      if (graph === model.graph) return valueTypes(model).get(value);
      const recorded = [...graph.valueInfos, ...graph.outputs].find((v) => v.name === value)?.elemType;
      if (recorded !== undefined) return recorded;
    }
    return undefined;
  };
  const like = (weight: typeof typedLike) => floatTypeAt(model, placeOf(view, weight));
  return { value: known(name) ?? like(typedLike), from: known(from?.name) ?? like(fromTypedLike) };
}
