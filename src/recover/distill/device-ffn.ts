/**
 * A tied FFN whose parameters live on the device: its loss on a minibatch, and the gradients, by the backend's calls.
 *
 *   L = Σᵢ ‖Ŷᵢ − Yᵢ‖² / (T·vᵢ)
 *   E = 2(Ŷ − Y)/(T·v);  ∂W_out = (H⊙s)ᵀE;  ∂b_out = Σₜ E;  ∂(H⊙s) = E·W_outᵀ;  ∂s = Σₜ ∂(H⊙s)⊙H;  ∂H = ∂(H⊙s)⊙s
 *   plain: ∂Z = ∂H⊙φ′(Z);  gated: ∂Z = ∂H⊙φ(G), ∂G = ∂H⊙Z⊙φ′(G)
 *   ∂γ = Σₜ ∂Z⊙(X·W_in);  ∂b_in = Σₜ ∂Z;  ∂W_in = Xᵀ(∂Z⊙γ);  the same for the gate.
 * A low-rank delta adds A·a·b to a product of A (X, or H⊙s): ∂b = (A·a)ᵀD, ∂a = Aᵀ(D·bᵀ), and ∂A gets (D·bᵀ)·aᵀ, D the
 * slopes of what it is added to.
 *
 * Work matrices are made on first use and kept, so that a step allocates nothing but its minibatch. Memory: parameters
 * and gradients once, and up to eight matrices [T × n]; layers go one after the other.
 */
import type { Backend, Matrix } from '../../kernels/backend.ts';
import type { CalibrationBatch } from '../calibration.ts';
import type { Dense } from '../linear-algebra.ts';
import {
  type DeltaRole,
  deltaRoles,
  type LayerOwn,
  type TiedFfn,
  type VectorRole,
  vectorRoles,
} from '../tied-ffn.ts';

/** A matrix or vector that is trained. Tied vectors are one parameter. */
export interface Parameter {
  readonly value: Matrix;
  readonly gradient: Matrix;
}

/** The work matrices of one layer's pass, as the backward half needs them. */
interface Pass {
  readonly x: Matrix;
  readonly rawIn: Matrix;
  readonly rawGate: Matrix | null;
  readonly z: Matrix;
  readonly g: Matrix | null;
  readonly hidden: Matrix;
  readonly scaled: Matrix;
  readonly output: Matrix;
}

export class DeviceFfn {
  private readonly backend: Backend;
  private readonly ffn: TiedFfn;
  private readonly powers: readonly number[];
  private readonly byArray = new Map<Float32Array, Parameter>();
  private readonly work = new Map<string, Matrix>();
  /** Gradients that this step has written: what comes next is added. */
  private readonly begun = new Set<Parameter>();

  /** @param powers vᵢ, one a layer */
  constructor(backend: Backend, ffn: TiedFfn, powers: readonly number[]) {
    this.backend = backend;
    this.ffn = ffn;
    this.powers = powers;
    const { wIn, wGate, wOut } = ffn.shared;
    for (const matrix of wGate ? [wIn, wGate, wOut] : [wIn, wOut]) this.hold(matrix);
    for (const layer of ffn.layers) {
      for (const role of vectorRoles) {
        const data = layer[role];
        if (data) this.hold({ rows: 1, cols: data.length, data });
      }
      for (const role of deltaRoles) {
        const delta = layer[role];
        if (delta) for (const matrix of [delta.a, delta.b]) this.hold(matrix);
      }
    }
  }

  get parameters(): Iterable<Parameter> {
    return this.byArray.values();
  }

  /** L on a batch; changes nothing. */
  async loss(batch: CalibrationBatch): Promise<number> {
    const { backend, ffn, powers } = this;
    const { cols } = batch.y[0];
    const [own, total] = [this.take('loss of a layer', 1, cols), this.take('loss', 1, cols)];
    for (let i = 0; i < ffn.layers.length; i++) {
      await this.with([batch.x[i], batch.y[i]], async ([x, y]) => {
        const { output } = await this.forward(i, x);
        await backend.squaredErrors(output, y, { along: 'columns', into: own });
        await backend.axpy(own, total, 1 / (x.rows * powers[i]), Number(i > 0));
      });
    }
    return (await backend.read(total)).reduce((sum, v) => sum + v, 0);
  }

  /** Leaves ∂L of a batch in the gradients of all parameters. */
  async gradients(batch: CalibrationBatch): Promise<void> {
    this.begun.clear();
    for (let i = 0; i < this.ffn.layers.length; i++) {
      await this.with([batch.x[i], batch.y[i]], async ([x, y]) => {
        const pass = await this.forward(i, x);
        const factor = 2 / (x.rows * this.powers[i]);
        await this.backend.axpy(y, pass.output, -factor, factor);
        await this.backward(i, pass);
      });
    }
  }

