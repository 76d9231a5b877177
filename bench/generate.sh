#!/usr/bin/env bash
# GPT-2 small beside llama.cpp, on the same threads: one JSON object a line. Each of ours carries the bandwidth of
# memory that was measured in its run. llama.cpp is driven through its Node binding, which adds to each token.
# Usage: bench/generate.sh FOLDER LENGTHS
# FOLDER has llama_bench.mjs, node-llama-cpp, and gpt2-f16.gguf and gpt2-q8_0.gguf of bench/random_gguf.py; LENGTHS a
# prompt's tokens a line.
set -euo pipefail
folder=$1
lengths=$(realpath "$2")
threads=${THREADS:-2}
cd "$(dirname "$0")/.."
dotnet build -c Release bench >&2
ours() { dotnet bench/bin/Release/net10.0/Serving.Bench.dll "$@" --json; }
peer() { (cd "$folder" && node llama_bench.mjs "$@" --threads "$threads"); }

for sequences in 1 16; do
  peer gpt2-f16.gguf --sequences $sequences
  ours decoder --weights BFloat16 --sequences $sequences --threads "$threads"
  peer gpt2-f16.gguf --sequences $sequences
  peer gpt2-q8_0.gguf --sequences $sequences
  ours decoder --weights Int8 --sequences $sequences --threads "$threads"
  peer gpt2-q8_0.gguf --sequences $sequences
done

# A prompt of 512 tokens, and a token behind it.
peer gpt2-f16.gguf --prompt 512 --new 1
ours decoder --weights BFloat16 --prompt 512 --new 4 --threads "$threads"
ours decoder --weights Int8 --prompt 512 --new 4 --threads "$threads"
peer gpt2-q8_0.gguf --prompt 512 --new 1

ours sampling
for weights in BFloat16 Int8; do ours generate --weights $weights --lengths "$lengths" --threads "$threads"; done
