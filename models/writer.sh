#!/usr/bin/env bash
# Makes models/demo/models/writer, a small GPT-2 that writes about films. Usage: models/writer.sh DATA
# DATA is that of models/train.sh, and WORK (default: artifacts/writer) is used as there. First it learns by likelihood,
# then by unlikelihood of what it repeats. Takes a few hours on two cores.
set -euo pipefail

[ $# -eq 1 ] || { sed -n '2,4p' "$0"; exit 2; }
data=$(cd "$1" && pwd)
cd "$(dirname "$0")/.."
work=${WORK:-artifacts/writer}
. models/common.sh

for corpus in imdb brown; do
  dataset $corpus "$texts/$corpus.tsv.gz" --text-column text
done
for part in train test; do
  # awk reads all, where head would break the pipe.
  zcat "$data/imdb/$part.tsv.gz" | tail -n +2 | cut -f 4 | plain | awk 'NR <= 2000' > "$texts/imdb-$part.txt"
  dataset imdb-$part "$texts/imdb-$part.txt"
done

job likely lm --dataset imdb brown --held-out 200 --publish-model writer-likely --tokenization bpe --vocabulary 8192 \
  --hidden 256 --layers 6 --heads 4 --length 256 --epochs 1 --batch 16 --learning-rate 1e-3 --dropout 0 \
  --evaluation-interval 2000 --checkpoint-interval 250 --seed 1
job writer lm --dataset imdb-train --validation imdb-test --model writer-likely --publish-model writer --length 256 \
  --epochs 2 --batch 16 --learning-rate 1e-4 --dropout 0 --sequence-rate 0.5 --checkpoint-interval 250 --seed 1 \
  --bfloat16
serving analyze text --model writer-likely --dataset imdb-test --watch
serving analyze text --model writer --dataset imdb-test --watch

rm -rf models/demo/models/writer
cp -r "$work/data/models/writer" models/demo/models/
du -sh models/demo/models/writer
