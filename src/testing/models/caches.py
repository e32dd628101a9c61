"""Decoders with key/value caches, as optimum writes them and transformers.js reads them.

Used by ../make-models.py. Inputs input_ids, attention_mask (past + length), position_ids and, for each layer,
past_key_values.N.key and .value [batch, heads, past, head_dim]; outputs logits and present.N.key and .value. A merged
decoder holds both forms in the branches of one If, which share their weights in the outer graph.

Each is checked against transformers without a cache: on a whole text with an empty cache, and token by token.
"""

import json

import numpy as np
import torch
from exporting import D, GPT2, H, TEXT, V, build, difference, export, group, run, shortened, tokens
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import DynamicCache


def tokenizer():
    words = Tokenizer(models.WordLevel({f't{i}': i for i in range(V)}, unk_token='t3'))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    return json.loads(words.to_str())


def beside(folder, model, **more):
    """What a hub has next to a model: {path: JSON}."""
    files = {'config.json': json.loads(model.config.to_json_string()), **more}
    if getattr(model, 'generation_config', None):
        files['generation_config.json'] = json.loads(model.generation_config.to_json_string())
    return {f'{folder}/{name}': content for name, content in files.items()}


def slots(layers, kinds=('',)):
    return [f'{i}.{kind}{part}' for i in range(layers) for kind in kinds for part in ('key', 'value')]


class Decoder(torch.nn.Module):
    def __init__(self, model, layers):
        super().__init__()
        self.model, self.layers = model, layers

    def forward(self, ids, mask, positions, *past):
        cache = DynamicCache([past[2 * i:2 * i + 2] for i in range(self.layers)] if past else None)
        out = self.model(input_ids=ids, attention_mask=mask, position_ids=positions, past_key_values=cache, use_cache=True)
        return (out.logits, *(t for l in out.past_key_values.layers for t in (l.keys, l.values)))


