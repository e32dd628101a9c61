"""Quantized models: QDQ by onnxruntime's quantizers and weight only, MatMulNBits, and what cannot be merged.

Used by ../make-models.py. quantize_static puts QuantizeLinear and DequantizeLinear between the linear maps and makes
biases int32; the weight-only forms keep activations in f32. Blocks run along the input axis of a weight [in, out]; in
MatMulNBits B is [out, blocks, bytes] of unsigned values whose zero point is half the range unless one is given.

Each is run beside its f32 model. The entry's dtype is asserted to be that of the stored weights.
"""

import logging
import tempfile
from pathlib import Path

import numpy as np
import onnx
from exporting import GPT2, GQA, NO_CACHE, TEXT, case, difference, feeds, group, ids, ids_and_mask, run, session, shortened
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_dynamic, quantize_static
from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer
from onnxruntime.quantization.onnx_model import ONNXModel

logging.disable(logging.INFO)
logging.getLogger().setLevel(logging.ERROR)
LINEAR = ['MatMul', 'Gemm']


class Calibration(CalibrationDataReader):
    def __init__(self, model):
        s = session(model)
        self.batches = iter([feeds(s, seed) for seed in range(8)])

    def get_next(self):
        return next(self.batches, None)


def saved(quantize):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / 'model.onnx'
        quantize(path)
        return onnx.load(path)


def static(weights, activations, per_channel=False, form=QuantFormat.QDQ, types=LINEAR):
    def quantized(model):
        return saved(lambda path: quantize_static(
            model, path, Calibration(model), quant_format=form, op_types_to_quantize=types, per_channel=per_channel,
            activation_type=activations, weight_type=weights, extra_options={'ForceQuantizeNoInputCheck': False}))
    return quantized


def dynamic(model):
    wide = ONNXModel(model)
    wide.replace_gemm_with_matmul()
    return saved(lambda path: quantize_dynamic(wide.model, path, op_types_to_quantize=['MatMul'], weight_type=QuantType.QInt8))


def blocks(bits, symmetric, form=QuantFormat.QOperator):
    def quantized(model):
        wide = ONNXModel(model)
        wide.replace_gemm_with_matmul()
        q = MatMulNBitsQuantizer(wide.model, bits=bits, block_size=32, is_symmetric=symmetric, quant_format=form)
        q.process()
        return q.model.model
    return quantized


def weight_only(signed, transposed):
    """Weights per output unit: int8 without zero point, or uint8 with one; [in, out], or [out, in] and a Transpose."""
    def quantized(model):
        graph, constants = model.graph, {t.name: t for t in model.graph.initializer}
        nodes, done = [], {}
        for node in graph.node:
            w = constants.get(node.input[1]) if node.op_type in LINEAR else None
            if w is not None:
                flipped = any(a.name == 'transB' and a.i for a in node.attribute)
                if w.name not in done:
                    values = numpy_helper.to_array(w)
                    out = 0 if flipped else 1
                    if transposed:
                        values, out = values.T, 1 - out
                    low, high = np.minimum(values.min(1 - out), 0), np.maximum(values.max(1 - out), 0)
                    scale = np.maximum(-low, high) / 127 if signed else (high - low) / 255
                    scale = scale.astype(np.float32)
                    zero = np.zeros_like(scale) if signed else np.round(-low / scale)
                    spread = (scale, zero) if out == 1 else (scale[:, None], zero[:, None])
                    kind, limits = (np.int8, (-127, 127)) if signed else (np.uint8, (0, 255))
                    stored = np.clip(np.round(values / spread[0]) + spread[1], *limits).astype(kind)
                    parts = {'quantized': stored, 'scale': scale} | ({} if signed else {'zero_point': zero.astype(kind)})
                    names = [f'{w.name}_{p}' for p in parts]
                    graph.initializer.extend(numpy_helper.from_array(v, n) for n, v in zip(names, parts.values()))
                    done[w.name] = f'{w.name}_dequantized'
                    nodes.append(helper.make_node('DequantizeLinear', names, [done[w.name]], f'{w.name}_dequantize', axis=out))
                    if transposed:
                        nodes.append(helper.make_node('Transpose', [done[w.name]], [f'{w.name}_t'], f'{w.name}_transpose', perm=[1, 0]))
                        done[w.name] = f'{w.name}_t'
                node.input[1] = done[w.name]
            nodes.append(node)
        kept = [onnx.NodeProto.FromString(n.SerializeToString()) for n in nodes]
        del graph.node[:]
        graph.node.extend(kept)
        read = {i for n in kept for i in n.input}
        left = [t for t in graph.initializer if t.name in read]
        del graph.initializer[:]
        graph.initializer.extend(left)
        return model
    return quantized


