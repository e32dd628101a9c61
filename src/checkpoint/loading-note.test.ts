/**
 * The loading note. Where LAYERFOLD_PYTHON names a Python with torch, transformers and safetensors, its code runs: on a
 * GPT-2 and on a module that transformers does not know, against models whose layers hold copies.
 */
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, openAsBlob, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { createRandom } from '../testing/random.ts';
import type { NamedFile } from '../testing/safetensors-builder.ts';
import { loadingNote } from './loading-note.ts';
import { openSafetensors } from './reader.ts';
import { composeSafetensors, type TensorEdit } from './writer.ts';

const pythonBlocks = (note: string) =>
  [...note.matchAll(/```python\n([\s\S]*?)```/g)].map(([, code]) => code);

describe('the text', () => {
  const tied = new Map([
    ['h.5.mlp.w', 'h.4.mlp.w'],
    ['h.6.mlp.w', 'h.4.mlp.w'],
    ['h.5.mlp.b', 'h.4.mlp.b'],
  ]);

  test('names the files and what is tied', () => {
    const files = ['model-00001-of-00002.safetensors', 'model-00002-of-00002.safetensors'];
    const note = loadingNote({ files: [...files, 'model.safetensors.index.json'], tied });
    expect(note).toContain(`FILES = ["${files[0]}", "${files[1]}"]`);
    expect(note).toContain(`\`${files[0]}\` and \`${files[1]}\` hold a model`);
    expect(note).toContain('3 of its tensors are not stored: each is one of 2 that are');
    expect(note).toContain('| `h.4.mlp.w` | `h.5.mlp.w` and `h.6.mlp.w` |');
    expect(note).toContain('| `h.4.mlp.b` | `h.5.mlp.b` |');
    expect(pythonBlocks(note)).toHaveLength(2);
    expect(note).toContain('pip install torch transformers safetensors');
  });

  test('without a config asks for the model, and without ties says so', () => {
    const note = loadingNote({ files: ['a"b.safetensors'], tied: new Map(), config: false });
    expect(note).not.toContain('import transformers');
    expect(note).toContain('load_merged(YourModel(), ".")');
    expect(note).toContain('FILES = ["a\\"b.safetensors"]');
    expect(note).toContain('No tensor is tied');
    expect(note).not.toContain('| stored |');
  });
});

const python = process.env.LAYERFOLD_PYTHON || undefined;
const hasTorch =
  python !== undefined &&
  spawnSync(python, ['-c', 'import torch, transformers, safetensors'], { stdio: 'ignore' }).status === 0;

function run(script: string, ...args: string[]): Record<string, unknown> {
  const { stdout, stderr, status } = spawnSync(python!, ['-c', script, ...args], { encoding: 'utf8' });
  if (status !== 0) throw new Error(stderr);
  return JSON.parse(stdout.trim().split('\n').at(-1)!);
}

/** Makes both models, of random weights. */
const MAKE = `
import json, sys, torch, transformers
from safetensors.torch import save_file
torch.manual_seed(1)
config = transformers.GPT2Config(n_layer=4, n_embd=16, n_inner=24, n_head=2, vocab_size=20, n_positions=16)
transformers.GPT2LMHeadModel(config).save_pretrained(sys.argv[1])
exec(open(sys.argv[2]).read())
save_file(Own().state_dict(), sys.argv[3])
print("{}")`;

const OWN = `
class Own(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = torch.nn.ModuleList(torch.nn.Linear(6, 6) for _ in range(3))
    def forward(self, x):
        for layer in self.layers:
            x = x + torch.tanh(layer(x))
        return x
`;

