"""Models written by hand: operators that onnxruntime's optimizer fuses, and graphs that must be refused.

Used by ../make-models.py. Each is a stack of residual layers x + A(x) + FFN(norm(..)), A one linear map that stands
for attention's output projection; what differs is how the FFN is written.
"""

import numpy as np
from onnx import TensorProto, helper, numpy_helper

D, F = 16, 40
MS = 'com.microsoft'


class Graph:
    def __init__(self, name, layers, opset):
        self.random = np.random.default_rng(sum(map(ord, name)))
        self.layers, self.opset = layers, opset
        self.nodes, self.initializers, self.outputs, self.functions, self.domains = [], [], [], [], {}
        self.count = 0

    def weight(self, name, *shape, constant=False, dtype=np.float32, scale=None):
        values = self.random.normal(0, scale or (shape[0] ** -0.5 if len(shape) > 1 else 0.3), shape)
        tensor = numpy_helper.from_array(values.astype(dtype), name)
        if constant:
            self.nodes.append(helper.make_node('Constant', [], [name], value=tensor))
        else:
            self.initializers.append(tensor)
        return name

    def ints(self, *values):
        self.count += 1
        name = f'ints_{self.count}'
        self.initializers.append(numpy_helper.from_array(np.array(values, np.int64), name))
        return name

    def number(self, value):
        self.count += 1
        name = f'number_{self.count}'
        self.initializers.append(numpy_helper.from_array(np.array(value, np.float32), name))
        return name

    def __call__(self, op, *inputs, outputs=1, domain='', **attributes):
        self.count += 1
        names = [f'v{self.count}'] if outputs == 1 else [f'v{self.count}_{i}' for i in range(outputs)]
        self.nodes.append(helper.make_node(op, inputs, names, domain=domain, **attributes))
        if domain:
            self.domains[domain] = 1
        return names[0] if outputs == 1 else names

    def model(self, x, dtype=TensorProto.FLOAT):
        final = self('Identity', x)
        outputs = [final, *self.outputs]
        info = [helper.make_tensor_value_info(o, dtype, None) for o in outputs]
        source = helper.make_tensor_value_info('x', dtype, ['batch', 'length', D])
        graph = helper.make_graph(self.nodes, 'handmade', [source], info, self.initializers)
        opsets = [helper.make_opsetid('', self.opset)] + [helper.make_opsetid(d, 1) for d in self.domains]
        return helper.make_model(graph, opset_imports=opsets, functions=self.functions, ir_version=9)


def plain(g, x, at, act, bias=True, last_bias=True):
    z = g('MatMul', x, g.weight(f'{at}.up.weight', D, F))
    if bias:
        z = g('Add', z, g.weight(f'{at}.up.bias', F))
    y = g('MatMul', act(z), g.weight(f'{at}.down.weight', F, D))
    return g('Add', y, g.weight(f'{at}.down.bias', D)) if last_bias else y


def stack(ffn, groups=None, refusals=(), layers=3, opset=17, gated=False, dtype=np.float32, stored=None):
    """`ffn(g, x, at, layer)` writes one FFN; the groups follow from its size. `stored`: how its weights are kept."""
    def make(name):
        g = Graph(name, layers, opset)
        x = 'x'
        for i in range(layers):
            at = f'layers.{i}'
            attention = g('MatMul', x, g.weight(f'{at}.attention.weight', D, D, dtype=dtype))
            x = g('Add', x, attention)
            x = g('Add', x, ffn(g, x, f'{at}.mlp', i))
        kind = TensorProto.FLOAT16 if dtype == np.float16 else TensorProto.FLOAT
        found = [dict(layers=layers, dModel=D, dFf=F, gated=gated)] if groups is None else groups
        said = [s.replace('#', str(i)) for i in range(layers) for s in refusals] if any('#' in s for s in refusals) else refusals
        return g.model(x, kind), dict(groups=found, refusals=list(said), **({'dtype': stored} if stored else {}))
    return make


