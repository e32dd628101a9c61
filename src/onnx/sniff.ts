/**
 * What a file that is not an ONNX model looks like.
 *
 * Why: people drop the wrong file more often than a broken one, and the page should say which and what to do.
 */

import { OnnxError } from './types.ts';

/** First bytes that no ONNX model can have, and what they belong to. */
const MAGIC: readonly (readonly [prefix: string, looksLike: string, remedy: string])[] = [
  ['PK\x03\x04', 'a zip archive (or a PyTorch checkpoint)', 'unpack it, or export the model to ONNX first'],
  ['\x1f\x8b', 'a gzip archive', 'unpack it first'],
  ['\x89PNG', 'a PNG image', 'choose the .onnx file'],
  ['\xff\xd8\xff', 'a JPEG image', 'choose the .onnx file'],
  ['%PDF', 'a PDF document', 'choose the .onnx file'],
  ['\x93NUMPY', 'a NumPy array', 'choose the .onnx file; arrays are opened as calibration data'],
  ['\x89HDF', 'an HDF5 (Keras) file', 'export the model to ONNX first'],
  ['GGUF', 'a GGUF model', 'export the original model to ONNX instead'],
  [
    'version https://git-lfs',
    'a Git LFS pointer, not the model itself',
    'fetch the real file with "git lfs pull"',
  ],
  ['\x80\x02', 'a Python pickle', 'export the model to ONNX first'],
  ['\x80\x04', 'a Python pickle', 'export the model to ONNX first'],
];

/** Bytes of the start of a file that `sniff` and `strangerError` want. */
export const SNIFF_BYTES = 512;

/**
 * Refuses a file whose first bytes say that it is something else.
 * @param head the first `SNIFF_BYTES` bytes, or fewer where the file is shorter.
 * @throws OnnxError `not-onnx`
 */
export function sniff(head: Uint8Array, size: number): void {
  if (size === 0) throw notOnnx('it is empty', 'download or export it again');
  const text = latin1(head);
  for (const [prefix, looksLike, remedy] of MAGIC) {
    if (text.startsWith(prefix)) throw notOnnx(`it looks like ${looksLike}`, remedy);
  }
  if (text.slice(4, 8) === 'ORTM')
    throw notOnnx('it looks like an ORT-format model', 'choose the .onnx file that it was made from');
  if (text.slice(4, 8) === 'TFL3')
    throw notOnnx('it looks like a TensorFlow Lite model', 'export the model to ONNX instead');
  if (isSafetensors(head, size)) {
    throw notOnnx(
      'it looks like a safetensors checkpoint',
      'export the model to ONNX first, the graph is not in this file',
    );
  }
  const start = text
    .replace(/^\xef\xbb\xbf/, '')
    .trimStart()
    .toLowerCase();
  if (/^<(!doctype|html|\?xml|head|svg)/.test(start)) {
    throw notOnnx('it looks like a web page', 'the download probably failed, so download the model again');
  }
}

/** The error for a file in which nothing of a ModelProto was recognised. */
export function strangerError(head: Uint8Array, detail: string): OnnxError {
  if (head.every((byte) => byte === 0)) return notOnnx('it is all zeros', 'download or export it again');
  if (head.every((byte) => byte === 9 || byte === 10 || byte === 13 || (byte >= 32 && byte < 127))) {
    return notOnnx('it looks like plain text', 'choose the .onnx file');
  }
  return notOnnx(detail, 'choose the .onnx file, or export the model to ONNX first');
}

function notOnnx(why: string, remedy: string): OnnxError {
  return new OnnxError('not-onnx', `This is not an ONNX model: ${why}; ${remedy}.`, 0);
}

/** A little-endian 64-bit header length, then JSON. */
function isSafetensors(head: Uint8Array, size: number): boolean {
  if (head.length < 10 || head[8] !== 0x7b) return false;
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
  return view.getBigUint64(0, true) <= BigInt(size - 8);
}

function latin1(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}
