"""Models whose weights are in files of their own beside the .onnx file.

Used by ../make-models.py. One file for all float tensors, each at a multiple of 64 bytes (as exporters write
model.onnx_data), or one file a matrix, named like it (as older exporters do). Integers stay inside: onnxruntime's shape
inference cannot read them from outside.
"""

from pathlib import Path

import onnx
from exporting import GPT2, IMAGE, NO_CACHE, bare_model, case, difference, group, ids, pixels, run
from onnx import TensorProto

OUT = Path(__file__).parent


def moved(tensor, location, offset=None):
    """Takes the bytes out of `tensor` and leaves where they are: the whole file, unless at an offset."""
    data = tensor.raw_data
    tensor.ClearField('raw_data')
    tensor.data_location = TensorProto.EXTERNAL
    at = {'location': location} | ({} if offset is None else {'offset': str(offset), 'length': str(len(data))})
    for key, value in at.items():
        tensor.external_data.add(key=key, value=value)
    return data


def external(original, together):
    def make(name):
        plain, expected = original(name)
        want = run(bare_model(plain))
        model = onnx.ModelProto.FromString(plain.SerializeToString())
        floats = [t for t in model.graph.initializer if t.data_type == TensorProto.FLOAT]
        assert all(t.HasField('raw_data') for t in floats)
        files, data = {}, b''
        for t in floats:
            if together:
                data += bytes(-len(data) % 64)
                data += moved(t, 'model.onnx_data', len(data))
            elif len(t.dims) > 1:
                location = t.name.replace(':', '_')
                files[location] = moved(t, location)
        files = {'model.onnx_data': data} if together else files

        def check():
            got = run(OUT / name / 'model.onnx')
            assert all(difference(got[o], want[o]) == 0 for o in want)
        return {f'{name}/{f}': c for f, c in {'model.onnx': model, **files}.items()}, dict(expected, _check=check)
    return make


EXTERNAL = {
    'gpt2-external': external(case('GPT2LMHeadModel', 'GPT2Config', dict(GPT2, n_layer=2), ids, [group(2, d_ff=64)],
                                   extra=NO_CACHE, dynamic=True, short=True), True),
    'vit-external-many': external(case('ViTForImageClassification', 'ViTConfig', dict(IMAGE, num_hidden_layers=2), pixels,
                                       [group(2)], opset=17, dynamo=False, short=True), False),
}