  /** The gradient of the parameter that an array of the FFN started, read back. */
  async gradientOf(start: Float32Array): Promise<Float32Array> {
    return this.backend.read(this.parameter(start).gradient);
  }

  /** A copy of the parameters as they are; what was tied stays tied. */
  async read(): Promise<TiedFfn> {
    const copies = new Map<Float32Array, Float32Array>();
    for (const [start, { value }] of this.byArray) copies.set(start, await this.backend.read(value));
    const { activation, shared, layers } = this.ffn;
    const copy = (m: Dense): Dense => ({ ...m, data: copies.get(m.data)! });
    const { wIn, wGate, wOut } = shared;
    return {
      activation,
      shared: { wIn: copy(wIn), ...(wGate && { wGate: copy(wGate) }), wOut: copy(wOut) },
      layers: layers.map((layer): LayerOwn => {
        const vectors = vectorRoles.flatMap((role) => {
          const start = layer[role];
          return start ? [[role, copies.get(start)] as const] : [];
        });
        const deltas = deltaRoles.flatMap((role) => {
          const delta = layer[role];
          return delta ? [[role, { a: copy(delta.a), b: copy(delta.b) }] as const] : [];
        });
        return Object.fromEntries<unknown>([...vectors, ...deltas]);
      }),
    };
  }

  release(): void {
    for (const { value, gradient } of this.byArray.values()) this.backend.release(value, gradient);
    this.backend.release(...this.work.values());
    this.byArray.clear();
    this.work.clear();
  }

  private async forward(layer: number, x: Matrix): Promise<Pass> {
    const { backend, ffn } = this;
    const { wIn, wGate, wOut } = ffn.shared;
    const [t, n] = [x.rows, wIn.cols];
    const rawIn = await backend.matmul(x, this.value(wIn.data), { into: this.take('rawIn', t, n) });
    const z = await this.affine(rawIn, layer, 'inScale', 'bIn');
    await this.addDelta(layer, 'inDelta', x, z);
    let [rawGate, g]: (Matrix | null)[] = [null, null];
    let hidden = this.take('hidden', t, n);
    if (wGate) {
      rawGate = await backend.matmul(x, this.value(wGate.data), { into: this.take('rawGate', t, n) });
      g = await this.affine(rawGate, layer, 'gateScale', 'bGate');
      await this.addDelta(layer, 'gateDelta', x, g);
      hidden = await backend.gated(ffn.activation, g, z, hidden);
    } else {
      hidden = await backend.activate(ffn.activation, z, hidden);
    }
    const s = this.vector(layer, 'hiddenScale');
    const scaled = s ? await backend.columnAffine(hidden, s.value, null, this.take('scaled', t, n)) : hidden;
    const output = await backend.matmul(scaled, this.value(wOut.data), {
      into: this.take('output', t, wOut.cols),
    });
    await this.addDelta(layer, 'outDelta', scaled, output);
    const b = this.vector(layer, 'bOut');
    if (b) await backend.columnAffine(output, null, b.value, output);
    return { x, rawIn, rawGate, z, g, hidden, scaled, output };
  }

  /** @param pass whose output is E already */
  private async backward(layer: number, pass: Pass): Promise<void> {
    const { backend, ffn } = this;
    const { x, rawIn, rawGate, z, g, hidden, scaled, output: error } = pass;
    const { wIn, wGate, wOut } = ffn.shared;
    const [t, n] = [x.rows, wIn.cols];
    await this.addProduct(wOut.data, scaled, error);
    await this.addColumns(layer, 'bOut', error, null);
    const back = await backend.matmul(error, this.value(wOut.data), {
      transposeB: true,
      into: this.take('back', t, n),
    });
    await this.backThroughDelta(layer, 'outDelta', scaled, error, back);
    await this.addColumns(layer, 'hiddenScale', back, hidden);
    const s = this.vector(layer, 'hiddenScale');
    if (s) await backend.columnAffine(back, s.value, null, back);
    const du = this.take('du', t, n);
    if (g && wGate && rawGate) {
      const dg = this.take('dg', t, n);
      await backend.gatedBackward(ffn.activation, g, z, back, { dg, du });
      await this.backThroughDelta(layer, 'gateDelta', x, dg, null);
      await this.project(layer, 'gateScale', 'bGate', wGate, x, rawGate, dg);
    } else {
      await backend.activateBackward(ffn.activation, z, back, du);
    }
    await this.backThroughDelta(layer, 'inDelta', x, du, null);
    await this.project(layer, 'inScale', 'bIn', wIn, x, rawIn, du);
  }

