"""What the makers of small models share: random models of the real classes, both of PyTorch's exporters, and a check.

Why: every entry of ../models.json is built from a configuration, so its expected groups are known without looking at
the graph. Sizes: vocabulary V, d_model D, d_ff F (GPT-2 uses 4 D = 64), L layers, H heads.

A maker is a function of the entry's name that returns (files, expected): files is a ModelProto, for models/<name>.onnx,
or {path below models/: ModelProto, bytes or something for JSON}; expected is what the manifest says of it. Keys that
begin with an underscore stay out of the manifest: _check is a function of the folder of models to call instead of
`runs` on each file.
"""

import io

import numpy as np
import onnx
import onnxruntime as ort
import torch
import transformers as tf

V, D, F, L, H = 24, 16, 40, 3, 2  # vocabulary, d_model, d_ff, layers, heads
TEXT = dict(vocab_size=V, hidden_size=D, intermediate_size=F, num_hidden_layers=L, num_attention_heads=H,
            max_position_embeddings=16, pad_token_id=0, bos_token_id=1, eos_token_id=2)
IMAGE = dict(hidden_size=D, intermediate_size=F, num_hidden_layers=L, num_attention_heads=H, image_size=8,
             patch_size=4, num_channels=3)


class Wrapped(torch.nn.Module):
    """Positional arguments in, one tensor (or several) out."""

    def __init__(self, model, names, pick, extra):
        super().__init__()
        self.model, self.names, self.pick, self.extra = model, names, pick, extra

    def forward(self, *args):
        out = self.model(**dict(zip(self.names, args)), **self.extra)
        return tuple(out[p] for p in self.pick) if isinstance(self.pick, tuple) else out[self.pick]


def tokens(length=5, batch=2):
    return torch.randint(3, V, (batch, length))


def build(cls, config, seed, init, **more):
    torch.manual_seed(seed)
    model = getattr(tf, cls)(getattr(tf, config)(**more, attn_implementation='eager')).eval()
    if init == 'random':  # else as the class does it: zero biases, which TorchScript's exporter deduplicates
        for p in model.parameters():
            scale = p.shape[-1] ** -0.5 if p.ndim > 1 else 0.3
            torch.nn.init.normal_(p, 1.0 if p.ndim == 1 and p.data.mean() == 1 else 0.0, scale)
    return model


def group(layers=L, d_model=D, d_ff=F, gated=False):
    return dict(layers=layers, dModel=d_model, dFf=d_ff, gated=gated)


def export(module, named, outputs, opset=None, dynamo=False, shapes=None, axes=None, fold=True):
    """One file from one of PyTorch's exporters. `shapes` is dynamo's dynamic_shapes, `axes` TorchScript's."""
    common = dict(input_names=list(named), output_names=list(outputs), opset_version=opset)
    args = tuple(named.values())
    with torch.no_grad():
        if dynamo:
            return torch.onnx.export(module, args, dynamo=True, verbose=False, dynamic_shapes=shapes, **common).model_proto
        file = io.BytesIO()
        torch.onnx.export(module, args, file, dynamo=False, dynamic_axes=axes, do_constant_folding=fold, **common)
        return onnx.load_from_string(file.getvalue())


def case(cls, config, more, inputs, groups, pick='logits', extra=None, opset=None, dynamo=True, init='random',
         refusals=(), dynamic=False, fold=True, to='float32', short=False):
    def make(name):
        model = build(cls, config, sum(map(ord, name)), init, **more).to(getattr(torch, to))
        named = {k: v.to(getattr(torch, to)) if v.is_floating_point() else v for k, v in inputs().items()}
        wrapped = Wrapped(model, list(named), pick, extra or {}).eval()
        shapes = axes = None
        if dynamic:
            batch, length = torch.export.Dim('batch', min=1, max=8), torch.export.Dim('length', min=2, max=16)
            shapes = {'args': tuple({0: batch, 1: length} for _ in named)}
            axes = {n: {0: 'batch', 1: 'length'} for n in named}
        outputs = pick if isinstance(pick, tuple) else [pick]
        proto = export(wrapped, named, outputs, opset, dynamo, shapes, axes, fold)
        return shortened(proto) if short else proto, dict(groups=groups, refusals=list(refusals), **({} if to == 'float32' else dict(dtype=to)))
    return make