def decoder_inputs(layers, heads, past, length, batch=2):
    """`past` None is the form without cache inputs."""
    p = past or 0
    named = {'input_ids': tokens(length, batch), 'attention_mask': torch.ones(batch, p + length, dtype=torch.int64),
             'position_ids': (torch.arange(length) + p).expand(batch, length).clone()}
    if past is not None:
        named |= {f'past_key_values.{s}': torch.randn(batch, heads, past, D // H) for s in slots(layers)}
    return named


def decoder(model, layers, heads, with_past):
    named = decoder_inputs(layers, heads, 4 if with_past else None, 3)
    total = 'past_sequence_length + sequence_length' if with_past else 'sequence_length'
    axes = {n: {0: 'batch_size', 1: 'sequence_length'} for n in ('input_ids', 'position_ids', 'logits')}
    axes['attention_mask'] = {0: 'batch_size', 1: total}
    for s in slots(layers):
        axes[f'past_key_values.{s}'] = {0: 'batch_size', 2: 'past_sequence_length'}
        axes[f'present.{s}'] = {0: 'batch_size', 2: total}
    outputs = ['logits', *(f'present.{s}' for s in slots(layers))]
    axes = {n: a for n, a in axes.items() if n in named or n in outputs}
    return shortened(export(Decoder(model, layers).eval(), named, outputs, 17, axes=axes))


def check_decoder(file, model, layers, heads, branch=False):
    """Whole with an empty cache, then one token at a time, against transformers without a cache."""
    ids = tokens(6, 2)
    with torch.no_grad():
        want = model(input_ids=ids, use_cache=False).logits.numpy()
    empty = {f'past_key_values.{s}': np.zeros((2, heads, 0, D // H), np.float32) for s in slots(layers)}
    for cuts in ((0, 6), (0, 3, 4, 5, 6)):
        past = empty
        for a, b in zip(cuts, cuts[1:]):
            fed = {'input_ids': ids[:, a:b].numpy(), 'attention_mask': np.ones((2, b), np.int64),
                   'position_ids': np.broadcast_to(np.arange(a, b), (2, b - a)).copy(), **past}
            if branch:
                fed['use_cache_branch'] = np.array([a > 0])
            got = run(file, fed)
            assert difference(got['logits'], want[:, a:b]) < 1e-5, difference(got['logits'], want[:, a:b])
            past = {n.replace('present', 'past_key_values'): got[n] for n in got if n.startswith('present')}
            assert all(p.shape[2] == b for p in past.values())


def merged(without, with_past, empty_shape=None):
    """One model with an If on use_cache_branch: `then` reads the cache, `else` starts it. Weights that are equal are
    stored once, outside. Presents that `then` does not make (the encoder's) are empty tensors there."""
    stored, outer = {}, []
    outputs = list(without.graph.output)

    def branch(graph, tag):
        rename = {}
        for t in graph.initializer:
            values = numpy_helper.to_array(t)
            key = (t.data_type, values.shape, values.tobytes())
            if key not in stored:
                name = t.name if all(t.name != o.name for o in outer) else f'{t.name}_{tag}'
                stored[key] = name
                outer.append(numpy_helper.from_array(values, name))
            rename[t.name] = stored[key]
        made = {o.name for o in graph.output}
        rename |= {n: f'{n}_{tag}' for n in made}
        nodes = []
        for node in graph.node:
            node.input[:] = [rename.get(n, n) for n in node.input]
            node.output[:] = [rename.get(n, n) for n in node.output]
            nodes.append(node)
        for o in outputs:
            if o.name not in made:
                empty = helper.make_tensor('', TensorProto.FLOAT, empty_shape, [])
                nodes.append(helper.make_node('Constant', [], [f'{o.name}_{tag}'], value=empty))
        infos = [helper.make_tensor_value_info(f'{o.name}_{tag}', TensorProto.FLOAT, None) for o in outputs]
        return helper.make_graph(nodes, tag, [], infos)

    then, other = branch(with_past.graph, 'then'), branch(without.graph, 'else')
    inputs = {i.name: i for i in [*with_past.graph.input, *without.graph.input]}
    inputs = [*inputs.values(), helper.make_tensor_value_info('use_cache_branch', TensorProto.BOOL, [1])]
    both = helper.make_node('If', ['use_cache_branch'], [o.name for o in outputs], 'both', then_branch=then, else_branch=other)
    for o in outputs:
        for i, d in enumerate(o.type.tensor_type.shape.dim):
            if o.name.startswith('present') and i == 2:
                d.dim_param = f'{o.name}_length'
    graph = helper.make_graph([both], 'merged', inputs, outputs, outer)
    return helper.make_model(graph, opset_imports=without.opset_import, ir_version=without.ir_version)


def cached(cls, config, more, layers, heads, found, words=False):
    def make(name):
        model = build(cls, config, sum(map(ord, name)), 'random', **more)
        proto = decoder(model, layers, heads, True)
        extra = {'tokenizer.json': tokenizer()} if words else {}
        return {f'{name}/model.onnx': proto, **beside(name, model, **extra)}, dict(
            groups=[found], refusals=[], _check=lambda: check_decoder(proto, model, layers, heads))
    return make


def gpt2_merged(name):
    model = build('GPT2LMHeadModel', 'GPT2Config', sum(map(ord, name)), 'random', **dict(GPT2, n_layer=2))
    proto = merged(decoder(model, 2, H, False), decoder(model, 2, H, True))
    return {f'{name}/decoder_model_merged.onnx': proto, **beside(name, model, **{'tokenizer.json': tokenizer()})}, dict(
        groups=[group(2, d_ff=64)], refusals=[], _check=lambda: check_decoder(proto, model, 2, H, True))


CACHES = {
    'gpt2-cache': cached('GPT2LMHeadModel', 'GPT2Config', dict(GPT2, n_layer=2), 2, H, group(2, d_ff=64), True),
    'llama-cache': cached('LlamaForCausalLM', 'LlamaConfig', dict(TEXT, num_hidden_layers=2, num_key_value_heads=1), 2, 1,
                          group(2, gated=True)),
    'gpt2-merged': gpt2_merged,
}