def refused(ffn, because, at='up', **more):
    return stack(ffn, [], [f'layers.#.mlp.{at} looks like an FFN but cannot be merged, because {because}.'], 2, **more)


def bias_gelu(g, x, at, i):
    z = g('MatMul', x, g.weight(f'{at}.up.weight', D, F))
    h = g('BiasGelu', z, g.weight(f'{at}.up.bias', F), domain=MS)
    return g('MatMul', h, g.weight(f'{at}.down.weight', F, D))


def fast_gelu(g, x, at, i):
    z = g('MatMul', x, g.weight(f'{at}.up.weight', D, F))
    h = g('FastGelu', z, g.weight(f'{at}.up.bias', F), domain=MS)
    return g('MatMul', h, g.weight(f'{at}.down.weight', F, D))


def fused_matmul(g, x, at, i):
    z = g('FusedMatMul', x, g.weight(f'{at}.up.weight', F, D, scale=0.3), domain=MS, transB=1, alpha=0.5)
    return g('FusedMatMul', g('Relu', z), g.weight(f'{at}.down.weight', F, D), domain=MS)


def fused_gemm(g, x, at, i):
    flat = g('Reshape', x, g.ints(-1, D))
    h = g('FusedGemm', flat, g.weight(f'{at}.up.weight', F, D, scale=0.3), g.weight(f'{at}.up.bias', F), domain=MS,
          transB=1, activation='Relu')
    y = g('Gemm', h, g.weight(f'{at}.down.weight', F, D), g.weight(f'{at}.down.bias', D), alpha=0.5, beta=2.0)
    return g('Reshape', y, g('Shape', x))


def packed(cut, transposed=False, bias=False):
    def ffn(g, x, at, i):
        if transposed:
            flat = g('Reshape', x, g.ints(-1, D))
            z = g('Gemm', flat, g.weight(f'{at}.gate_up.weight', 2 * F, D, scale=0.3), g.weight(f'{at}.gate_up.bias', 2 * F),
                  transB=1)
        else:
            z = g('MatMul', x, g.weight(f'{at}.gate_up.weight', D, 2 * F))
            if bias:
                z = g('Add', z, g.weight(f'{at}.gate_up.bias', 2 * F))
        gate, up = cut(g, z)
        h = g('Mul', g('Mul', gate, g('Sigmoid', gate)), up)
        y = g('MatMul', h, g.weight(f'{at}.down.weight', F, D))
        return g('Reshape', y, g('Shape', x)) if transposed else y
    return ffn


def split(g, z): return g('Split', z, outputs=2, axis=-1, num_outputs=2)
def split_sizes(g, z): return g('Split', z, g.ints(F, F), outputs=2, axis=-1)
def slices(g, z): return g('Slice', z, g.ints(0), g.ints(F), g.ints(-1)), g('Slice', z, g.ints(-F), g.ints(2**62), g.ints(-1))
def interleaved(g, z):
    return [g('Slice', z, g.ints(s), g.ints(2**62), g.ints(-1), g.ints(2)) for s in (0, 1)]


def hidden_chain(g, x, at, i):
    """Weights behind Transpose, Cast, Identity and Constant."""
    w = g('Transpose', g('Identity', g.weight(f'{at}.up.weight', F, D, constant=True, scale=0.3)), perm=[1, 0])
    z = g('Add', g('MatMul', x, w), g('Identity', g.weight(f'{at}.up.bias', 1, 1, F)))
    v = g('Identity', g('Cast', g('Transpose', g.weight(f'{at}.down.weight', D, F, scale=0.2), perm=[1, 0]), to=1))
    return g('MatMul', g('Elu', z), v)


def shared_bias(g, x, at, i):
    if i == 0:
        g.weight('layers.0.mlp.up.bias', F)
        g.weight('layers.0.mlp.down.bias', D)
    z = g('Add', g('MatMul', x, g.weight(f'{at}.up.weight', D, F)), 'layers.0.mlp.up.bias')
    return g('Add', g('MatMul', g('Relu', z), g.weight(f'{at}.down.weight', F, D)), 'layers.0.mlp.down.bias')