def ids(): return {'input_ids': tokens()}
def ids_and_mask(): return {'input_ids': tokens(), 'attention_mask': torch.ones(2, 5, dtype=torch.int64)}
def pixels(): return {'pixel_values': torch.randn(2, 3, 8, 8)}
def pair(): return {'input_ids': tokens(), 'decoder_input_ids': tokens(4)}
def clip(): return {**ids_and_mask(), **pixels()}
def mel(): return {'input_features': torch.randn(1, 8, 16)}
def mel_pair(): return {**mel(), 'decoder_input_ids': tokens(4, 1)}
def mel_masked(): return {**mel_pair(), 'decoder_attention_mask': torch.ones(1, 4, dtype=torch.int64)}
def bert_inputs(): return {**ids_and_mask(), 'token_type_ids': torch.zeros(2, 5, dtype=torch.int64)}
def wave(): return {'input_values': torch.randn(1, 400)}


NO_CACHE = dict(use_cache=False)
HIDDEN = 'last_hidden_state'
GQA = dict(TEXT, num_key_value_heads=1)
GPT2 = dict(vocab_size=V, n_positions=16, n_embd=D, n_layer=L, n_head=H, bos_token_id=1, eos_token_id=2)
OPT = dict(vocab_size=V, hidden_size=D, ffn_dim=F, num_hidden_layers=L, num_attention_heads=H, word_embed_proj_dim=D,
           max_position_embeddings=16, pad_token_id=0, bos_token_id=1, eos_token_id=2)
T5 = dict(vocab_size=V, d_model=D, d_kv=8, d_ff=F, num_layers=L, num_decoder_layers=2, num_heads=H,
          decoder_start_token_id=0, relative_attention_num_buckets=8)
MARIAN = dict(vocab_size=V, d_model=D, encoder_layers=L, decoder_layers=2, encoder_ffn_dim=F, decoder_ffn_dim=F,
              encoder_attention_heads=H, decoder_attention_heads=H, max_position_embeddings=16, pad_token_id=0,
              decoder_start_token_id=0, eos_token_id=2)
WHISPER = dict(vocab_size=V, num_mel_bins=8, d_model=D, encoder_layers=2, decoder_layers=2, encoder_ffn_dim=F,
               decoder_ffn_dim=F, encoder_attention_heads=H, decoder_attention_heads=H, max_source_positions=8,
               max_target_positions=16, pad_token_id=0, bos_token_id=1, eos_token_id=2, decoder_start_token_id=1,
               suppress_tokens=[], begin_suppress_tokens=[])
CLIP = dict(text_config=TEXT, vision_config=dict(IMAGE, hidden_size=24, intermediate_size=48), projection_dim=8)
WAV = dict(vocab_size=V, hidden_size=D, intermediate_size=F, num_hidden_layers=L, num_attention_heads=H,
           conv_dim=(8, 8), conv_stride=(5, 4), conv_kernel=(10, 4), num_feat_extract_layers=2,
           num_conv_pos_embeddings=4, num_conv_pos_embedding_groups=2, feat_extract_norm='layer')
DISTIL = dict(vocab_size=V, dim=D, hidden_dim=F, n_layers=L, n_heads=H, max_position_embeddings=16, pad_token_id=0)
ALBERT = dict(TEXT, embedding_size=8)


def bare(graph):
    """Leaves out what exporters write for people: stack traces make the files ten times as large."""
    bare_nodes(graph.node)
    for v in [*graph.value_info, *graph.input, *graph.output, *graph.initializer]:
        v.ClearField('doc_string')
        del v.metadata_props[:]
    del graph.metadata_props[:]
    graph.ClearField('doc_string')


