#!/usr/bin/env bash
# The encoder beside ONNX Runtime, fp32, on the same threads: one JSON object a line. ONNX Runtime pads each batch to
# its longest text; it runs one model without masks, whatever tasks are asked of ours.
# Usage: bench/encoder.sh FOLDER LENGTHS
# FOLDER has ort_bench.mjs, onnxruntime-node and tiny.onnx, mini.onnx, minilm.onnx, base.onnx; LENGTHS a text's tokens a
# line. With DOTNET_EnableAVX512=0 ours runs on AVX2; ONNX Runtime has no such switch.
set -euo pipefail
folder=$1
lengths=$(realpath "$2")
cd "$(dirname "$0")/.."
dotnet build -c Release bench >&2
ours() { dotnet bench/bin/Release/net10.0/Serving.Bench.dll "$@" --threads 2 --json; }
peer() { (cd "$folder" && node ort_bench.mjs "$@" --threads 2); }

peer base.onnx --batch 8 --seq 128 --runs 15
for tasks in 0 1 8 64; do ours encoder --shape base --batch 8 --seq 128 --tasks "$tasks" --runs 15; done
peer base.onnx --batch 8 --seq 128 --runs 15

peer base.onnx --batch 1 --seq 32 --runs 50
ours encoder --shape base --batch 1 --seq 32 --runs 50
ours encoder --shape base --batch 1 --seq 32 --runs 50 --bfloat16
ours encoder --shape base --batch 1 --seq 32 --runs 50 --bfloat16 --tasks 1
peer base.onnx --batch 1 --seq 32 --runs 50

for shape in tiny mini minilm; do
  peer $shape.onnx --batch 32 --lengths "$lengths"
  for tasks in 0 1 64; do ours encoder --shape $shape --batch 32 --lengths "$lengths" --tasks "$tasks"; done
  peer $shape.onnx --batch 32 --lengths "$lengths"
done

peer base.onnx --batch 32 --lengths "$lengths" --runs 3
for tasks in 0 1 64; do ours encoder --shape base --batch 32 --lengths "$lengths" --tasks "$tasks" --runs 3; done

for size in "1024 768 3072" "1024 3072 768" "1024 768 768"; do
  read -r rows in out <<<"$size"
  ours linear --rows "$rows" --in "$in" --out "$out"
done
