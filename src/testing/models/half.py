"""Models whose weights are float16 or bfloat16, as exported and as storage only.

Used by ../make-models.py. The CPU of onnxruntime has no bfloat16 operators, so that model is checked widened to f32:
its weights are exact in f32.
"""

import numpy as np
import onnx
from exporting import GPT2, GQA, IMAGE, NO_CACHE, case, group, ids, ids_and_mask, pixels, run
from handmade import D, F, stack
from onnx import TensorProto, numpy_helper


def widened(model):
    """A copy in which every bfloat16 tensor, Cast and value is f32."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)

    def tensor(t):
        if t.data_type == TensorProto.BFLOAT16:
            name = t.name
            t.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(t).astype(np.float32), name))
    for t in copy.graph.initializer:
        tensor(t)
    for n in copy.graph.node:
        for a in n.attribute:
            if a.HasField('t'):
                tensor(a.t)
            elif a.name in ('to', 'dtype', 'stash_type') and a.i == TensorProto.BFLOAT16:
                a.i = TensorProto.FLOAT
    del copy.graph.value_info[:]
    for v in [*copy.graph.input, *copy.graph.output]:
        if v.type.tensor_type.elem_type == TensorProto.BFLOAT16:
            v.type.tensor_type.elem_type = TensorProto.FLOAT
    return copy


def checked_widened(make):
    def made(name):
        proto, expected = make(name)
        return proto, dict(expected, _check=lambda: run(widened(proto)))
    return made


def stored_in_half(g, x, at, i):
    """float16 weights and biases behind a Cast: storage only, the computation is f32."""
    def cast(name, *shape, scale=None):
        return g('Cast', g.weight(name, *shape, dtype=np.float16, scale=scale), to=TensorProto.FLOAT)
    z = g('Add', g('MatMul', x, cast(f'{at}.up.weight', D, F)), cast(f'{at}.up.bias', F))
    w = g('Transpose', cast(f'{at}.down.weight', D, F, scale=0.2), perm=[1, 0])
    return g('Add', g('MatMul', g('Relu', z), w), cast(f'{at}.down.bias', D))


def stored(name):
    proto, expected = stack(stored_in_half)(name)
    return proto, dict(expected, dtype='float16')


HALF = {
    'gpt2-float16-dynamo': case('GPT2LMHeadModel', 'GPT2Config', dict(GPT2, n_layer=2), ids, [group(2, d_ff=64)],
                                extra=NO_CACHE, dynamic=True, to='float16'),
    'gpt2-float16-torchscript-17': case('GPT2LMHeadModel', 'GPT2Config', dict(GPT2, n_layer=2), ids_and_mask,
                                        [group(2, d_ff=64)], extra=NO_CACHE, opset=17, dynamo=False, dynamic=True,
                                        to='float16', short=True),
    'llama-bfloat16-dynamo': checked_widened(case('LlamaForCausalLM', 'LlamaConfig', dict(GQA, num_hidden_layers=2), ids,
                                                  [group(2, gated=True)], extra=NO_CACHE, to='bfloat16')),
    'vit-float16-torchscript': case('ViTForImageClassification', 'ViTConfig', dict(IMAGE, num_hidden_layers=2), pixels, [group(2)],
                                    opset=17, dynamo=False, to='float16', short=True),
    'float16-behind-cast': stored,
}
