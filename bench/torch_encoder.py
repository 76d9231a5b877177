#!/usr/bin/env python3
"""PyTorch's dense BERT encoder without masks, compiled: what bench/gpu.sh puts beside ours. One JSON object.

Batches of texts of several lengths are padded to their longest, as PyTorch's users do.
"""
import argparse
import json
import statistics
import time

import torch
from torch import nn
from torch.nn import functional

SHAPES = {"tiny": (128, 2, 2), "mini": (256, 4, 4), "base": (768, 12, 12)}
VOCABULARY, POSITIONS = 30522, 512


class Layer(nn.Module):
    """A layer of BERT's encoder, post-norm (Devlin et al. 2019)."""

    def __init__(self, hidden, heads):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(hidden, 3 * hidden)
        self.out = nn.Linear(hidden, hidden)
        self.inner = nn.Linear(hidden, 4 * hidden)
        self.outer = nn.Linear(4 * hidden, hidden)
        self.attention_norm = nn.LayerNorm(hidden)
        self.output_norm = nn.LayerNorm(hidden)

    def forward(self, x, keep):
        batch, seq, hidden = x.shape
        q, k, v = self.qkv(x).view(batch, seq, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        if hasattr(functional, "scaled_dot_product_attention"):
            context = functional.scaled_dot_product_attention(q, k, v, attn_mask=keep)
        else:  # PyTorch 1
            scores = (q @ k.transpose(-1, -2)) * q.shape[-1] ** -0.5
            if keep is not None:
                scores = scores.masked_fill(~keep, float("-inf"))
            context = scores.softmax(-1) @ v
        x = self.attention_norm(x + self.out(context.transpose(1, 2).reshape(batch, seq, hidden)))
        return self.output_norm(x + self.outer(functional.gelu(self.inner(x))))


class Encoder(nn.Module):
    """The vectors of [CLS] behind the pooler, [batch, hidden]."""

    def __init__(self, hidden, layers, heads):
        super().__init__()
        self.words = nn.Embedding(VOCABULARY, hidden)
        self.positions = nn.Embedding(POSITIONS, hidden)
        self.norm = nn.LayerNorm(hidden)
        self.layers = nn.ModuleList(Layer(hidden, heads) for _ in range(layers))
        self.pooler = nn.Linear(hidden, hidden)

    def forward(self, ids, keep):
        x = self.norm(self.words(ids) + self.positions.weight[: ids.shape[1]])
        for layer in self.layers:
            x = layer(x, keep)
        return torch.tanh(self.pooler(x[:, 0]))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shape", default="base", choices=SHAPES)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--seq", type=int, default=128)
    parser.add_argument("--lengths", help="tokens of each text, one number a line")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--bfloat16", action="store_true")
    parser.add_argument("--runs", type=int, default=10)
    args = parser.parse_args()
    torch.manual_seed(1)
    kind = torch.bfloat16 if args.bfloat16 else torch.float32
    model = Encoder(*SHAPES[args.shape]).to(args.device, kind).eval()
    is_compiled = hasattr(torch, "compile")
    if is_compiled:
        model = torch.compile(model, dynamic=args.lengths is not None)
    lengths = [args.seq] * args.batch
    if args.lengths:
        with open(args.lengths, encoding="utf-8") as file:
            lengths = [int(line) for line in file if line.strip()]
    batches = []
    for first in range(0, len(lengths), args.batch):
        part = torch.tensor(lengths[first : first + args.batch])
        longest = int(part.max())
        ids = torch.randint(VOCABULARY, (len(part), longest), device=args.device)
        keep = (torch.arange(longest)[None] < part[:, None])[:, None, None].to(args.device)
        batches.append((ids, None if int(part.min()) == longest else keep))

    def run():
        begin = time.perf_counter()
        with torch.inference_mode():
            for ids, keep in batches:
                result = model(ids, keep)
        result.float().cpu()  # Waits for the device.
        return time.perf_counter() - begin

    for _ in range(3):
        run()
    median = statistics.median(run() for _ in range(args.runs))
    print(json.dumps({
        "bench": "encoder", "peer": f"PyTorch {torch.__version__}, dense", "compiled": is_compiled, "shape": args.shape,
        "batch": args.batch, "sequences": len(lengths), "tokens": sum(lengths), "weights": str(kind),
        "device": torch.cuda.get_device_name() if args.device.startswith("cuda") else args.device,
        "median_ms": round(median * 1e3, 3), "sequences_per_second": round(len(lengths) / median, 1),
    }))


if __name__ == "__main__":
    main()
