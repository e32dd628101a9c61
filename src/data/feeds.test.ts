/** Inputs filled by name, types and shapes; arrays given beside other data; caches in onnxruntime. */
import { describe, expect, test } from 'vitest';
import { loadNodeFactory } from '../runtime/ort/node.ts';
import { DataType } from '../tensor/dtype.ts';
import { buildModel, f32, i64, input, node, output } from '../testing/onnx-builder.ts';
import { readExtras } from './extras.ts';
import { planFeeds, type TensorInput } from './feeds.ts';

const of = (name: string, dims?: TensorInput['dims'], elemType: number = DataType.int64): TensorInput => ({
  name,
  elemType,
  ...(dims && { dims }),
});
const tokens = { ids: Int32Array.of(5, 6, 7, 8, 9, 0), length: 3, real: Uint8Array.of(1, 1, 1, 1, 1, 0) };

describe('inputs are filled by their names', () => {
  const values = (tensor: TensorInput, parts = { items: 2, tokens }) => {
    const made = planFeeds([tensor], ['tokens']).make(parts)[tensor.name];
    return [made.type, made.dims, Array.from(made.data as ArrayLike<number | bigint>, Number)];
  };
  test.each([
    [of('input_ids', ['b', 't']), 'int64', [2, 3], [5, 6, 7, 8, 9, 0]],
    [of('input_ids', ['b', 't'], DataType.int32), 'int32', [2, 3], [5, 6, 7, 8, 9, 0]],
    [of('attention_mask', ['b', 't'], DataType.float), 'float32', [2, 3], [1, 1, 1, 1, 1, 0]],
    [of('attention_mask', undefined, DataType.bool), 'bool', [2, 3], [1, 1, 1, 1, 1, 0]],
    [of('encoder_attention_mask'), 'int64', [2, 3], [1, 1, 1, 1, 1, 0]],
    [of('position_ids', ['b', 't']), 'int64', [2, 3], [0, 1, 2, 0, 1, 2]],
    [of('position_ids', [1, 't']), 'int64', [1, 3], [0, 1, 2]],
    [of('position_ids', ['t']), 'int64', [3], [0, 1, 2]],
    [of('token_type_ids', ['b', 't']), 'int64', [2, 3], [0, 0, 0, 0, 0, 0]],
    [of('cache_position', ['t']), 'int64', [3], [0, 1, 2]],
    [of('use_cache_branch', [1], DataType.bool), 'bool', [1], [0]],
    [of('num_logits_to_keep', []), 'int64', [], [0]],
  ])('%j', (tensor, type, dims, expected) => {
    expect(values(tensor)).toEqual([type, dims, expected]);
  });

  test('of a decoder, and of an encoder beside it', () => {
    const inputs = ['input_ids', 'attention_mask', 'decoder_input_ids', 'decoder_attention_mask'].map((n) =>
      of(n, ['b', 't']),
    );
    const decoder = { ids: Int32Array.of(1, 2, 1, 0), length: 2, real: Uint8Array.of(1, 1, 1, 0) };
    const feeds = planFeeds(inputs, ['tokens', 'decoder']).make({ items: 2, tokens, decoder });
    expect(feeds.decoder_input_ids.data).toEqual(BigInt64Array.of(1n, 2n, 1n, 0n));
    expect(feeds.decoder_attention_mask.data).toEqual(BigInt64Array.of(1n, 1n, 1n, 0n));
    expect(feeds.attention_mask.dims).toEqual([2, 3]);
  });

  test('but for those that are not understood, or of the wrong rank', () => {
    const inputs = [
      of('inputs_embeds', ['b', 't', 8], DataType.float),
      of('attention_mask', ['b', 1, 't', 't'], DataType.float),
      of('decoder_input_ids', ['b', 't']),
      of('input_ids', ['b', 't'], DataType.string),
      of('past_key_values.0.key', ['b', 2, 128, 8], DataType.float),
    ];
    expect(planFeeds(inputs, ['tokens']).foreign).toEqual(inputs);
  });
});