def normed(g, x, at, i):
    """A slope a unit, and a normalisation over the hidden units before the last linear map."""
    def act(z):
        h = g('PRelu', z, g.weight(f'{at}.slope', F))
        return g('LayerNormalization', h, g.weight(f'{at}.norm.weight', F), g.weight(f'{at}.norm.bias', F), axis=-1)
    return plain(g, x, at, act)


def squared_relu(g, x, at, i):
    def act(z):
        r = g('Relu', z)
        return g('Mul', r, r)
    return plain(g, x, at, act)


def geglu_tanh(g, x, at, i):
    """gelu_fast written out, times an up projection."""
    z = g('MatMul', x, g.weight(f'{at}.gate.weight', D, F))
    u = g('MatMul', x, g.weight(f'{at}.up.weight', D, F))
    cube = g('Mul', g('Mul', g('Mul', z, g.number(0.044715)), z), g.number(1.0))
    t = g('Tanh', g('Mul', g('Mul', z, g.number(0.7978845608)), g('Add', g.number(1.0), cube)))
    h = g('Mul', g('Mul', g('Mul', z, g.number(0.5)), g('Add', t, g.number(1.0))), u)
    return g('MatMul', h, g.weight(f'{at}.down.weight', F, D))


def conv(rank):
    def ffn(g, x, at, i):
        c = g('Transpose', x, perm=[0, 2, 1])
        if rank == 4:
            c = g('Unsqueeze', c, g.ints(3))
        ones = [1] * (rank - 2)
        z = g('Conv', c, g.weight(f'{at}.up.weight', F, D, *ones, scale=0.3), g.weight(f'{at}.up.bias', F), kernel_shape=ones)
        h = g('Mul', g('Relu', z), g.weight(f'{at}.scale', F, *ones, scale=1.0))
        y = g('Conv', h, g.weight(f'{at}.down.weight', D, F, *ones, scale=0.2), kernel_shape=ones)
        if rank == 4:
            y = g('Squeeze', y, g.ints(3))
        return g('Transpose', y, perm=[0, 2, 1])
    return ffn


def conv_then_matmul(g, x, at, i):
    c = g('Transpose', x, perm=[0, 2, 1])
    z = g('Conv', c, g.weight(f'{at}.up.weight', F, D, 1, scale=0.3), kernel_shape=[1])
    h = g('Relu', g('Transpose', z, perm=[0, 2, 1]))
    return g('MatMul', h, g.weight(f'{at}.down.weight', F, D))


def fused_norms(kind):
    """A post-norm (LayerNorm) or pre-norm (RMS) stack whose residual Adds are fused with the normalisation."""
    def make(name):
        g = Graph(name, 3, 17)
        simple = kind == 'SkipSimplifiedLayerNormalization'
        x = stream = 'x'
        for i in range(3):
            at = f'layers.{i}'
            a = g('MatMul', x, g.weight(f'{at}.attention.weight', D, D))
            for part in ('attention', 'mlp'):
                y = a if part == 'attention' else plain(g, x, f'{at}.mlp', lambda z: g('Gelu', z, domain=MS), last_bias=simple)
                more = [] if simple else [g.weight(f'{at}.{part}.norm.bias', D), g.weight(f'{at}.{part}.bias', D)]
                out = g(kind, y, stream, g.weight(f'{at}.{part}.norm.weight', D), *more, outputs=4, domain=MS)
                names = g.nodes[-1].output
                del names[:]
                names.extend([out[0], '', '', out[3]] if simple else [out[0]])
                x, stream = out[0], out[3] if simple else out[0]
        return g.model(x), dict(groups=[dict(layers=3, dModel=D, dFf=F, gated=False)], refusals=[])
    return make


