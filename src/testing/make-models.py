"""Makes the small models of src/testing/models and their manifest, src/testing/models.json.

Why: FFN detection must be tested on what real exporters write. Each model has random weights and 2-3 layers; the
expected groups come from the configuration that built it, so nothing here shares code with src/.

Run: python src/testing/make-models.py [name ...]     (torch 2.13, transformers 5, onnx, onnxscript)
Entries that are not named are kept as they are in the manifest. Hand-written graphs are in models/handmade.py.
"""

import json
import sys
import time
import warnings
from pathlib import Path

import onnx
import torch
import transformers as tf

warnings.filterwarnings('ignore')
HERE = Path(__file__).parent
OUT = HERE / 'models'
LIMIT = 150_000
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


def case(cls, config, more, inputs, groups, pick='logits', extra=None, opset=None, dynamo=True, init='random',
         refusals=(), dynamic=False, fold=True):
    def make(name):
        model = build(cls, config, sum(map(ord, name)), init, **more)
        named = inputs()
        args = tuple(named.values())
        wrapped = Wrapped(model, list(named), pick, extra or {}).eval()
        path = OUT / f'{name}.onnx'
        names = list(pick) if isinstance(pick, tuple) else [pick]
        common = dict(input_names=list(named), output_names=names, opset_version=opset)
        with torch.no_grad():
            if dynamo:
                shapes = None
                if dynamic:
                    batch, length = torch.export.Dim('batch', min=1, max=8), torch.export.Dim('length', min=2, max=16)
                    shapes = {'args': tuple({0: batch, 1: length} for _ in args)}
                program = torch.onnx.export(wrapped, args, dynamo=True, verbose=False, dynamic_shapes=shapes, **common)
                proto = program.model_proto
            else:
                axes = {n: {0: 'batch', 1: 'length'} for n in named} if dynamic else None
                torch.onnx.export(wrapped, args, str(path), dynamo=False, dynamic_axes=axes,
                                  do_constant_folding=fold, **common)
                proto = onnx.load(str(path))
        return proto, dict(groups=groups, refusals=list(refusals))
    return make


def ids(): return {'input_ids': tokens()}
def ids_and_mask(): return {'input_ids': tokens(), 'attention_mask': torch.ones(2, 5, dtype=torch.int64)}
def pixels(): return {'pixel_values': torch.randn(2, 3, 8, 8)}
def pair(): return {'input_ids': tokens(), 'decoder_input_ids': tokens(4)}
def clip(): return {**ids_and_mask(), **pixels()}
def mel(): return {'input_features': torch.randn(1, 8, 16)}
def mel_pair(): return {**mel(), 'decoder_input_ids': tokens(4, 1)}
def mel_masked(): return {**mel_pair(), 'decoder_attention_mask': torch.ones(1, 4, dtype=torch.int64)}
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
BOTH = [group(L), group(2)]
SHARED = ('The 3 FFNs like model.encoder.albert_layer_groups.0.albert_layers.0 (16→40, GELU (tanh)) already share one '
          'stored copy of their weights, so merging them would save nothing.')