describe('empty caches', () => {
  const shapes = (dims: TensorInput['dims'], config = {}, elemType: number = DataType.float) => {
    const plan = planFeeds([of('past_key_values.3.value', dims, elemType)], ['tokens'], config);
    if (plan.unsized.length > 0) return 'unsized';
    const { type, dims: made, data } = plan.make({ items: 2, tokens })['past_key_values.3.value'];
    expect(data).toHaveLength(made.reduce((n, d) => n * d, 1));
    return [type, ...made];
  };
  const gpt2 = { n_head: 12, n_embd: 768 };
  const llama = { num_attention_heads: 32, num_key_value_heads: 8, hidden_size: 4096, head_dim: 100 };
  test.each([
    [['batch_size', 2, 'past_sequence_length', 8], {}, ['float32', 2, 2, 0, 8]],
    [['batch_size', 'num_heads', 'past_sequence_length', 'head_dim'], gpt2, ['float32', 2, 12, 0, 64]],
    [[null, null, null, null], llama, ['float32', 2, 8, 0, 100]],
    [['a', 4, 'b', 16], {}, ['float32', 2, 4, 0, 16]],
    [[2, 'batch', 4, 'past', 16], {}, ['float32', 2, 2, 4, 0, 16]],
    [['batch', 'past_seq', 128], { multi_query: true, ...gpt2 }, ['float32', 2, 0, 128]],
    [['batch_size * num_heads', 'past_sequence_length', 16], gpt2, ['float32', 24, 0, 16]],
    [['batch', 2, 0, 8], {}, ['float32', 2, 2, 0, 8]],
    [
      ['batch', 'heads', 'encoder_sequence_length', 'dim'],
      { decoder_attention_heads: 4, d_model: 32, d_kv: 64 },
      ['float32', 2, 4, 0, 64],
    ],
    [['batch', null, 'past', 64], { text_config: { num_attention_heads: 3 } }, ['float32', 2, 3, 0, 64]],
    [['batch', 'heads', 'past', 'dim'], {}, 'unsized'],
  ])('%j with %j', (dims, config, expected) => {
    expect(shapes(dims, config)).toEqual(expected);
  });

  test('are of the graph’s type', () => {
    expect(shapes(['b', 2, 'past', 8], {}, DataType.float16)).toEqual(['float16', 2, 2, 0, 8]);
  });

  test('change nothing for the runtime', async () => {
    const model = buildModel({
      opset: 17,
      inputs: [
        input('input_ids', 'int64', ['batch', 'length']),
        input('past_key_values.0.key', 'float', ['batch', 2, 'past', 4]),
      ],
      outputs: [output('keys', 'float', ['batch', 2, 'total', 4])],
      initializers: [
        f32(
          'table',
          [3, 8],
          Array.from({ length: 24 }, (_, k) => k),
        ),
        i64('shape', [4], [0, 0, 2, 4]),
      ],
      nodes: [
        node('Gather', ['table', 'input_ids'], ['rows']),
        node('Reshape', ['rows', 'shape'], ['split']),
        node('Transpose', ['split'], ['own'], { perm: [0, 2, 1, 3] }),
        node('Concat', ['past_key_values.0.key', 'own'], ['keys'], { axis: 2 }),
      ],
    });
    const session = await (await loadNodeFactory()).create(model);
    const inputs = [
      of('input_ids', ['b', 't']),
      of('past_key_values.0.key', ['batch', 2, 'past', 4], DataType.float),
    ];
    const ids = { ids: Int32Array.of(2, 0), length: 2 };
    const { keys } = await session.run(planFeeds(inputs, ['tokens']).make({ items: 1, tokens: ids }), [
      'keys',
    ]);
    expect(keys.dims).toEqual([1, 2, 2, 4]);
    expect([...((await keys.read()) as Float32Array)]).toEqual([
      16, 17, 18, 19, 0, 1, 2, 3, 20, 21, 22, 23, 4, 5, 6, 7,
    ]);
    await session.release();
  });
});

describe('arrays beside other data', () => {
  const npy = (name: string, shape: number[], values: number[], descr = '<f4') => {
    const header = `{'descr': '${descr}', 'fortran_order': False, 'shape': (${shape.join(', ')},), }`.padEnd(
      118,
    );
    const start = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0, 118, 0];
    const bytes = new Uint8Array(Float32Array.from(values).buffer);
    return Object.assign(new Blob([Uint8Array.from([...start, ...Buffer.from(header), ...bytes])]), { name });
  };
  const x = of('x', ['n', 2], DataType.float);
  const counts = { calibrate: 2, select: 1, report: 1 };
  const read = async (...files: ReturnType<typeof npy>[]) => (await readExtras(files, [x])).extras;

  test('of one row go with every item; of a row an item, each with its own', async () => {
    const one = await read(npy('x.npy', [1, 2], [1, 2]));
    one.check(counts);
    expect(one.feeds(3, counts, { split: 'report', rows: [0, 0, 0] }).x).toEqual({
      type: 'float32',
      dims: [3, 2],
      data: Float32Array.of(1, 2, 1, 2, 1, 2),
    });
    const each = await read(npy('x.npy', [4, 2], [0, 1, 2, 3, 4, 5, 6, 7]));
    each.check(counts);
    expect(each.feeds(2, counts, { split: 'calibrate', rows: [1, 0] }).x.data).toEqual(
      Float32Array.of(2, 3, 0, 1),
    );
    expect(each.feeds(1, counts, { split: 'report', rows: [0] }).x.data).toEqual(Float32Array.of(6, 7));
  });

  test('by split, and a fixed shape as it is', async () => {
    const split = await read(
      npy('calibrate-x.npy', [2, 2], [0, 1, 2, 3]),
      npy('select-x.npy', [1, 2], [4, 5]),
      npy('report-x.npy', [1, 2], [6, 7]),
    );
    split.check(counts);
    expect(split.feeds(1, counts, { split: 'report', rows: [0] }).x.data).toEqual(Float32Array.of(6, 7));
    const fixed = { ...x, dims: [3, 2] };
    const { extras } = await readExtras([npy('x.npy', [3, 2], [1, 2, 3, 4, 5, 6])], [fixed]);
    extras.check(counts);
    expect(extras.feeds(8, counts).x.dims).toEqual([3, 2]);
  });

  test('that do not fit are refused, and missing ones told', async () => {
    expect((await readExtras([], [x])).missing).toEqual([x]);
    const three = await read(npy('x.npy', [3, 2], [0, 1, 2, 3, 4, 5]));
    expect(() => three.check(counts)).toThrow(
      '“x.npy” has 3 rows, but there are 4 items. Give one row for all of them, or one an item.',
    );
    const half = await read(npy('select-x.npy', [1, 2], [0, 1]));
    expect(() => half.check(counts)).toThrow('nothing for “x” in the split calibrate');
    await expect(read(npy('x.npy', [2, 3], [0, 1, 2, 3, 4, 5]))).rejects.toThrow(
      '“x.npy” has shape (2, 3), but the input “x” takes n×2.',
    );
  });
});
