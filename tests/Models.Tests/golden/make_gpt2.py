"""Writes the folder gpt2: a small random GPT-2 in Hugging Face layout, and what it computes, in golden.safetensors.

An independent implementation: lists of Python numbers, without a cache, one sequence at a time.
Usage: python3 make_gpt2.py (writes beside itself; seed 20261122, float32 weights, float64 math)
"""
import json
import math
import os
import random
import struct

SEED = 20261122
VOCAB, HIDDEN, LAYERS, HEADS, INNER, POSITIONS = 61, 40, 2, 4, 96, 48
LENGTHS = [1, 7, 33]
EPSILON = 1e-5
HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "gpt2")
rng = random.Random(SEED)


def save(path, tensors):
    """A safetensors file: length of the header, header, tensors one after another; values are nested lists."""
    header, offset, data = {}, 0, b""
    for name in sorted(tensors):
        value = tensors[name]
        shape = [len(value)] + ([len(value[0])] if isinstance(value[0], list) else [])
        flat = [number for row in value for number in row] if len(shape) == 2 else value
        is_whole = isinstance(flat[0], int)
        raw = struct.pack("<%d%s" % (len(flat), "q" if is_whole else "f"), *flat)
        header[name] = {
            "dtype": "I64" if is_whole else "F32", "shape": shape, "data_offsets": [offset, offset + len(raw)]}
        offset += len(raw)
        data += raw
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + data)


def single(number):
    """Rounds to float32."""
    return struct.unpack("<f", struct.pack("<f", number))[0]


def vector(size, deviation, mean=0.0):
    return [single(rng.gauss(mean, deviation)) for _ in range(size)]


def matrix(rows, columns, deviation):
    return [vector(columns, deviation) for _ in range(rows)]


def random_parameters():
    """Matrices of layers are [inFeatures, outFeatures], as Conv1D keeps them."""
    parameters = {"wte.weight": matrix(VOCAB, HIDDEN, 0.4), "wpe.weight": matrix(POSITIONS, HIDDEN, 0.4)}
    norms = ["ln_f"]
    for layer in range(LAYERS):
        prefix = "h.%d." % layer
        for name, rows, columns in [
            ("attn.c_attn", HIDDEN, 3 * HIDDEN), ("attn.c_proj", HIDDEN, HIDDEN), ("mlp.c_fc", HIDDEN, INNER),
            ("mlp.c_proj", INNER, HIDDEN),
        ]:
            parameters[prefix + name + ".weight"] = matrix(rows, columns, 0.2)
            parameters[prefix + name + ".bias"] = vector(columns, 0.2)
        norms += [prefix + "ln_1", prefix + "ln_2"]
    for name in norms:
        parameters[name + ".weight"] = vector(HIDDEN, 0.1, 1.0)
        parameters[name + ".bias"] = vector(HIDDEN, 0.1)
    return parameters


def forward(p, ids, trace):
    """Every result is a list of rows, one for each token."""

    def norm(rows, name):
        results = []
        for row in rows:
            mean = sum(row) / HIDDEN
            deviation = math.sqrt(sum((x - mean) ** 2 for x in row) / HIDDEN + EPSILON)
            gamma, beta = p[name + ".weight"], p[name + ".bias"]
            results.append([(x - mean) / deviation * g + b for x, g, b in zip(row, gamma, beta)])
        return results

    def conv1d(rows, name):
        weight, bias = p[name + ".weight"], p[name + ".bias"]
        return [
            [sum(x * weight[i][j] for i, x in enumerate(row)) + bias[j] for j in range(len(bias))] for row in rows]

    def add(left, right):
        return [[a + b for a, b in zip(x, y)] for x, y in zip(left, right)]

    def gelu(x):
        return 0.5 * x * (1 + math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x ** 3)))

    def attend(qkv):
        width = HIDDEN // HEADS
        results = []
        for i, row in enumerate(qkv):
            result = []
            for head in range(HEADS):
                first = head * width
                scores = [
                    sum(row[first + d] * qkv[j][HIDDEN + first + d] for d in range(width)) / math.sqrt(width)
                    for j in range(i + 1)]
                exponentials = [math.exp(score - max(scores)) for score in scores]
                total = sum(exponentials)
                result += [
                    sum(e * qkv[j][2 * HIDDEN + first + d] for j, e in enumerate(exponentials)) / total
                    for d in range(width)]
            results.append(result)
        return results

    x = [[a + b for a, b in zip(p["wte.weight"][token], p["wpe.weight"][i])] for i, token in enumerate(ids)]
    trace["embeddings"] = x
    for layer in range(LAYERS):
        prefix = "h.%d" % layer
        trace[prefix + ".ln_1"] = norm(x, prefix + ".ln_1")
        trace[prefix + ".attn.c_attn"] = conv1d(trace[prefix + ".ln_1"], prefix + ".attn.c_attn")
        trace[prefix + ".attn.context"] = attend(trace[prefix + ".attn.c_attn"])
        x = add(x, conv1d(trace[prefix + ".attn.context"], prefix + ".attn.c_proj"))
        trace[prefix + ".attn"] = x
        trace[prefix + ".ln_2"] = norm(x, prefix + ".ln_2")
        inner = [[gelu(value) for value in row] for row in conv1d(trace[prefix + ".ln_2"], prefix + ".mlp.c_fc")]
        trace[prefix + ".mlp.act"] = inner
        x = add(x, conv1d(inner, prefix + ".mlp.c_proj"))
        trace[prefix] = x
    trace["ln_f"] = norm(x, "ln_f")
    trace["logits"] = [
        [sum(a * b for a, b in zip(row, embedding)) for embedding in p["wte.weight"]] for row in trace["ln_f"]]


os.makedirs(HERE, exist_ok=True)
parameters = random_parameters()
save(os.path.join(HERE, "model.safetensors"), {"transformer." + name: value for name, value in parameters.items()})
with open(os.path.join(HERE, "config.json"), "w") as file:
    json.dump({
        "model_type": "gpt2", "activation_function": "gelu_new", "vocab_size": VOCAB, "n_embd": HIDDEN,
        "n_layer": LAYERS, "n_head": HEADS, "n_inner": INNER, "n_positions": POSITIONS,
        "layer_norm_epsilon": EPSILON,
    }, file, indent=2)
    file.write("\n")
golden = {}
for sequence, length in enumerate(LENGTHS):
    ids = [rng.randrange(VOCAB) for _ in range(length)]
    golden["%d.ids" % sequence] = ids
    results = {}
    forward(parameters, ids, results)
    for name, value in results.items():
        golden["%d.%s" % (sequence, name)] = value
save(os.path.join(HERE, "golden.safetensors"), golden)
