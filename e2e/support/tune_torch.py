"""Seconds a step of the same tuning in PyTorch, for the bench: the architecture of a config.json with random weights (speed
does not depend on them), FFNs of a window tied, distilled from the untied model, Adam on everything that is tied.

Usage: python tune_torch.py CONFIG FIRST LAST ITEMS TOKENS STEPS. Prints JSON: seconds a step, peak resident MB, threads.
"""
import json
import resource
import sys
import time

import torch
from transformers import AutoConfig, AutoModelForCausalLM

path, first, last, items, tokens, steps = sys.argv[1], *map(int, sys.argv[2:])
torch.manual_seed(0)
config = AutoConfig.from_pretrained(path)
teacher = AutoModelForCausalLM.from_config(config).eval()
student = AutoModelForCausalLM.from_config(config).eval()
student.load_state_dict(teacher.state_dict())
layers = student.transformer.h if config.model_type == "gpt2" else student.model.layers
shared = layers[first].mlp
for layer in layers[first : last + 1]:
    layer.mlp = shared
for parameter in student.parameters():
    parameter.requires_grad_(False)
tuned = list(shared.parameters())
for parameter in tuned:
    parameter.requires_grad_(True)
adam = torch.optim.Adam(tuned, lr=5e-4)
batches = torch.randint(config.vocab_size, (4, items, tokens))
with torch.no_grad():
    targets = [teacher(batch).logits.softmax(-1) for batch in batches]


def step(k: int) -> None:
    logs = student(batches[k % 4]).logits.log_softmax(-1)
    loss = torch.nn.functional.kl_div(logs, targets[k % 4], reduction="batchmean")
    adam.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(tuned, 1.0)
    adam.step()


step(0)
begun = time.perf_counter()
for k in range(steps):
    step(k)
seconds = (time.perf_counter() - begun) / steps
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"seconds": seconds, "megabytes": peak, "threads": torch.get_num_threads()}))
