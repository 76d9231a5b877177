#!/usr/bin/env bash
# Makes models/demo again from the texts it was made of. Usage: models/train.sh DATA
# DATA has the folders imdb, brown, ptb, sst2, trec, cola and rte; models/README.md says what is in them and where they
# come from.
# WORK (default: artifacts/demo) keeps the prepared texts and the data root; run again, it goes on where it stopped.
# Takes about an hour and a half on two cores. On the same machine weights and masks come out with the same bits;
# versions differ, since tasks name the job that made them.
set -euo pipefail

[ $# -eq 1 ] || { sed -n '2,7p' "$0"; exit 2; }
data=$(cd "$1" && pwd)
cd "$(dirname "$0")/.."
work=${WORK:-artifacts/demo}
. models/common.sh

for corpus in imdb brown ptb; do
  dataset $corpus "$texts/$corpus.tsv.gz" --text-column text
done
for set in sentiment-train sentiment-dev question-train question-test review-train review-test; do
  dataset $set "$texts/$set.tsv" --label-column label
done
job mini pretrain --dataset imdb brown ptb --publish-model mini --hidden 256 --layers 4 --heads 4 --vocabulary 8192 \
  --length 256 --max-positions 256 --held-out 200 --steps 13000 --batch 16 --learning-rate 1e-3 --dropout 0 \
  --evaluation-interval 1000 --checkpoint-interval 250 --seed 1 --bfloat16
once="--evaluation-interval 1000000 --seed 1 --alias production"
job sentiment mask --model mini --dataset sentiment-train --validation sentiment-dev --epochs 2 --task sentiment $once
job question mask --model mini --dataset question-train --validation question-test --epochs 10 --task question $once
job review mask --model mini --dataset review-train --validation review-test --epochs 1 --max-tokens 256 \
  --task review $once

rm -rf models/demo
mkdir -p models/demo
cp -r "$work/data/models" "$work/data/tasks" models/demo/
du -sh models/demo