CASES = {
    'gpt2-dynamo': case('GPT2LMHeadModel', 'GPT2Config', GPT2, ids, [group(d_ff=64)], extra=NO_CACHE, dynamic=True),
    'gpt2-torchscript-11': case('GPT2LMHeadModel', 'GPT2Config', GPT2, ids_and_mask, [group(d_ff=64)], extra=NO_CACHE,
                                opset=11, dynamo=False, init='default'),
    'gpt2-torchscript-17': case('GPT2LMHeadModel', 'GPT2Config', dict(GPT2, n_layer=2), ids_and_mask,
                                [group(2, d_ff=64)], extra=NO_CACHE, opset=17, dynamo=False, dynamic=True),
    'gpt-neox-dynamo': case('GPTNeoXForCausalLM', 'GPTNeoXConfig', TEXT, ids, [group()], extra=NO_CACHE),
    'gpt-neox-torchscript-14': case('GPTNeoXForCausalLM', 'GPTNeoXConfig', TEXT, ids_and_mask, [group()], extra=NO_CACHE,
                                    opset=14, dynamo=False),
    'opt-dynamo': case('OPTForCausalLM', 'OPTConfig', OPT, ids_and_mask, [group()], extra=NO_CACHE),
    'opt-torchscript-13': case('OPTForCausalLM', 'OPTConfig', OPT, ids_and_mask, [group()], extra=NO_CACHE,
                               opset=13, dynamo=False),
    'phi-dynamo': case('PhiForCausalLM', 'PhiConfig', TEXT, ids, [group()], extra=NO_CACHE),
    'llama-dynamo': case('LlamaForCausalLM', 'LlamaConfig', GQA, ids, [group(gated=True)], extra=NO_CACHE,
                         dynamic=True),
    'llama-torchscript-14': case('LlamaForCausalLM', 'LlamaConfig', GQA, ids_and_mask, [group(gated=True)], extra=NO_CACHE,
                                 opset=14, dynamo=False),
    'mistral-dynamo': case('MistralForCausalLM', 'MistralConfig', GQA, ids, [group(gated=True)], extra=NO_CACHE),
    'qwen2-dynamo-23': case('Qwen2ForCausalLM', 'Qwen2Config', GQA, ids, [group(gated=True)], extra=NO_CACHE,
                            opset=23),
    'gemma-dynamo': case('GemmaForCausalLM', 'GemmaConfig', dict(GQA, head_dim=8), ids, [group(gated=True)],
                         extra=NO_CACHE),
    'phi3-dynamo': case('Phi3ForCausalLM', 'Phi3Config', GQA, ids, [group(gated=True)], extra=NO_CACHE),
    'phi3-torchscript-16': case('Phi3ForCausalLM', 'Phi3Config', GQA, ids_and_mask, [group(gated=True)], extra=NO_CACHE,
                                opset=16, dynamo=False),
    'nemotron-squared-relu': case('NemotronForCausalLM', 'NemotronConfig', dict(GQA, head_dim=8), ids_and_mask, [group()],
                                  extra=NO_CACHE, opset=15, dynamo=False),
    'bert-dynamo': case('BertModel', 'BertConfig', TEXT, ids_and_mask, [group()], pick=HIDDEN),
    'bert-torchscript-11': case('BertModel', 'BertConfig', TEXT, ids_and_mask, [group()], pick=HIDDEN, opset=11,
                                dynamo=False, init='default'),
    'bert-torchscript-unfolded': case('BertModel', 'BertConfig', TEXT, ids_and_mask, [group()], pick=HIDDEN, opset=20,
                                      dynamo=False, fold=False),
    'distilbert-torchscript-12': case('DistilBertModel', 'DistilBertConfig', DISTIL, ids_and_mask, [group()],
                                      pick=HIDDEN, opset=12, dynamo=False),
    'roberta-dynamo': case('RobertaModel', 'RobertaConfig', dict(TEXT, max_position_embeddings=18), ids_and_mask,
                           [group()], pick=HIDDEN),
    'albert-torchscript-17': case('AlbertModel', 'AlbertConfig', ALBERT, ids_and_mask, [], pick=HIDDEN, opset=17,
                                  dynamo=False, refusals=[SHARED]),
    'albert-dynamo': case('AlbertModel', 'AlbertConfig', ALBERT, ids_and_mask, [], pick=HIDDEN,
                          refusals=[SHARED]),
    't5-dynamo': case('T5ForConditionalGeneration', 'T5Config', T5, pair, BOTH, extra=NO_CACHE),
    't5-gated-torchscript-17': case('T5ForConditionalGeneration', 'T5Config',
                                    dict(T5, num_layers=2, feed_forward_proj='gated-gelu', tie_word_embeddings=False),
                                    pair, [group(2, gated=True), group(2, gated=True)], extra=NO_CACHE, opset=17,
                                    dynamo=False),
    't5-encoder-torchscript-13': case('T5EncoderModel', 'T5Config', T5, ids_and_mask, [group()], pick=HIDDEN,
                                      opset=13, dynamo=False),
    'marian-dynamo': case('MarianMTModel', 'MarianConfig', MARIAN, pair, BOTH, extra=NO_CACHE),
    'marian-torchscript-17': case('MarianMTModel', 'MarianConfig', MARIAN, pair, BOTH, extra=NO_CACHE, opset=17,
                                  dynamo=False),
    'vit-dynamo': case('ViTForImageClassification', 'ViTConfig', IMAGE, pixels, [group()]),
    'vit-torchscript-11': case('ViTForImageClassification', 'ViTConfig', IMAGE, pixels, [group()], opset=11,
                               dynamo=False),
    'deit-torchscript-18': case('DeiTForImageClassification', 'DeiTConfig', IMAGE, pixels, [group()], opset=18,
                                dynamo=False),
    'clip-dynamo': case('CLIPModel', 'CLIPConfig', CLIP, clip, [group(), group(L, 24, 48)],
                        pick=('text_embeds', 'image_embeds')),
    'clip-vision-torchscript-14': case('CLIPVisionModel', 'CLIPVisionConfig', IMAGE, pixels, [group()], pick=HIDDEN,
                                       opset=14, dynamo=False),
    'siglip-vision-dynamo': case('SiglipVisionModel', 'SiglipVisionConfig', IMAGE, pixels, [group()], pick=HIDDEN),
    'whisper-dynamo': case('WhisperForConditionalGeneration', 'WhisperConfig', WHISPER, mel_pair,
                           [group(2), group(2)], extra=NO_CACHE),
    'whisper-torchscript-17': case('WhisperForConditionalGeneration', 'WhisperConfig', WHISPER, mel_masked,
                                   [group(2), group(2)], extra=NO_CACHE, opset=17, dynamo=False),
    'wav2vec2-dynamo': case('Wav2Vec2Model', 'Wav2Vec2Config', WAV, wave, [group()], pick=HIDDEN),
}


