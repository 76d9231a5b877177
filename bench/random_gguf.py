"""Writes a GGUF file of GPT-2 small's shape with random weights, for llama.cpp to be measured with.

    random_gguf.py OUT.gguf f32|f16|q8_0

Needs numpy. Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md, version 3. Q8_0 is blocks of 32 weights
along the input: a float16 scale, the largest magnitude / 127, and 32 int8.
"""
import argparse
import struct

import numpy

LAYERS, HIDDEN, HEADS, VOCAB, CONTEXT = 12, 768, 12, 50257, 1024
ALIGNMENT = 32
U32, I32, F32, STRING, ARRAY = 4, 5, 6, 8, 9  # Types of metadata.
KINDS = {"f32": (0, 0), "f16": (1, 1), "q8_0": (8, 7)}  # The type of tensors, and of files.


def text(value):
    data = value.encode()
    return struct.pack("<Q", len(data)) + data


def quantized(weights):
    blocks = weights.reshape(-1, 32)
    scales = (numpy.abs(blocks).max(axis=1, keepdims=True) / 127).astype(numpy.float16)
    packed = numpy.empty(len(blocks), dtype=[("scale", "<f2"), ("numbers", "i1", 32)])
    packed["scale"] = scales[:, 0]
    packed["numbers"] = numpy.rint(blocks / scales.astype(numpy.float32))
    return packed.tobytes()


def metadata(kind):
    def integer(key, value):
        return text(key) + struct.pack("<II", U32, value)

    def string(key, value):
        return text(key) + struct.pack("<I", STRING) + text(value)

    letters = [chr(c) for c in [*range(33, 127), *range(161, 173), *range(174, 256), *range(256, 324)]]
    tokens = letters + [f"tok{i}x" for i in range(VOCAB - len(letters) - 1)] + ["<|endoftext|>"]
    types = numpy.ones(VOCAB, dtype="<i4")
    types[-1] = 3  # A control token.
    return [
        string("general.architecture", "gpt2"),
        string("general.name", "random"),
        integer("general.file_type", KINDS[kind][1]),
        integer("gpt2.block_count", LAYERS),
        integer("gpt2.context_length", CONTEXT),
        integer("gpt2.embedding_length", HIDDEN),
        integer("gpt2.feed_forward_length", 4 * HIDDEN),
        integer("gpt2.attention.head_count", HEADS),
        text("gpt2.attention.layer_norm_epsilon") + struct.pack("<If", F32, 1e-5),
        string("tokenizer.ggml.model", "gpt2"),
        string("tokenizer.ggml.pre", "gpt-2"),
        text("tokenizer.ggml.tokens") + struct.pack("<IIQ", ARRAY, STRING, VOCAB) + b"".join(map(text, tokens)),
        text("tokenizer.ggml.token_type") + struct.pack("<IIQ", ARRAY, I32, VOCAB) + types.tobytes(),
        text("tokenizer.ggml.merges") + struct.pack("<IIQ", ARRAY, STRING, 1) + text("t o"),
        integer("tokenizer.ggml.bos_token_id", VOCAB - 1),
        integer("tokenizer.ggml.eos_token_id", VOCAB - 1),
    ]


def tensors(kind):
    generator = numpy.random.default_rng(0)

    def tensor(name, *shape, is_product=False):
        values = (generator.standard_normal(shape) * 0.02).astype(numpy.float32)
        if not is_product or kind == "f32":
            return name, shape, KINDS["f32"][0], values.tobytes()
        data = values.astype(numpy.float16).tobytes() if kind == "f16" else quantized(values)
        return name, shape, KINDS[kind][0], data

    yield tensor("token_embd.weight", VOCAB, HIDDEN, is_product=True)
    yield tensor("position_embd.weight", CONTEXT, HIDDEN)
    yield tensor("output_norm.weight", HIDDEN)
    yield tensor("output_norm.bias", HIDDEN)
    for layer in range(LAYERS):
        name = f"blk.{layer}."
        for norm in ["attn_norm", "ffn_norm"]:
            yield tensor(name + norm + ".weight", HIDDEN)
            yield tensor(name + norm + ".bias", HIDDEN)
        for part, outputs, inputs in [
            ("attn_qkv", 3 * HIDDEN, HIDDEN), ("attn_output", HIDDEN, HIDDEN),
            ("ffn_up", 4 * HIDDEN, HIDDEN), ("ffn_down", HIDDEN, 4 * HIDDEN),
        ]:
            yield tensor(name + part + ".weight", outputs, inputs, is_product=True)
            yield tensor(name + part + ".bias", outputs)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out")
    parser.add_argument("kind", choices=KINDS)
    arguments = parser.parse_args()
    entries = list(tensors(arguments.kind))
    fields = metadata(arguments.kind)
    head = b"GGUF" + struct.pack("<IQQ", 3, len(entries), len(fields)) + b"".join(fields)
    offset = 0
    for name, shape, kind, data in entries:
        head += text(name) + struct.pack("<I", len(shape))
        head += struct.pack(f"<{len(shape)}QIQ", *reversed(shape), kind, offset)
        offset += len(data) + (-len(data) % ALIGNMENT)
    with open(arguments.out, "wb") as file:
        file.write(head + bytes(-len(head) % ALIGNMENT))
        for _, _, _, data in entries:
            file.write(data + bytes(-len(data) % ALIGNMENT))


if __name__ == "__main__":
    main()
