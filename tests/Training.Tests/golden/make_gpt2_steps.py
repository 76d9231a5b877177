"""Writes gpt2_steps.safetensors: ten steps of PyTorch on the golden GPT-2 of Models.Tests, in float64.

The loss is the mean cross-entropy of all next tokens of its sequences of 7 and 33 tokens. gradient.NAME is that of the
first step, losses are those before each of ten steps of AdamW, and after.NAME is a parameter after them. Weight decay
applies to matrices and embeddings, and the norm of all gradients is clipped. Matrices are [inFeatures, outFeatures].
Needs Debian's python3-torch. Usage: /usr/bin/python3 make_gpt2_steps.py (torch 1.13)
"""
import json
import math
import os

import torch

from make_gradients import load, save

HERE = os.path.dirname(os.path.abspath(__file__))
GOLDEN = os.path.join(HERE, "..", "..", "Models.Tests", "golden", "gpt2")
RATE, DECAY, EPSILON, LARGEST_NORM, STEPS = 0.01, 0.1, 1e-6, 1.0, 10


def logits(p, config, ids):
    width, heads = config["n_embd"], config["n_head"]
    seen = torch.ones(len(ids), len(ids)).tril().bool()

    def norm(x, name):
        return torch.nn.functional.layer_norm(
            x, (width,), p[name + ".weight"], p[name + ".bias"], config["layer_norm_epsilon"])

    def conv1d(x, name):
        return x @ p[name + ".weight"] + p[name + ".bias"]

    def gelu(x):
        return 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x ** 3)))

    x = p["wte.weight"][ids] + p["wpe.weight"][:len(ids)]
    for layer in range(config["n_layer"]):
        prefix = f"h.{layer}."
        q, k, v = (
            part.reshape(len(ids), heads, -1).transpose(0, 1)
            for part in conv1d(norm(x, prefix + "ln_1"), prefix + "attn.c_attn").split(width, dim=1))
        scores = (q @ k.transpose(1, 2) / math.sqrt(width // heads)).masked_fill(~seen, -math.inf)
        context = (torch.softmax(scores, -1) @ v).transpose(0, 1).reshape(len(ids), width)
        x = x + conv1d(context, prefix + "attn.c_proj")
        x = x + conv1d(gelu(conv1d(norm(x, prefix + "ln_2"), prefix + "mlp.c_fc")), prefix + "mlp.c_proj")
    return norm(x, "ln_f") @ p["wte.weight"].T


def main():
    with open(os.path.join(GOLDEN, "config.json")) as file:
        config = json.load(file)
    weights, _ = load(os.path.join(GOLDEN, "model.safetensors"))
    golden, _ = load(os.path.join(GOLDEN, "golden.safetensors"))
    p = {name[len("transformer."):]: value.double().requires_grad_() for name, value in weights.items()}
    matrices = [value for value in p.values() if value.dim() == 2]
    others = [value for value in p.values() if value.dim() == 1]
    optimizer = torch.optim.AdamW(
        [{"params": matrices, "weight_decay": DECAY}, {"params": others, "weight_decay": 0}], lr=RATE, eps=EPSILON)
    result, losses = {}, []
    for step in range(STEPS):
        optimizer.zero_grad()
        texts = [golden["1.ids"], golden["2.ids"]]
        rows = torch.cat([logits(p, config, ids[:-1]) for ids in texts])
        loss = torch.nn.functional.cross_entropy(rows, torch.cat([ids[1:] for ids in texts]))
        loss.backward()
        losses.append(loss.item())
        if step == 0:
            result = {"gradient." + name: value.grad.clone() for name, value in p.items()}
        torch.nn.utils.clip_grad_norm_(p.values(), LARGEST_NORM)
        optimizer.step()
    result.update({"after." + name: value.detach() for name, value in p.items()})
    result["losses"] = torch.tensor(losses)
    save(os.path.join(HERE, "gpt2_steps.safetensors"), result)


main()