  /** Gradients of one projection by those of its pre-activations, which are overwritten. */
  private async project(
    layer: number,
    scaleRole: VectorRole,
    biasRole: VectorRole,
    w: Dense,
    x: Matrix,
    raw: Matrix,
    slopes: Matrix,
  ): Promise<void> {
    await this.addColumns(layer, scaleRole, slopes, raw);
    await this.addColumns(layer, biasRole, slopes, null);
    const scale = this.vector(layer, scaleRole);
    if (scale) await this.backend.columnAffine(slopes, scale.value, null, slopes);
    await this.addProduct(w.data, x, slopes);
  }

  /** to += A·a·b, where the layer has the delta. */
  private async addDelta(layer: number, role: DeltaRole, from: Matrix, to: Matrix): Promise<void> {
    const delta = this.ffn.layers[layer][role];
    if (!delta) return;
    const inner = this.take(role, from.rows, delta.a.cols);
    await this.backend.matmul(from, this.value(delta.a.data), { into: inner });
    await this.backend.matmul(inner, this.value(delta.b.data), { into: to, accumulate: true });
  }

  /**
   * Gradients of a delta by the slopes of what it was added to.
   * @param back += those of A, where given
   */
  private async backThroughDelta(
    layer: number,
    role: DeltaRole,
    from: Matrix,
    slopes: Matrix,
    back: Matrix | null,
  ): Promise<void> {
    const delta = this.ffn.layers[layer][role];
    if (!delta) return;
    const [a, b] = [this.value(delta.a.data), this.value(delta.b.data)];
    // As `addDelta` left it: A·a.
    await this.addProduct(delta.b.data, this.take(role, from.rows, a.cols), slopes);
    const inner = await this.backend.matmul(slopes, b, {
      transposeB: true,
      into: this.take(`${role} slopes`, from.rows, a.cols),
    });
    await this.addProduct(delta.a.data, from, inner);
    if (back) await this.backend.matmul(inner, a, { transposeB: true, into: back, accumulate: true });
  }

  /** raw ⊙ scale + bias: beside it where a scale will need it again, else in its place. */
  private async affine(raw: Matrix, layer: number, scaleRole: VectorRole, biasRole: VectorRole) {
    const [scale, bias] = [this.vector(layer, scaleRole), this.vector(layer, biasRole)];
    if (!scale && !bias) return raw;
    const out = scale ? this.take(scaleRole, raw.rows, raw.cols) : raw;
    return this.backend.columnAffine(raw, scale?.value ?? null, bias?.value ?? null, out);
  }

  /** The gradient of a matrix += leftᵀ · right. */
  private async addProduct(start: Float32Array, left: Matrix, right: Matrix): Promise<void> {
    const parameter = this.parameter(start);
    await this.backend.matmul(left, right, {
      transposeA: true,
      into: parameter.gradient,
      accumulate: this.continues(parameter),
    });
  }

  /** The gradient of a vector, where the layer has it, += the column sums of x, or of x ⊙ y. */
  private async addColumns(layer: number, role: VectorRole, x: Matrix, y: Matrix | null): Promise<void> {
    const parameter = this.vector(layer, role);
    if (!parameter) return;
    const accumulate = this.continues(parameter);
    await this.backend.sums(x, y, { along: 'columns', into: parameter.gradient, accumulate });
  }

  /** Whether the gradient holds a part already; from now on it does. */
  private continues(parameter: Parameter): boolean {
    const before = this.begun.has(parameter);
    this.begun.add(parameter);
    return before;
  }

  private hold({ rows, cols, data }: Dense): void {
    if (this.byArray.has(data)) return;
    const value = this.backend.upload(data, rows, cols);
    this.byArray.set(data, { value, gradient: this.backend.zeros(rows, cols) });
  }

  private parameter(start: Float32Array): Parameter {
    return this.byArray.get(start)!;
  }

  private value(start: Float32Array): Matrix {
    return this.parameter(start).value;
  }

  private vector(layer: number, role: VectorRole): Parameter | undefined {
    const start = this.ffn.layers[layer][role];
    return start && this.byArray.get(start);
  }

  /** A work matrix by name and shape; what it held is gone. */
  private take(name: string, rows: number, cols: number): Matrix {
    const key = `${name} ${rows}×${cols}`;
    const known = this.work.get(key) ?? this.backend.zeros(rows, cols);
    this.work.set(key, known);
    return known;
  }

  private async with(inputs: readonly Dense[], use: (on: readonly Matrix[]) => Promise<void>): Promise<void> {
    const on = inputs.map(({ data, rows, cols }) => this.backend.upload(data, rows, cols));
    try {
      await use(on);
    } finally {
      this.backend.release(...on);
    }
  }
}
