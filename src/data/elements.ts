/** Values as tensors of the element type that an input takes. */
import type { HostTensor } from '../runtime/session.ts';
import { DataType } from '../tensor/dtype.ts';
import { toHalf } from '../tensor/half.ts';

export type Values = ArrayLike<number | bigint>;

/** What can be fed: whether it takes whole numbers only, and how it is made. */
const MAKERS: Readonly<
  Record<number, { type: HostTensor['type']; whole?: true; make(v: Values): HostTensor['data'] }>
> = {
  [DataType.float]: { type: 'float32', make: (v) => Float32Array.from(v, Number) },
  [DataType.double]: { type: 'float64', make: (v) => Float64Array.from(v, Number) },
  [DataType.float16]: { type: 'float16', make: (v) => Uint16Array.from(v, (x) => toHalf(Number(x))) },
  [DataType.int64]: {
    type: 'int64',
    whole: true,
    make: (v) => BigInt64Array.from(v as ArrayLike<number>, (x) => BigInt(x)),
  },
  [DataType.int32]: { type: 'int32', whole: true, make: (v) => Int32Array.from(v, Number) },
  [DataType.uint8]: { type: 'uint8', whole: true, make: (v) => Uint8Array.from(v, Number) },
  [DataType.bool]: { type: 'bool', make: (v) => Uint8Array.from(v, (x) => (Number(x) === 0 ? 0 : 1)) },
};

export function canFeed(elemType: number): boolean {
  return MAKERS[elemType] !== undefined;
}

/** Whether only whole numbers fit. */
export function isWhole(elemType: number): boolean {
  return MAKERS[elemType]?.whole === true;
}

/** @param elemType one that `canFeed` knows */
export function tensorOf(elemType: number, dims: readonly number[], values: Values): HostTensor {
  const { type, make } = MAKERS[elemType];
  return { type, dims, data: make(values) };
}
