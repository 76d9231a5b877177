"""Makes a model of the same shape and vocabulary with random weights. Usage: random_weights.py MODEL TARGET

Matrices are normal with a standard deviation of 0.02, as BERT begins (Devlin et al. 2019, published code); biases 0,
norms 1. Seed 1.
"""

import array
import json
import pathlib
import random
import shutil
import struct
import sys

source, target = map(pathlib.Path, sys.argv[1:])
target.mkdir(parents=True, exist_ok=True)
for name in ("config.json", "vocab.txt", "tokenizer_config.json"):
    if (source / name).exists():
        shutil.copy(source / name, target / name)
with open(source / "model.safetensors", "rb") as file:
    (length,) = struct.unpack("<Q", file.read(8))
    entries = json.loads(file.read(length))
entries.pop("__metadata__", None)
generator = random.Random(1)
header, parts, offset = {}, [], 0
for name in sorted(entries):
    shape = entries[name]["shape"]
    count = 1
    for size in shape:
        count *= size
    if len(shape) > 1:
        values = array.array("f", (generator.gauss(0, 0.02) for _ in range(count)))
    else:
        values = array.array("f", [1.0 if name.endswith("LayerNorm.weight") else 0.0]) * count
    header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [offset, offset + 4 * count]}
    offset += 4 * count
    parts.append(values)
text = json.dumps(header).encode()
text += b" " * (-len(text) % 8)
with open(target / "model.safetensors", "wb") as file:
    file.write(struct.pack("<Q", len(text)) + text)
    for values in parts:
        values.tofile(file)
