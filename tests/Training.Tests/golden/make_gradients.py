"""Writes gradients.safetensors: what PyTorch's autograd says of the golden BERT of Models.Tests, in float64.

The loss is the mean cross-entropy of its four sequences, labels 0, 1, 2, 0. plain.NAME is the gradient of a parameter;
masked.NAME, with weights masked by hand, that of a masked weight times the weight: the straight-through gradient of its
score. Needs Debian's python3-torch. Usage: /usr/bin/python3 make_gradients.py (torch 1.13)
"""
import json
import math
import os
import struct

import torch

HERE = os.path.dirname(os.path.abspath(__file__))
GOLDEN = os.path.join(HERE, "..", "..", "Models.Tests", "golden")
LABELS = [0, 1, 2, 0]
TYPES = {"F32": torch.float32, "U8": torch.uint8, "I64": torch.int64}


def load(path):
    with open(path, "rb") as file:
        data = file.read()
    length = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:8 + length])
    metadata = header.pop("__metadata__", {})
    tensors = {}
    for name, entry in header.items():
        begin, end = (8 + length + offset for offset in entry["data_offsets"])
        flat = torch.frombuffer(bytearray(data[begin:end]), dtype=TYPES[entry["dtype"]])
        tensors[name] = flat.reshape(entry["shape"])
    return tensors, metadata


def save(path, tensors):
    header, offset, data = {}, 0, b""
    for name in sorted(tensors):
        raw = tensors[name].contiguous().float().numpy().tobytes()
        header[name] = {"dtype": "F32", "shape": list(tensors[name].shape), "data_offsets": [offset, offset + len(raw)]}
        offset += len(raw)
        data += raw
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + data)


def unpack(bits, rows, columns):
    flat = [(byte >> i) & 1 for byte in bits.tolist() for i in range(8)][:rows * columns]
    return torch.tensor(flat, dtype=torch.float64).reshape(rows, columns)


def logits(p, config, ids, types):
    heads, width = config["num_attention_heads"], config["hidden_size"] // config["num_attention_heads"]

    def norm(x, name):
        weight, bias = p[name + ".weight"], p[name + ".bias"]
        return torch.nn.functional.layer_norm(x, (config["hidden_size"],), weight, bias, 1e-12)

    def linear(x, name):
        return x @ p[name + ".weight"].T + p[name + ".bias"]

    x = p["embeddings.word_embeddings.weight"][ids] + p["embeddings.position_embeddings.weight"][:len(ids)]
    x = norm(x + p["embeddings.token_type_embeddings.weight"][types], "embeddings.LayerNorm")
    for layer in range(config["num_hidden_layers"]):
        prefix = f"encoder.layer.{layer}."
        q, k, v = (linear(x, prefix + "attention.self." + name) for name in ("query", "key", "value"))
        parts = [slice(head * width, (head + 1) * width) for head in range(heads)]
        context = torch.cat([torch.softmax(q[:, s] @ k[:, s].T / math.sqrt(width), -1) @ v[:, s] for s in parts], -1)
        x = norm(linear(context, prefix + "attention.output.dense") + x, prefix + "attention.output.LayerNorm")
        inner = torch.nn.functional.gelu(linear(x, prefix + "intermediate.dense"))
        x = norm(linear(inner, prefix + "output.dense") + x, prefix + "output.LayerNorm")
    return torch.tanh(linear(x[:1], "pooler.dense")) @ p["classifier.weight"].T + p["classifier.bias"]


def gradients(parameters, config, golden):
    leaves = {name: value.clone().requires_grad_() for name, value in parameters.items()}
    rows = [logits(leaves, config, golden[f"{i}.ids"], golden[f"{i}.types"]) for i in range(len(LABELS))]
    torch.nn.functional.cross_entropy(torch.cat(rows), torch.tensor(LABELS)).backward()
    return {name: leaf.grad for name, leaf in leaves.items()}


def main():
    golden, metadata = load(os.path.join(GOLDEN, "golden.safetensors"))
    with open(os.path.join(GOLDEN, "bert", "config.json")) as file:
        config = json.load(file)
    weights, _ = load(os.path.join(GOLDEN, "bert", "model.safetensors"))
    parameters = {name[len("bert."):]: value.double() for name, value in weights.items()}
    parameters["classifier.weight"] = golden["head.weight"].double()
    parameters["classifier.bias"] = golden["head.bias"].double()
    result = {"plain." + name: value for name, value in gradients(parameters, config, golden).items()}
    masked = dict(parameters)
    for key, shape in metadata.items():
        name = key[len("mask."):]
        if name != "classifier.weight":
            masked[name] = parameters[name] * unpack(golden[key], *map(int, shape.split("x")))
    of_masked = gradients(masked, config, golden)
    result.update({
        "masked." + name: of_masked[name] * parameters[name] for name in masked if masked[name] is not parameters[name]
    })
    save(os.path.join(HERE, "gradients.safetensors"), result)


if __name__ == "__main__":
    main()
