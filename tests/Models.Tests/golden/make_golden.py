"""Writes golden.safetensors and the folder bert: a small random BERT in Hugging Face layout and PyTorch's results.

An independent implementation: plain PyTorch modules, masks applied to the weights. Needs Debian's python3-torch.
Usage: /usr/bin/python3 make_golden.py (writes beside itself; seed 20261121, torch 1.13, float32 weights, float64 math)
"""
import json
import math
import os
import struct

import torch

SEED = 20261121
VOCAB, HIDDEN, LAYERS, HEADS, INNER, POSITIONS, LABELS = 96, 48, 3, 4, 80, 40, 3
FIRST_MASKED_LAYER = 1
HERE = os.path.dirname(os.path.abspath(__file__))
torch.manual_seed(SEED)


def save(path, tensors, metadata=None):
    """A safetensors file: length of the header, header, tensors one after another."""
    types = {torch.float32: "F32", torch.uint8: "U8", torch.int64: "I64"}
    header, offset, data = {}, 0, b""
    if metadata:
        header["__metadata__"] = metadata
    for name in sorted(tensors):
        value = tensors[name].contiguous()
        raw = value.numpy().tobytes()
        offsets = [offset, offset + len(raw)]
        header[name] = {"dtype": types[value.dtype], "shape": list(value.shape), "data_offsets": offsets}
        offset += len(raw)
        data += raw
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + data)


def random_parameters():
    parameters = {
        "embeddings.word_embeddings.weight": torch.randn(VOCAB, HIDDEN) * 0.4,
        "embeddings.position_embeddings.weight": torch.randn(POSITIONS, HIDDEN) * 0.4,
        "embeddings.token_type_embeddings.weight": torch.randn(2, HIDDEN) * 0.4,
        "pooler.dense.weight": torch.randn(HIDDEN, HIDDEN) * 0.2,
        "pooler.dense.bias": torch.randn(HIDDEN) * 0.2,
    }
    norms = ["embeddings.LayerNorm"]
    for layer in range(LAYERS):
        prefix = f"encoder.layer.{layer}."
        for name, rows, columns in [
            ("attention.self.query", HIDDEN, HIDDEN), ("attention.self.key", HIDDEN, HIDDEN),
            ("attention.self.value", HIDDEN, HIDDEN), ("attention.output.dense", HIDDEN, HIDDEN),
            ("intermediate.dense", INNER, HIDDEN), ("output.dense", HIDDEN, INNER),
        ]:
            parameters[prefix + name + ".weight"] = torch.randn(rows, columns) * 0.2
            parameters[prefix + name + ".bias"] = torch.randn(rows) * 0.2
        norms += [prefix + "attention.output.LayerNorm", prefix + "output.LayerNorm"]
    for name in norms:
        parameters[name + ".weight"] = 1 + torch.randn(HIDDEN) * 0.1
        parameters[name + ".bias"] = torch.randn(HIDDEN) * 0.1
    return parameters


def forward(parameters, ids, types, trace):
    """One sequence in float64; every module's output goes into trace."""
    p = {name: value.double() for name, value in parameters.items()}

    def norm(x, name):
        return torch.nn.functional.layer_norm(x, (HIDDEN,), p[name + ".weight"], p[name + ".bias"], 1e-12)

    def linear(x, name):
        return x @ p[name + ".weight"].T + p[name + ".bias"]

    x = p["embeddings.word_embeddings.weight"][ids] + p["embeddings.position_embeddings.weight"][: len(ids)]
    x = norm(x + p["embeddings.token_type_embeddings.weight"][types], "embeddings.LayerNorm")
    trace["embeddings"] = x
    for layer in range(LAYERS):
        prefix = f"encoder.layer.{layer}."
        heads = []
        q, k, v = (linear(x, prefix + "attention.self." + name) for name in ("query", "key", "value"))
        width = HIDDEN // HEADS
        for head in range(HEADS):
            part = slice(head * width, (head + 1) * width)
            weights = torch.softmax(q[:, part] @ k[:, part].T / math.sqrt(width), -1)
            heads.append(weights @ v[:, part])
        context = torch.cat(heads, -1)
        trace[prefix + "attention.self"] = context
        x = norm(linear(context, prefix + "attention.output.dense") + x, prefix + "attention.output.LayerNorm")
        trace[prefix + "attention.output"] = x
        inner = torch.nn.functional.gelu(linear(x, prefix + "intermediate.dense"))
        trace[prefix + "intermediate"] = inner
        x = norm(linear(inner, prefix + "output.dense") + x, prefix + "output.LayerNorm")
        trace[prefix + "output"] = x
    trace["pooler"] = torch.tanh(linear(x[:1], "pooler.dense"))
    return trace["pooler"]


