/**
 * Turns what onnxruntime throws (a bare number, “std::bad_alloc”, a C++ source path) into a sentence.
 */
import { RuntimeFailure, type RuntimeFailureCode } from '../session.ts';

export function translateFailure(error: unknown, doing: 'open' | 'run'): RuntimeFailure {
  const details = error instanceof Error ? error.message : String(error);
  const code = classify(error, details);
  const verb = doing === 'open' ? 'open this model' : 'run this model';
  const sentences: Record<RuntimeFailureCode, string> = {
    'out-of-memory': `There was not enough memory to ${verb}: the runtime can use at most 4 GB. Close other tabs, or use a smaller model or shorter text.`,
    stopped: `The runtime stopped when it was to ${verb}, most often because memory ran out; what is shown stays. Open the model again to go on. Should it happen again, close other tabs, or use a smaller model or shorter text.`,
    'unsupported-operator': `The runtime cannot ${verb}, because it lacks an operator: ${firstLine(details)}. Export the model with another opset, or without that operator.`,
    'bad-model': `The runtime refused to ${verb}: ${firstLine(details)}. Export the model again, or check it with onnx.checker.`,
    'bad-input': `The data does not fit the model's inputs: ${firstLine(details)}.`,
    other: `The runtime could not ${verb}: ${firstLine(details)}.`,
  };
  return new RuntimeFailure(code, sentences[code], details);
}

function classify(error: unknown, details: string): RuntimeFailureCode {
  if (typeof error === 'number' || /^\d+$/.test(details)) return 'out-of-memory';
  // Emscripten's end and wasm's traps: the module is left as it fell.
  if (
    /\babort(ed)?\(|program has already aborted|unreachable|(memory access|table index is|index) out of bounds/i.test(
      details,
    )
  )
    return 'stopped';
  if (/bad_alloc|out of memory|array buffer allocation|could not allocate|unable to grow/i.test(details))
    return 'out-of-memory';
  if (/not implemented|NOT_IMPLEMENTED|is not a registered function|No Op registered/i.test(details))
    return 'unsupported-operator';
  if (/Got invalid dimensions|Unexpected input data type|input .* is missing|Invalid Feed/i.test(details))
    return 'bad-input';
  if (/INVALID_GRAPH|INVALID_PROTOBUF|Load model|ShapeInferenceError|failed to load/i.test(details))
    return 'bad-model';
  return 'other';
}

/** The first line, without C++ paths and error codes, bounded. */
function firstLine(text: string): string {
  const line = text
    .split('\n')[0]
    .replace(/\S+\.(cc|h|cpp):\d+\s*\S*/g, '')
    .replace(/\s+/g, ' ')
    .trim()
    .replace(/\.$/, '');
  return line.length > 220 ? `${line.slice(0, 217)}…` : line || 'no reason was given';
}
