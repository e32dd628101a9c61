"""Encoder–decoder models in two or more files, as optimum writes them.

Used by ../make-models.py. encoder_model.onnx gives last_hidden_state [batch, source, d_model]; decoder_model.onnx reads
it and starts the caches; decoder_with_past_model.onnx reads one token and the caches; decoder_model_merged.onnx holds
both decoders in the branches of one If. The files of a folder are run together and checked against transformers.
"""

import json

import numpy as np
import torch
import transformers as tf
from caches import beside, merged, slots, tokenizer
from exporting import D, H, MARIAN, T5, WHISPER, build, difference, export, group, run, shortened, tokens
from transformers import DynamicCache, EncoderDecoderCache

N = 2  # layers of each stack
BOTH = ('decoder.', 'encoder.')


class Encoder(torch.nn.Module):
    def __init__(self, model):
        super().__init__()
        self.encoder = model.get_encoder()

    def forward(self, source, mask=None):
        return self.encoder(source, **({} if mask is None else {'attention_mask': mask})).last_hidden_state


class Decoder(torch.nn.Module):
    """forward(mask or nothing, ids, hidden states or caches)"""

    def __init__(self, model, masked, past):
        super().__init__()
        self.model, self.masked, self.past = model, masked, past

    def forward(self, *args):
        args = list(args)
        mask = args.pop(0) if self.masked else None
        ids = args.pop(0)
        if self.past:  # the hidden states are not read when the caches are there, but transformers asks for some
            hidden = torch.zeros(ids.shape[0], mask.shape[1], 1)
            caches = [DynamicCache([args[4 * i + k:4 * i + k + 2] for i in range(N)]) for k in (0, 2)]
        else:
            hidden, caches = args[0], (DynamicCache(), DynamicCache())
        out = self.model(encoder_outputs=(hidden,), attention_mask=mask, decoder_input_ids=ids, use_cache=True,
                         past_key_values=EncoderDecoderCache(*caches))
        made = out.past_key_values
        read = [made.self_attention_cache] if self.past else [made.self_attention_cache, made.cross_attention_cache]
        return (out.logits, *(t for i in range(N) for c in read for t in (c.layers[i].keys, c.layers[i].values)))


SOURCE = 'encoder_sequence_length'


def encoder(model, named):
    axes = {n: {0: 'batch_size', 1: SOURCE} for n in ('input_ids', 'attention_mask', 'last_hidden_state')}
    axes['input_features'] = {0: 'batch_size'}
    if 'input_features' in named:
        axes['last_hidden_state'] = {0: 'batch_size'}
    axes = {n: a for n, a in axes.items() if n in named or n == 'last_hidden_state'}
    return shortened(export(Encoder(model).eval(), named, ['last_hidden_state'], 17, axes=axes))


