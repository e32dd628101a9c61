/**
 * Matrix products by the runtime, through sessions of one Gemm node.
 *
 * Why: the runtime's wasm SIMD kernels are many times faster than JavaScript loops, and the CPU backend may use
 * any product that it is given (`Gemm` of kernels/backend.ts, which this matches). The model is some hundred bytes,
 * written here by hand.
 */
import type { Session, SessionFactory } from '../session.ts';

/** op(a)·op(b) of row-major f32 matrices; aRows × aCols is the shape as stored, before the transposition. */
export type RuntimeGemm = (
  a: Float32Array,
  aRows: number,
  aCols: number,
  b: Float32Array,
  bCols: number,
  transA: boolean,
  transB: boolean,
) => Promise<Float32Array>;

/** A product function on the factory's provider; sessions are made on first use, one for each transposition. */
export function createRuntimeGemm(factory: SessionFactory): RuntimeGemm {
  const sessions = new Map<string, Promise<Session>>();
  return async (a, aRows, aCols, b, bCols, transA, transB) => {
    const key = `${Number(transA)}${Number(transB)}`;
    let session = sessions.get(key);
    if (!session) {
      session = factory.create(gemmModel(transA, transB));
      sessions.set(key, session);
      // Where memory ran out there may be enough the next time.
      session.catch(() => sessions.delete(key));
    }
    const { y } = await (await session).run(
      {
        a: { type: 'float32', dims: [aRows, aCols], data: a },
        b: { type: 'float32', dims: [b.length / bCols, bCols], data: b },
      },
      ['y'],
    );
    const data = (await y.read()) as Float32Array;
    y.release();
    return data;
  };
}

/** An ONNX file with one node, y = Gemm(a, b). */
function gemmModel(transA: boolean, transB: boolean): Uint8Array {
  const text = (s: string) => [...new TextEncoder().encode(s)];
  const varint = (n: number): number[] => (n < 128 ? [n] : [(n & 127) | 128, ...varint(n >>> 7)]);
  const field = (id: number, bytes: number[]) => [(id << 3) | 2, ...varint(bytes.length), ...bytes];
  const flag = (name: string, on: boolean) =>
    field(5, [...field(1, text(name)), (3 << 3) | 0, Number(on), 160, 1, 2]);
  const node = [
    ...field(1, text('a')),
    ...field(1, text('b')),
    ...field(2, text('y')),
    ...field(4, text('Gemm')),
    ...flag('transA', transA),
    ...flag('transB', transB),
  ];
  // A tensor type of elem_type 1 (float) and two dimensions of unknown size.
  const type = field(1, [8, 1, ...field(2, [...field(1, []), ...field(1, [])])]);
  const value = (name: string) => [...field(1, text(name)), ...field(2, type)];
  const graph = [
    ...field(1, node),
    ...field(2, text('g')),
    ...field(11, value('a')),
    ...field(11, value('b')),
    ...field(12, value('y')),
  ];
  return Uint8Array.from([8, 8, ...field(7, graph), ...field(8, [16, 13])]);
}