def pack(mask):
    """Row-major bits, least significant first."""
    flat = mask.flatten().tolist()
    flat += [0] * (-len(flat) % 8)
    packed = [sum(bit << i for i, bit in enumerate(flat[at:at + 8])) for at in range(0, len(flat), 8)]
    return torch.tensor(packed, dtype=torch.uint8)


os.makedirs(os.path.join(HERE, "bert"), exist_ok=True)
parameters = random_parameters()
save(os.path.join(HERE, "bert", "model.safetensors"), {"bert." + name: value for name, value in parameters.items()})
with open(os.path.join(HERE, "bert", "config.json"), "w") as file:
    json.dump({
        "model_type": "bert", "hidden_act": "gelu", "vocab_size": VOCAB, "hidden_size": HIDDEN,
        "num_hidden_layers": LAYERS, "num_attention_heads": HEADS, "intermediate_size": INNER,
        "max_position_embeddings": POSITIONS, "type_vocab_size": 2, "layer_norm_eps": 1e-12,
    }, file, indent=2)
    file.write("\n")
with open(os.path.join(HERE, "bert", "vocab.txt"), "w") as file:
    characters = [chr(c) for c in range(33, 65)] + [chr(c) for c in range(91, 127)]
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] + characters
    words += ["##" + chr(c) for c in range(97, 120)]
    file.write("".join(word + "\n" for word in words[:VOCAB]))

golden, metadata = {}, {}
head_weight, head_bias = torch.randn(LABELS, HIDDEN) * 0.5, torch.randn(LABELS) * 0.5
head_mask = torch.rand(LABELS, HIDDEN) < 0.9
golden["head.weight"], golden["head.bias"] = head_weight, head_bias
masked = dict(parameters)
masks = {"classifier.weight": head_mask.int()}
for name in parameters:
    in_masked_layer = any(name.startswith(f"encoder.layer.{layer}.") for layer in range(FIRST_MASKED_LAYER, LAYERS))
    if name.endswith(".weight") and "LayerNorm" not in name and (in_masked_layer or name == "pooler.dense.weight"):
        masks[name] = (torch.rand(parameters[name].shape) < 0.8).int()
        masked[name] = torch.where(masks[name] == 1, parameters[name], torch.zeros(()))
for name, mask in masks.items():
    golden["mask." + name] = pack(mask)
    metadata["mask." + name] = f"{mask.shape[0]}x{mask.shape[1]}"
for sequence, length in enumerate([1, 2, 9, 40]):
    ids = torch.randint(5, VOCAB, (length,))
    types = (torch.arange(length) >= (length + 1) // 2).long()
    golden[f"{sequence}.ids"], golden[f"{sequence}.types"] = ids, types
    for kind, weights, head in [
        ("plain", parameters, head_weight), ("masked", masked, torch.where(head_mask, head_weight, torch.zeros(())))
    ]:
        trace = {}
        pooled = forward(weights, ids, types, trace)
        trace["logits"] = pooled @ head.double().T + head_bias.double()
        for name, value in trace.items():
            golden[f"{sequence}.{kind}.{name}"] = value.float()
save(os.path.join(HERE, "golden.safetensors"), golden, metadata)
