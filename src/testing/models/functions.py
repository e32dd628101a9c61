"""Models with functions of their own (model-local functions), in which FFNs are written.

Used by ../make-models.py. torch.onnx.dynamo_export of PyTorch 2.1 to 2.4 kept each module as a function that is given
its weights; today's exporters inline them, so these are made by hand. Weights that are constants inside a function
belong to all of its calls and cannot be tied to those of another.

Each is checked by onnx.checker, and its outputs are equal to those of the inlined model.
"""

import numpy as np
import onnx
import onnx.inliner
from exporting import difference, group, run
from handmade import D, F, Graph
from onnx import helper, numpy_helper

PKG = 'pkg.model'
OPSETS = [helper.make_opsetid('', 17), helper.make_opsetid(PKG, 1)]
MLP_WEIGHTS = [('up.weight', (D, F)), ('up.bias', (F,)), ('down.weight', (F, D)), ('down.bias', (D,))]


def function(name, inputs, nodes, attributes=()):
    return helper.make_function(PKG, name, inputs, ['y'], nodes, OPSETS, list(attributes))


def mlp(name, constants=None):
    """Its activation's slope is an attribute of the call. `constants` are weights held inside instead of given."""
    act = helper.make_node('LeakyRelu', ['z'], ['h'])
    act.attribute.append(onnx.AttributeProto(name='alpha', ref_attr_name='slope', type=onnx.AttributeProto.FLOAT))
    names = ['w', 'b', 'v', 'c']
    held = [helper.make_node('Constant', [], [n], value=numpy_helper.from_array(t, n)) for n, t in zip(names, constants or [])]
    nodes = [*held, helper.make_node('MatMul', ['x', 'w'], ['xw']), helper.make_node('Add', ['xw', 'b'], ['z']), act,
             helper.make_node('MatMul', ['h', 'v'], ['hv']), helper.make_node('Add', ['hv', 'c'], ['y'])]
    return function(name, ['x'] if constants else ['x', *names], nodes, ['slope'])


def layer(name):
    """A whole layer, of which the FFN is a call of another function."""
    nodes = [helper.make_node('MatMul', ['x', 'a'], ['attention']), helper.make_node('Add', ['x', 'attention'], ['r']),
             helper.make_node('LayerNormalization', ['r', 'g', 's'], ['n'], axis=-1),
             helper.make_node('MLP', ['n', 'w', 'b', 'v', 'c'], ['f'], domain=PKG, slope=0.1),
             helper.make_node('Add', ['r', 'f'], ['y'])]
    return function(name, ['x', 'a', 'g', 's', 'w', 'b', 'v', 'c'], nodes)


def checked(proto, expected):
    def check():
        onnx.checker.check_model(proto, full_check=True)
        inlined = onnx.inliner.inline_local_functions(proto)
        assert not inlined.functions and len(inlined.graph.node) > len(proto.graph.node)
        got, want = run(proto), run(inlined)
        assert all(difference(got[o], want[o]) < 1e-6 for o in want)
    return proto, dict(expected, _check=check)


def of_layers(write, functions, layers=2, refusals=()):
    """`write(g, x, at, i)` gives the layer's output."""
    def make(name):
        g = Graph(name, layers, 17)
        g.functions = functions(g)
        g.domains[PKG] = 1
        x = 'x'
        for i in range(layers):
            x = write(g, x, f'layers.{i}', i)
        groups = [] if refusals else [group(layers, D, F)]
        proto = g.model(x)
        shaped = helper.make_tensor_value_info(proto.graph.output[0].name, onnx.TensorProto.FLOAT, ['batch', 'length', D])
        proto.graph.output[0].CopyFrom(shaped)
        return checked(proto, dict(groups=groups, refusals=list(refusals)))
    return make


def mlp_call(called, given=True):
    def write(g, x, at, i):
        r = g('Add', x, g('MatMul', x, g.weight(f'{at}.attention.weight', D, D)))
        weights = [g.weight(f'{at}.mlp.{n}', *shape) for n, shape in MLP_WEIGHTS] if given else []
        return g('Add', r, g(called.replace('#', str(i)), r, *weights, domain=PKG, slope=0.1))
    return write


def layer_call(g, x, at, i):
    weights = [('attention.weight', (D, D)), ('norm.weight', (D,)), ('norm.bias', (D,))]
    weights += [(f'mlp.{n}', shape) for n, shape in MLP_WEIGHTS]
    return g('Layer', x, *(g.weight(f'{at}.{n}', *shape) for n, shape in weights), domain=PKG)


def constants(g):
    return [g.random.normal(0, shape[0] ** -0.5, shape).astype(np.float32) for _, shape in MLP_WEIGHTS]


def inside(name):
    return (f'The weights of the FFN in the function “{name}” are constants inside it, which cannot be shared between layers; '
            'inline it with onnx.inliner.inline_local_functions and drop the result instead.')


FUNCTIONS = {
    'ffn-in-functions': of_layers(mlp_call('MLP'), lambda g: [mlp('MLP')]),
    'ffn-in-a-function-a-layer': of_layers(mlp_call('MLP_layers_#_mlp'), lambda g: [mlp(f'MLP_layers_{i}_mlp') for i in range(2)]),
    'layer-in-functions': of_layers(layer_call, lambda g: [mlp('MLP'), layer('Layer')]),
    'refused-constants-in-functions': of_layers(
        mlp_call('MLP_#', given=False), lambda g: [mlp(f'MLP_{i}', constants(g)) for i in range(2)],
        refusals=[inside('MLP_0'), inside('MLP_1')]),
}