def functions(name):
    g = Graph(name, 2, 17)
    body = [helper.make_node('MatMul', ['x', 'w'], ['z']), helper.make_node('Relu', ['z'], ['h']),
            helper.make_node('MatMul', ['h', 'v'], ['y'])]
    g.functions = [helper.make_function('pkg.model', 'MLP', ['x', 'w', 'v'], ['y'], body, [helper.make_opsetid('', 17)])]
    x = 'x'
    for i in range(2):
        x = g('MLP', x, g.weight(f'layers.{i}.up', D, F), g.weight(f'layers.{i}.down', F, D), domain='pkg.model')
    return g.model(x), dict(groups=[dict(layers=2, dModel=D, dFf=F, gated=False)], refusals=[])


def quantized(g, x, at, i):
    def linear(v, name, rows, cols):
        g.initializers.append(numpy_helper.from_array(g.random.integers(-99, 99, (rows, cols), dtype=np.int8), name))
        return g('MatMul', v, g('DequantizeLinear', name, g.number(0.003)))
    return linear(g('Relu', linear(x, f'{at}.up.weight', D, F)), f'{at}.down.weight', F, D)


def blocks_of_bits(g, x, at, i):
    def linear(v, name, k, n):
        blocks = -(-k // 16)
        packed = g.random.integers(0, 255, (n, blocks, 8), dtype=np.uint8)
        g.initializers.append(numpy_helper.from_array(packed, name))
        scales = g.weight(f'{name}.scales', n * blocks)
        return g('MatMulNBits', v, name, scales, domain=MS, K=k, N=n, bits=4, block_size=16)
    return linear(g('Relu', linear(x, f'{at}.up.weight', D, F)), f'{at}.down.weight', F, D)


def half(g, x, at, i):
    z = g('MatMul', x, g.weight(f'{at}.up.weight', D, F, dtype=np.float16))
    return g('MatMul', g('Relu', z), g.weight(f'{at}.down.weight', F, D, dtype=np.float16))


def tapped(g, x, at, i):
    def act(z):
        h = g('Relu', z)
        g.outputs.append(h)
        return h
    return plain(g, x, at, act)


def twice(g, x, at, i):
    z = g('MatMul', x, g.weight(f'{at}.up.weight', D, F))
    h = g('Relu', z)
    y = g('MatMul', h, g.weight(f'{at}.down.weight', F, D))
    return g('Add', y, g('MatMul', h, g.weight(f'{at}.other.weight', F, D)))


def three(g, x, at, i):
    z, u, w = [g('MatMul', x, g.weight(f'{at}.{n}.weight', D, F)) for n in ('up', 'gate', 'third')]
    return g('MatMul', g('Mul', g('Mul', g('Relu', z), u), w), g.weight(f'{at}.down.weight', F, D))


def wide(g, x, at, i):
    """A packed projection of which one half alone is used twice, so that the other is dead."""
    z = g('MatMul', x, g.weight(f'{at}.up.weight', D, 2 * F))
    h = g('Slice', g('Relu', z), g.ints(1), g.ints(F + 1), g.ints(-1))
    return g('MatMul', h, g.weight(f'{at}.down.weight', F, D))


def branches(name):
    g = Graph(name, 2, 17)
    names = [g.weight(f'layers.{i}.mlp.{part}', *shape) for i in range(2) for part, shape in (('up', (D, F)), ('down', (F, D)))]

    def branch(tag):
        nodes, x = [], 'x'
        for i in range(2):
            up, down = names[2 * i:2 * i + 2]
            nodes += [helper.make_node('MatMul', [x, up], [f'{tag}{i}z']), helper.make_node('Relu', [f'{tag}{i}z'], [f'{tag}{i}h']),
                      helper.make_node('MatMul', [f'{tag}{i}h', down], [f'{tag}{i}y'])]
            x = f'{tag}{i}y'
        return helper.make_graph(nodes, tag, [], [helper.make_tensor_value_info(x, TensorProto.FLOAT, None)])
    # The branch depends on the input: one that a constant chooses is taken.
    positive = g('Greater', g('ReduceMean', 'x', keepdims=0), g.number(0.0))
    y = g('If', positive, then_branch=branch('then'), else_branch=branch('else'))
    return g.model(y), dict(groups=[], refusals=[
        'The FFNs inside the branches of If are not searched yet; drop the model without them instead.'])


def alone(g, x, at, i):
    return plain(g, x, at, lambda z: g(['Relu', 'Tanh'][i], z))


def unknown_to_runtimes(make):
    def made(name):
        proto, expected = make(name)
        return proto, dict(expected, notes=[
            'No FFN was found in this graph: no linear map leads through an activation to another one.'],
            _check=lambda: None)
    return made


def one_op(op, domain='', **attributes):
    return lambda g, x, at, i: plain(g, x, at, lambda z: g(op, z, domain=domain, **attributes))


def then(op):
    return lambda g, x, at, i: plain(g, x, at, lambda z: g(op, g('Relu', z)))


HANDMADE = {
    'fused-bias-gelu': stack(bias_gelu),
    'fused-fast-gelu-bias': stack(fast_gelu),
    'fused-gelu-domain': stack(one_op('Gelu', MS)),
    'fused-quick-gelu': stack(one_op('QuickGelu', MS, alpha=1.702)),
    'fused-matmul-transposed': stack(fused_matmul),
    'fused-gemm-relu': stack(fused_gemm),
    'fused-skip-layer-norm': fused_norms('SkipLayerNormalization'),
    'fused-skip-simplified-norm': fused_norms('SkipSimplifiedLayerNormalization'),
    'gelu-operator-20': stack(one_op('Gelu', approximate='tanh'), opset=20),
    'mish-18': stack(one_op('Mish'), opset=18),
    'hard-swish-14': stack(one_op('HardSwish'), opset=14),
    'packed-split-18': stack(packed(split), gated=True, opset=18),
    'packed-split-sizes-bias': stack(packed(split_sizes, bias=True), gated=True),
    'packed-slices-transposed': stack(packed(slices, transposed=True), gated=True),
    'weights-behind-nodes': stack(hidden_chain),
    'biases-shared': stack(shared_bias),
    'norm-and-slopes-inside': stack(normed),
    'squared-relu-product': stack(squared_relu),
    'geglu-written-out': stack(geglu_tanh, gated=True),
    'conv-1d-pointwise': stack(conv(3)),
    'conv-2d-pointwise': stack(conv(4)),
    'conv-then-matmul': stack(conv_then_matmul),
    'refused-softmax': refused(then('Softmax'), 'Softmax reads its hidden units'),
    'refused-second-consumer': refused(twice, 'two linear maps read its hidden units'),
    'refused-hidden-output': refused(tapped, 'its hidden units are an output of the model'),
    'refused-interleaved': refused(packed(interleaved), 'its gate and up projections are interleaved in one matrix', 'gate_up'),
    'refused-three-projections': refused(three, "its hidden units come from 3 linear maps, where one or two are an FFN's"),
    'refused-off-centre-cut': refused(wide, 'Slice cuts its hidden units apart'),
    'refused-custom-domain': unknown_to_runtimes(stack(one_op('Gelu', 'my.operators'), [], [], 2)),
    'refused-branches': branches,
    'refused-alone': stack(alone, [], [
        f'layers.{i}.mlp (16→40, {a}) stands alone: no other FFN has the same shape and function, so there is nothing '
        'to merge it with.' for i, a in enumerate(['ReLU', 'tanh'])], 2),
    'functions-called': functions,
    'float16-throughout': stack(half, layers=2, dtype=np.float16, stored='float16'),
    'dequantize-per-tensor': stack(quantized, layers=2, stored='int8'),
    'blocks-of-16': stack(blocks_of_bits, layers=2, stored='uint4'),
}