def bare_nodes(nodes):
    for node in nodes:
        node.ClearField('doc_string')
        del node.metadata_props[:]
        for a in node.attribute:
            a.ClearField('doc_string')
            if a.HasField('g'):
                bare(a.g)
            for g in a.graphs:
                bare(g)


def bare_model(proto):
    bare(proto.graph)
    for f in proto.functions:
        bare_nodes(f.node)
        f.ClearField('doc_string')
        del f.metadata_props[:]
        del f.value_info[:]
    return proto


TYPES = {'tensor(float)': np.float32, 'tensor(float16)': np.float16, 'tensor(int64)': np.int64, 'tensor(bool)': np.bool_}


def feeds(session, seed=1, **sizes):
    """Small random inputs by name: caches empty, masks all ones, positions from 0. `sizes` are symbolic dimensions."""
    random = np.random.default_rng(seed)
    fed = {}
    for i in session.get_inputs():
        def size(d):
            d = d if isinstance(d, int) else str(d)
            return d if isinstance(d, int) else sizes.get(d, 0 if 'past' in d and '+' not in d else 2 if 'batch' in d else 4)
        shape, kind = [size(d) for d in i.shape], TYPES[i.type]
        if 'position' in i.name:
            fed[i.name] = np.broadcast_to(np.arange(shape[-1]), shape).copy()
        elif kind == np.int64:
            fed[i.name] = np.full(shape, 'mask' in i.name, kind) if i.name.endswith(('mask', 'type_ids')) else \
                random.integers(3, V, shape, kind)
        else:
            fed[i.name] = np.zeros(shape, kind) if kind == np.bool_ else random.normal(0, 1, shape).astype(kind)
    return fed


def session(model):
    """`model` is a ModelProto or a path (external data are found beside it)."""
    options = ort.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 3, 1
    source = model.SerializeToString() if isinstance(model, onnx.ModelProto) else str(model)
    return ort.InferenceSession(source, options, providers=['CPUExecutionProvider'])


def run(model, fed=None, **sizes):
    """Outputs by name, all finite."""
    s = session(model)
    results = s.run(None, feeds(s, **sizes) if fed is None else {i.name: fed[i.name] for i in s.get_inputs()})
    outputs = {o.name: r for o, r in zip(s.get_outputs(), results)}
    for name, r in outputs.items():
        assert np.isfinite(r).all(), f'{name} is not finite'
    return outputs


def difference(a, b):
    """The largest, relative to the largest value."""
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    assert a.shape == b.shape, f'{a.shape} and {b.shape}'
    return np.abs(a - b).max() / max(np.abs(b).max(), 1e-6)


BOOKKEEPING = {'Constant', 'Shape', 'Gather', 'Unsqueeze', 'Squeeze', 'Concat', 'Slice', 'Cast', 'Range', 'Equal', 'Where',
               'ConstantOfShape', 'Expand', 'Less', 'LessOrEqual', 'Greater', 'And', 'Not', 'Sub', 'Abs', 'Identity',
               'Reshape', 'Transpose', 'Softmax', 'Pow', 'Sqrt', 'Reciprocal', 'Min', 'Max', 'Log', 'Tile'}


def shortened(proto):
    """Half the size of a TorchScript export: short names for values between nodes, none for nodes that reckon shapes
    and masks. Operators, weights and the names of linear maps and activations are as exported."""
    bare_model(proto)
    kept = {'', *(v.name for v in [*proto.graph.input, *proto.graph.output, *proto.graph.initializer])}
    names = {}
    del proto.graph.value_info[:]

    def visit(nodes):
        for node in nodes:
            for side in (node.input, node.output):
                side[:] = [n if n in kept else names.setdefault(n, f'v{len(names)}') for n in side]
            if node.op_type in BOOKKEEPING:
                node.ClearField('name')
            for a in node.attribute:
                if a.HasField('g'):
                    visit(a.g.node)
                    for o in a.g.output:
                        o.name = names.get(o.name, o.name)
    visit(proto.graph.node)
    return proto
