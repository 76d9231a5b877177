"""Writes small ONNX exports of one random BERT, in the forms that exporters give them, and its weights beside them.

Needs torch 1.13 and onnx (Debian's python3-torch and python3-onnx). Usage: make_exports.py, in this folder.
"""
import json
import math

import onnx
import torch
from onnx import TensorProto, external_data_helper, numpy_helper
from torch import nn

VOCAB, HIDDEN, HEADS, INNER, LAYERS, POSITIONS = 24, 8, 2, 12, 2, 16


class Layer(nn.Module):
    def __init__(self, act, sdpa):
        super().__init__()
        self.act, self.sdpa = act, sdpa
        self.query, self.key, self.value, self.out = (nn.Linear(HIDDEN, HIDDEN) for _ in range(4))
        self.inner, self.outer = nn.Linear(HIDDEN, INNER), nn.Linear(INNER, HIDDEN)
        self.norm1, self.norm2 = nn.LayerNorm(HIDDEN, eps=1e-12), nn.LayerNorm(HIDDEN, eps=1e-12)

    def heads(self, x):
        return x.view(x.size(0), x.size(1), HEADS, HIDDEN // HEADS).permute(0, 2, 1, 3)

    def forward(self, x, mask):
        q, k, v = self.heads(self.query(x)), self.heads(self.key(x)), self.heads(self.value(x))
        width = torch.tensor(q.size(-1), dtype=torch.float32) if self.sdpa else HIDDEN // HEADS
        if self.sdpa:  # As torch exports scaled_dot_product_attention: the root of the scale on both sides.
            scale = torch.sqrt(1 / torch.sqrt(width))
            scores = torch.matmul(q * scale, k.transpose(-1, -2) * scale)
        else:
            scores = torch.matmul(q, k.transpose(-1, -2)) / math.sqrt(width)
        context = torch.matmul((scores + mask).softmax(-1), v).permute(0, 2, 1, 3).contiguous()
        x = self.norm1(self.out(context.view(context.size(0), context.size(1), HIDDEN)) + x)
        return self.norm2(self.outer(self.act(self.inner(x))) + x)


class Bert(nn.Module):
    def __init__(self, act=nn.functional.gelu, pooler=True, sdpa=False):
        super().__init__()
        self.words, self.positions = nn.Embedding(VOCAB, HIDDEN), nn.Embedding(POSITIONS, HIDDEN)
        self.types, self.norm = nn.Embedding(2, HIDDEN), nn.LayerNorm(HIDDEN, eps=1e-12)
        self.layers = nn.ModuleList(Layer(act, sdpa) for _ in range(LAYERS))
        self.pooler = nn.Linear(HIDDEN, HIDDEN) if pooler else None
        self.register_buffer("ids", torch.arange(POSITIONS).expand((1, -1)))

    def forward(self, ids, mask, types):
        x = self.words(ids) + self.types(types) + self.positions(self.ids[:, : ids.size(1)])
        x, mask = self.norm(x), (1 - mask[:, None, None, :].float()) * -10000.0
        for layer in self.layers:
            x = layer(x, mask)
        return (x, torch.tanh(self.pooler(x[:, 0]))) if self.pooler else x


def export(name, model, opset, **options):
    batch = torch.tensor([[1, 5, 7, 2], [1, 6, 2, 0]])
    names, axes = ["input_ids", "attention_mask", "token_type_ids"], {0: "batch", 1: "seq"}
    torch.onnx.export(
        model.eval(), (batch, (batch > 0).long(), torch.zeros_like(batch)), f"exports/{name}.onnx", opset_version=opset,
        input_names=names, output_names=["hidden"], dynamic_axes={n: axes for n in names}, **options)


def halve(name):
    """What converters to float16 do: weights and numbers are halves, and a cast stands at the mask."""
    model = onnx.load("exports/opset13.onnx")
    def half(tensor):
        if tensor.data_type == TensorProto.FLOAT:
            tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype("float16"), tensor.name))
    for tensor in model.graph.initializer:
        half(tensor)
    for node in model.graph.node:
        for attribute in node.attribute:
            if attribute.name == "value":
                half(attribute.t)
            if attribute.name == "to" and attribute.i == TensorProto.FLOAT:
                attribute.i = TensorProto.FLOAT16
    for output in model.graph.output:
        output.type.tensor_type.elem_type = TensorProto.FLOAT16
    onnx.save(model, f"exports/{name}.onnx")


def external(name):
    model = onnx.load("exports/opset13.onnx")
    for tensor in model.graph.initializer:
        if tensor.data_type == TensorProto.FLOAT:
            external_data_helper.set_external_data(tensor, "weights.bin")
            tensor.ClearField("raw_data")
            tensor.data_location = TensorProto.EXTERNAL
    with open(f"exports/{name}.onnx", "wb") as file:
        file.write(model.SerializeToString())


def quantize(name):
    model = onnx.load("exports/opset13.onnx")
    node = next(n for n in model.graph.node if n.op_type == "MatMul")
    node.op_type = "MatMulInteger"
    onnx.save(model, f"exports/{name}.onnx")


torch.manual_seed(20)
bert = Bert()
state = bert.state_dict()
export("opset11", bert, 11)
export("opset13", bert, 13)
export("opset17", bert, 17)
export("unfolded", bert, 13, do_constant_folding=False)
for name, model in {
    "no-pooler": Bert(pooler=False), "sdpa": Bert(sdpa=True),
    "tanh-gelu": Bert(lambda x: 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * torch.pow(x, 3))))),
}.items():
    model.load_state_dict(state, strict=False)
    export(name, model, 14)
halve("half")
external("external")
quantize("quantized")
names = {
    "words": "embeddings.word_embeddings", "positions": "embeddings.position_embeddings",
    "types": "embeddings.token_type_embeddings", "norm": "embeddings.LayerNorm", "pooler": "pooler.dense",
    "query": "attention.self.query", "key": "attention.self.key", "value": "attention.self.value",
    "out": "attention.output.dense", "norm1": "attention.output.LayerNorm", "inner": "intermediate.dense",
    "outer": "output.dense", "norm2": "output.LayerNorm",
}
weights = {}
for name, tensor in state.items():
    *path, module, kind = ("", *name.split("."))
    if kind == "ids":
        continue
    where = f"encoder.layer.{path[-1]}." if len(path) > 1 else ""
    weights[f"{where}{names[module]}.{kind}"] = tensor.flatten().tolist()
with open("exports/weights.json", "w") as file:
    json.dump(weights, file)