def bare(graph):
    """Leaves out what exporters write for people: stack traces make the files ten times as large."""
    for node in graph.node:
        node.ClearField('doc_string')
        del node.metadata_props[:]
        for a in node.attribute:
            a.ClearField('doc_string')
            if a.HasField('g'):
                bare(a.g)
    for v in [*graph.value_info, *graph.input, *graph.output, *graph.initializer]:
        v.ClearField('doc_string')
        del v.metadata_props[:]
    del graph.metadata_props[:]
    graph.ClearField('doc_string')


def main(wanted):
    sys.path.insert(0, str(OUT))
    from handmade import HANDMADE

    cases = {**CASES, **HANDMADE}
    manifest_path = HERE / 'models.json'
    manifest = json.loads(manifest_path.read_text()) if manifest_path.exists() else {}
    for name in wanted or cases:
        start = time.time()
        try:
            proto, expected = cases[name](name)
            bare(proto.graph)
            data = proto.SerializeToString()
            assert len(data) < LIMIT, f'{len(data)} bytes'
        except Exception as error:  # say it, and go on with the others
            print(f'{name}: FAILED {type(error).__name__}: {str(error)[:300]}', flush=True)
            (OUT / f'{name}.onnx').unlink(missing_ok=True)
            manifest.pop(name, None)
            continue
        (OUT / f'{name}.onnx').write_bytes(data)
        manifest[name] = expected
        print(f'{name}: {len(data)} bytes, {time.time() - start:.1f} s', flush=True)
        order = {n: i for i, n in enumerate(cases)}
        kept = {n: manifest[n] for n in sorted(manifest, key=lambda n: order.get(n, 1e9)) if n in order}
        manifest_path.write_text(json.dumps(kept, indent=2, ensure_ascii=False) + '\n')


if __name__ == '__main__':
    main(sys.argv[1:])