/** Loads by the note, and compares with a model whose merged layers hold copies; one step of training; a round trip. */
const CHECK = `
import json, sys, torch, transformers
folder, original, note, own, own_note = sys.argv[1:]
exec(open(own).read())

def check(load, reference, given, tied_path):
    model, tied = load()
    model.eval(), reference.eval()
    run = lambda m: getattr(m(given), "logits", m(given))
    before = (run(model) - run(reference)).abs().max().item()
    run(model).square().sum().backward()
    run(reference).square().sum().backward()
    grads = sum(reference.get_parameter(n).grad for n in tied_path)
    shared = model.get_parameter(tied_path[0])
    gradient = ((shared.grad - grads).abs().max() / grads.abs().max()).item()
    torch.optim.SGD(model.parameters(), lr=0.1).step()
    same = all(model.get_parameter(n) is shared for n in tied_path)
    after = run(model)
    return model, tied, run, {"before": before, "gradient": gradient, "same": same, "moved": (after - run(reference)).abs().max().item()}

space = {}
exec(open(note).read(), space)
reference = transformers.GPT2LMHeadModel.from_pretrained(original)
merged, _ = space["load_merged"](folder)
with torch.no_grad():
    for k in (1, 2, 3):
        for n in ("c_fc.weight", "c_fc.bias", "c_proj.weight"):
            reference.get_parameter(f"transformer.h.{k}.mlp.{n}").copy_(merged.get_parameter(f"transformer.h.1.mlp.{n}"))
ids = torch.arange(12)[None] % 20
path = [f"transformer.h.{k}.mlp.c_fc.weight" for k in (1, 2, 3)]
model, tied, run, gpt2 = check(lambda: space["load_merged"](folder), reference, ids, path)
gpt2["first"] = merged.get_parameter(path[0]).flatten()[:3].tolist()
gpt2["parameters"] = sum(p.numel() for p in reference.parameters()) - sum(p.numel() for p in model.parameters())
space["save_merged"](model, tied, folder + "/tuned")
again, names = space["load_merged"](folder + "/tuned", ["model.safetensors"])
again.eval()
gpt2["again"] = (run(again) - run(model)).abs().max().item()
gpt2["names"] = names

space = {"torch": torch}
exec(open(own_note).read(), space)
reference = Own()
merged, _ = space["load_merged"](Own(), folder)
reference.load_state_dict(merged.state_dict())
path = ["layers.0.weight", "layers.2.weight"]
model, tied, run, mine = check(lambda: space["load_merged"](Own(), folder), reference, torch.ones(1, 6), path)
print(json.dumps({"gpt2": gpt2, "own": mine}))`;

test.runIf(hasTorch)(
  'the code loads, trains and saves',
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'layerfold-'));
    const at = (...parts: string[]) => join(folder, ...parts);
    try {
      writeFileSync(at('own.py'), OWN);
      run(MAKE, at('original'), at('own.py'), at('own-original.safetensors'));
      const compose = async (path: string, name: string, edits: Record<string, TensorEdit>) => {
        const file = Object.assign(await openAsBlob(path), { name }) as NamedFile;
        const composed = composeSafetensors(await openSafetensors([file]), new Map(Object.entries(edits)));
        mkdirSync(at('merged'), { recursive: true });
        for (const { name, blob } of composed.files) {
          writeFileSync(at('merged', name), new Uint8Array(await blob.arrayBuffer()));
        }
        return composed.tied;
      };
      const values = createRandom(5)
        .normals(16 * 24)
        .map((v) => v * 0.1);
      const edits: Record<string, TensorEdit> = {
        'transformer.h.1.mlp.c_fc.weight': { kind: 'replace', values },
      };
      for (const k of [2, 3]) {
        for (const name of ['c_fc.weight', 'c_fc.bias', 'c_proj.weight']) {
          edits[`transformer.h.${k}.mlp.${name}`] = { kind: 'alias', of: `transformer.h.1.mlp.${name}` };
        }
      }
      const tied = await compose(at('original', 'model.safetensors'), 'model.safetensors', edits);
      const ownTied = await compose(at('own-original.safetensors'), 'own.safetensors', {
        'layers.2.weight': { kind: 'alias', of: 'layers.0.weight' },
      });
      copyFileSync(at('original', 'config.json'), at('merged', 'config.json'));
      writeFileSync(at('note.py'), pythonBlocks(loadingNote({ files: ['model.safetensors'], tied }))[0]);
      const ownNote = loadingNote({ files: ['own.safetensors'], tied: ownTied, config: false });
      writeFileSync(at('own-note.py'), pythonBlocks(ownNote)[0]);
      const result = run(CHECK, at('merged'), at('original'), at('note.py'), at('own.py'), at('own-note.py'));
      expect(result).toEqual({
        gpt2: {
          before: 0,
          gradient: expect.any(Number),
          same: true,
          moved: expect.any(Number),
          first: Array.from(values.subarray(0, 3)),
          parameters: 2 * (16 * 24 + 24 + 24 * 16),
          again: 0,
          names: Object.fromEntries(tied),
        },
        own: { before: 0, gradient: expect.any(Number), same: true, moved: expect.any(Number) },
      });
      for (const { gradient, moved } of Object.values(result) as Record<string, number>[]) {
        expect(gradient).toBeLessThan(1e-5);
        expect(moved).toBeGreaterThan(1e-4);
      }
    } finally {
      rmSync(folder, { recursive: true });
    }
  },
  180_000,
);