STORED = {'int8': {TensorProto.INT8}, 'uint8': {TensorProto.UINT8}, 'int4': {TensorProto.INT4},
          'uint4': {TensorProto.UINT4, TensorProto.UINT8}}  # MatMulNBits packs two of them in a byte


def quantized(original, how, dtype, tolerance, operator, refusals=()):
    """`operator` must be there as often as the FFNs' linear maps, or more."""
    def make(name):
        plain, expected = original(name)
        want = run(plain)
        proto = how(onnx.ModelProto.FromString(plain.SerializeToString()))
        linear = sum(f['layers'] * (3 if f['gated'] else 2) for f in expected['groups'])
        assert sum(n.op_type == operator for n in proto.graph.node) >= linear, f'too few {operator}'
        large = [t for t in proto.graph.initializer if np.prod(t.dims) >= 256 and t.data_type != TensorProto.FLOAT]
        assert large and all(t.data_type in STORED[dtype] for t in large), [(t.name, t.data_type) for t in large]
        proto = shortened(proto)
        got = run(proto)
        for o in want:
            print(f'  {o} differs by {difference(got[o], want[o]):.3g} of its maximum')
            assert 0 < difference(got[o], want[o]) < tolerance, difference(got[o], want[o])
        if refusals:
            return proto, dict(groups=[], refusals=list(refusals))
        return proto, dict(expected, dtype=dtype)
    return make


def refusal(kind, operator):
    return (f'The linear maps of this model are quantized{kind} ({operator}), which cannot be merged; drop the model '
            'before quantization (model.onnx or model_fp16.onnx) instead.')


def gpt2(wide=False, d_ff=64):
    """`wide` models have d_model 32: one block of MatMulNBits."""
    width = 32 if wide else 16
    sizes = dict(GPT2, n_layer=2, n_embd=width, n_inner=d_ff)
    return case('GPT2LMHeadModel', 'GPT2Config', sizes, ids, [group(2, width, d_ff)], extra=NO_CACHE, dynamic=True)


def llama(wide=False):
    width, d_ff = (32, 64) if wide else (16, 40)
    sizes = dict(GQA, num_hidden_layers=2, hidden_size=width, intermediate_size=d_ff)
    return case('LlamaForCausalLM', 'LlamaConfig', sizes, ids, [group(2, width, d_ff, True)], extra=NO_CACHE, dynamic=True)


def bert():
    return case('BertModel', 'BertConfig', dict(TEXT, num_hidden_layers=2), ids_and_mask, [group(2)],
                pick='last_hidden_state', opset=18)


DQ, BITS = 'DequantizeLinear', 'MatMulNBits'
INT8, UINT8 = QuantType.QInt8, QuantType.QUInt8
QUANTIZED = {
    'gpt2-qdq-int8-per-tensor': quantized(gpt2(), static(INT8, INT8), 'int8', 0.15, DQ),
    'gpt2-qdq-int8-per-channel': quantized(gpt2(), weight_only(True, False), 'int8', 0.05, DQ),
    'gpt2-qdq-uint8': quantized(gpt2(), static(UINT8, UINT8), 'uint8', 0.15, DQ),
    'bert-qdq-int8-static': quantized(bert(), static(INT8, UINT8, True), 'int8', 0.15, DQ),
    'llama-qdq-uint8-transposed': quantized(llama(), weight_only(False, True), 'uint8', 0.05, DQ),
    'gpt2-qdq-int4-blocks': quantized(gpt2(True), blocks(4, True, QuantFormat.QDQ), 'int4', 0.5, DQ),
    'llama-qdq-uint4-blocks': quantized(llama(True), blocks(4, False, QuantFormat.QDQ), 'uint4', 0.5, DQ),
    'gpt2-matmulnbits-4': quantized(gpt2(True), blocks(4, True), 'uint4', 0.5, BITS),
    'gpt2-matmulnbits-4-asymmetric': quantized(gpt2(True, 80), blocks(4, False), 'uint4', 0.5, BITS),
    'gpt2-matmulnbits-8': quantized(gpt2(True), blocks(8, True), 'uint8', 0.05, BITS),
    'llama-matmulnbits-4': quantized(llama(True), blocks(4, False), 'uint4', 0.5, BITS),
    'gpt2-dynamic-int8': quantized(gpt2(), dynamic, 'int8', 0.15, 'MatMulInteger',
                                   [refusal(' dynamically', 'MatMulInteger')]),
    'bert-qlinear-int8': quantized(bert(), static(INT8, INT8, False, QuantFormat.QOperator, ['MatMul']), 'int8', 0.15,
                                   'QLinearMatMul', [refusal('', 'QLinearMatMul')]),
}
