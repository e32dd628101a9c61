"""Makes the small models of src/testing/models and their manifest, src/testing/models.json.

Why: FFN detection and merging must be tested on what real exporters, optimum and onnxruntime's quantizers write. Each
model has random weights, seeded by its name, and 2-3 layers; the expected groups come from the configuration that built
it, so nothing here shares code with src/.

The manifest: {name: {files?, groups, refusals, dtype?}}. Without `files` a model is models/<name>.onnx; with it, these
paths below models/, .onnx and external data, dropped together (JSON files of the same folder are what a hub has beside
them). `groups` are {layers, dModel, dFf, gated} of the FFNs that can be merged: those of each file in turn, in the order
of `files`, counted once where the branches of an If share them. `refusals` are exact sentences. `dtype` is how the
FFNs' weights are stored where that is not float32: float16, bfloat16, int8, uint8, int4 or uint4 (MatMulNBits packs
its bits in uint8 tensors, and is uint4 or uint8 by their number).

Every model is run in onnxruntime when it is made, beside transformers or its f32 form where there is one.

Run: python src/testing/make-models.py [name ...]
     (torch 2.13, transformers 5.18, onnx 1.23, onnxscript 0.7, onnxruntime 1.30; the same versions give the same bytes)
Entries that are not named are kept as they are in the manifest. Under models/: exporting.py has what makers share,
handmade.py and functions.py graphs written by hand, half.py, quantized.py, external.py, caches.py and pairs.py the rest.
"""

import json
import re
import sys
import time
import warnings
from pathlib import Path

import onnx

warnings.filterwarnings('ignore')
HERE = Path(__file__).parent
OUT = HERE / 'models'
sys.path.insert(0, str(OUT))
from exporting import *  # noqa: E402, F403  (configurations, inputs, exporters, `run`)

LIMIT = 150_000
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
    'bert-mlm-torchscript': case('BertForMaskedLM', 'BertConfig', dict(TEXT, num_hidden_layers=2), bert_inputs, [group(2)],
                                 opset=17, dynamo=False, dynamic=True, short=True),
    'wav2vec2-ctc': case('Wav2Vec2ForCTC', 'Wav2Vec2Config', dict(WAV, num_hidden_layers=2), wave, [group(2)], short=True),
    'clip-text': case('CLIPTextModelWithProjection', 'CLIPTextConfig', dict(TEXT, num_hidden_layers=2, projection_dim=8),
                      ids_and_mask, [group(2)], pick='text_embeds', short=True),
}


def formatted(content):
    """JSON as the project's formatter has it: arrays of plain values on one line where they fit in 110 columns."""
    def joined(m):
        line = f"{m[1]}[{' '.join(m[2].split())}]{m[3]}"
        return line if len(line) <= 110 else m[0]
    text = json.dumps(content, indent=2, ensure_ascii=False) + '\n'
    text = re.sub(r'^(.*)\[\n([^][{}]*?)\n *\](,?)$', joined, text, flags=re.M)
    return re.sub(r'(?<=\d)e-0(?=\d)', 'e-', text)


def written(name, files):
    """{path below models/: bytes} of what a maker returned."""
    if isinstance(files, onnx.ModelProto):
        files = {f'{name}.onnx': files}

    def encode(content):
        if isinstance(content, onnx.ModelProto):
            return bare_model(content).SerializeToString()
        if isinstance(content, bytes):
            return content
        return formatted(content).encode()

    return {path: encode(content) for path, content in files.items()}


def main(wanted):
    from handmade import HANDMADE
    from caches import CACHES
    from external import EXTERNAL
    from functions import FUNCTIONS
    from half import HALF
    from pairs import PAIRS
    from quantized import QUANTIZED

    cases = {**CASES, **HANDMADE, **HALF, **QUANTIZED, **EXTERNAL, **CACHES, **PAIRS, **FUNCTIONS}
    manifest_path = HERE / 'models.json'
    manifest = json.loads(manifest_path.read_text()) if manifest_path.exists() else {}
    for name in wanted or cases:
        start, made = time.time(), {}
        try:
            files, expected = cases[name](name)
            made = written(name, files)
            for path, data in made.items():
                assert len(data) < LIMIT, f'{path} has {len(data)} bytes'
                (OUT / path).parent.mkdir(exist_ok=True)
                (OUT / path).write_bytes(data)
            opened = [p for p in made if not p.endswith('.json')]
            check = expected.pop('_check', None)
            if check:
                check()
            else:
                for path in opened:
                    if path.endswith('.onnx'):
                        run(OUT / path)
            if opened != [f'{name}.onnx']:
                expected = {'files': opened, **expected}
        except Exception as error:  # say it, and go on with the others
            print(f'{name}: FAILED {type(error).__name__}: {str(error)[:600]}', flush=True)
            for path in made:
                (OUT / path).unlink(missing_ok=True)
            manifest.pop(name, None)
            continue
        manifest[name] = expected
        print(f'{name}: {sum(map(len, made.values()))} bytes, {time.time() - start:.1f} s', flush=True)
        order = {n: i for i, n in enumerate(cases)}
        kept = {n: manifest[n] for n in sorted(manifest, key=lambda n: order.get(n, 1e9)) if n in order}
        manifest_path.write_text(formatted(kept))


if __name__ == '__main__':
    main(sys.argv[1:])