def decoder(model, masked=True, past=False, source=5):
    named = {'encoder_attention_mask': torch.ones(2, source, dtype=torch.int64)} if masked else {}
    named['input_ids'] = tokens(1 if past else 3)
    kept = slots(N, ('decoder.',) if past else BOTH)
    if past:
        named |= {f'past_key_values.{s}': torch.randn(2, H, 4 if 'decoder' in s else source, D // H) for s in slots(N, BOTH)}
    else:
        named['encoder_hidden_states'] = torch.randn(2, source, D)
    outputs = ['logits', *(f'present.{s}' for s in kept)]
    axes = {'encoder_attention_mask': {0: 'batch_size', 1: SOURCE}, 'encoder_hidden_states': {0: 'batch_size', 1: SOURCE},
            'input_ids': {0: 'batch_size'}, 'logits': {0: 'batch_size'}}
    if not past:
        axes['input_ids'][1] = axes['logits'][1] = 'decoder_sequence_length'
    for s in slots(N, BOTH):
        cross = 'encoder' in s
        axes[f'past_key_values.{s}'] = {0: 'batch_size', 2: SOURCE if cross else 'past_decoder_sequence_length'}
        now = SOURCE if cross else 'past_decoder_sequence_length + 1' if past else 'decoder_sequence_length'
        axes[f'present.{s}'] = {0: 'batch_size', 2: now}
    axes = {n: a for n, a in axes.items() if n in named or n in outputs}
    return shortened(export(Decoder(model, masked, past).eval(), named, outputs, 17, axes=axes))


def check(model, source, encoder_file, first, then=None, branch=False):
    """Encoder, decoder and the decoder with caches, run one after another; `source` is what the encoder is fed."""
    ids = tokens(5)
    with torch.no_grad():
        want = model(**source, decoder_input_ids=ids, use_cache=False).logits.numpy()
    fed = {n: v.numpy() for n, v in source.items()}
    hidden = run(encoder_file, fed)['last_hidden_state']
    mask = np.ones(hidden.shape[:2], np.int64)
    start = {'encoder_attention_mask': mask, 'input_ids': ids.numpy(), 'encoder_hidden_states': hidden}
    if branch:
        start |= {'use_cache_branch': np.array([False])}
        start |= {f'past_key_values.{s}': np.zeros((2, H, 0, D // H), np.float32) for s in slots(N, BOTH)}
    assert difference(run(first, start)['logits'], want) < 1e-5
    if not then:
        return
    caches = {n: v for n, v in run(first, {**start, 'input_ids': ids[:, :3].numpy()}).items() if n != 'logits'}
    for i in (3, 4):
        step = {**start, 'input_ids': ids[:, i:i + 1].numpy(), 'use_cache_branch': np.array([True])}
        step |= {n.replace('present', 'past_key_values'): v for n, v in caches.items()}
        got = run(then, step)
        assert difference(got['logits'], want[:, i:i + 1]) < 1e-5
        caches |= {n: v for n, v in got.items() if '.decoder.' in n}
        if branch:
            assert all(v.size == 0 for n, v in got.items() if '.encoder.' in n)


def text(): return {'input_ids': tokens(), 'attention_mask': torch.ones(2, 5, dtype=torch.int64)}


def marian(files):
    """
    Both entries are of one folder, made from one seed. The decoder with a past holds the decoder's weights again, so
    that it brings no groups of its own.
    """
    def make(name):
        folder = 'marian-pair'
        model = build('MarianMTModel', 'MarianConfig', sum(map(ord, folder)), 'random', **dict(MARIAN, encoder_layers=N))
        made = {'encoder_model.onnx': encoder(model, text()), 'decoder_model.onnx': decoder(model),
                'decoder_with_past_model.onnx': decoder(model, past=True)}
        return {**{f'{folder}/{f}': made[f] for f in files}, **beside(folder, model, **{'tokenizer.json': tokenizer()})}, dict(
            groups=[group(N)] * 2, refusals=[], _check=lambda: check(model, text(), *made.values()))
    return make


def whisper(name):
    model = build('WhisperForConditionalGeneration', 'WhisperConfig', sum(map(ord, name)), 'random', **WHISPER)
    mel = {'input_features': torch.randn(2, 8, 16)}
    made = {f'{name}/encoder_model.onnx': encoder(model, mel),
            f'{name}/decoder_model.onnx': decoder(model, masked=False, source=8)}
    features = tf.WhisperFeatureExtractor(feature_size=8, hop_length=1000, chunk_length=1, n_fft=400)
    return {**made, **beside(name, model, **{'preprocessor_config.json': json.loads(features.to_json_string())})}, dict(
        groups=[group(N), group(N)], refusals=[], _check=lambda: check(model, mel, *made.values()))


def t5(name):
    model = build('T5ForConditionalGeneration', 'T5Config', sum(map(ord, name)), 'random', **dict(T5, num_layers=N))
    start = encoder(model, text())
    both = merged(decoder(model), decoder(model, past=True), (0, H, 1, D // H))
    return {f'{name}/encoder_model.onnx': start, f'{name}/decoder_model_merged.onnx': both,
            **beside(name, model, **{'tokenizer.json': tokenizer()})}, dict(
        groups=[group(N), group(N)], refusals=[], _check=lambda: check(model, text(), start, both, both, True))


FIRST, SECOND = ('encoder_model.onnx', 'decoder_model.onnx'), ('decoder_with_past_model.onnx',)
PAIRS = {
    'marian-pair': marian(FIRST),
    'marian-with-past': marian(FIRST + SECOND),
    'whisper-pair': whisper,
    't5-merged': t5,
}
