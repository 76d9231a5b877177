#!/usr/bin/env bash
# Makes models/demo again from the texts it was made of. Usage: models/train.sh DATA
# DATA has the folders imdb, brown, ptb, sst2 and trec; models/README.md says what is in them and where they come from.
# WORK (default: artifacts/demo) keeps the prepared texts and the data root; run again, it goes on where it stopped.
# Takes about an hour and a half on two cores. On the same machine weights and masks come out with the same bits;
# versions differ, since tasks name the job that made them.
set -euo pipefail

[ $# -eq 1 ] || { sed -n '2,6p' "$0"; exit 2; }
data=$(cd "$1" && pwd)
cd "$(dirname "$0")/.."
work=${WORK:-artifacts/demo}
mkdir -p "$work/texts"
texts=$work/texts

plain() { sed -e 's/<br \/>/ /g' -e 's/  */ /g'; }
task() { { printf 'text\tlabel\n'; cat; } > "$texts/$1.tsv"; }

prepare() {
  # Reviews, with labels and without, a review a row.
  { echo text; for part in unsup train; do zcat "$data/imdb/$part.tsv.gz" | tail -n +2 | cut -f 4 | plain; done; } \
    | gzip -9n > "$texts/imdb.tsv.gz"

  # Brown: word/tag becomes word, a file a row.
  { echo text
    unzip -Z1 "$data/brown/brown.zip" 'brown/c[a-r][0-9][0-9]' | LC_ALL=C sort | while read -r file; do
      unzip -p "$data/brown/brown.zip" "$file" \
        | sed -E -e 's/\t/ /g' -e 's/\/[^ /]+( |$)/ /g' -e "s/(\`\`|'')/\"/g" | tr '\n' ' ' | tr -s ' '
      echo
    done; } | gzip -9n > "$texts/brown.tsv.gz"

  # Penn Treebank: sentences without unknown words, twenty a row.
  { echo text
    grep -v '<unk>' "$data/ptb/train.txt" | sed -e 's/^ *//' -e 's/ *$/ ./' | paste -sd '                   \n'
  } | gzip -9n > "$texts/ptb.tsv.gz"

  for part in train dev; do
    tail -n +2 "$data/sst2/$part.tsv" | awk -F '\t' '{ print $1 "\t" ($2 == 1 ? "positive" : "negative") }' \
      | task "sentiment-$part"
  done
  for part in train test; do
    sed -e 's/^ABBR:/abbreviation:/; s/^DESC:/description:/; s/^ENTY:/entity:/' \
      -e 's/^HUM:/human:/; s/^LOC:/location:/; s/^NUM:/number:/' "$data/trec/$part.txt" \
      | awk '{ split($1, label, ":"); sub(/^[^ ]+ /, ""); print $0 "\t" label[1] }' | task "question-$part"
    zcat "$data/imdb/$part.tsv.gz" | tail -n +2 | plain \
      | awk -F '\t' '{ print $4 "\t" ($2 == "pos" ? "positive" : "negative") }' | task "review-$part"
  done
}

[ -f "$texts/review-test.tsv" ] || prepare
dotnet build -c Release src/Server
dotnet build -c Release src/Cli
coproc server {
  exec dotnet src/Server/bin/Release/net10.0/Serving.Server.dll --port 0 --data "$work/data" \
    --Server:Demo=false --Server:TrainingThreads=2
}
trap 'kill $server_PID' EXIT
while read -r line <&"${server[0]}"; do [[ $line == "Serving listens on "* ]] && break; done
cat <&"${server[0]}" > /dev/null &
export SERVING_SERVER=${line#Serving listens on }
serving() { dotnet src/Cli/bin/Release/net10.0/serving.dll "$@"; }

# Runs a job, or goes on with the one that an earlier run began.
job() { # what, then the arguments of `serving train`
  local note=$work/$1.job
  [ -f "$note" ] || serving train "${@:2}" > "$note"
  serving jobs watch "$(tail -n 1 "$note")" | tail -n 2
}

for corpus in imdb brown ptb; do
  serving datasets show $corpus > /dev/null 2>&1 \
    || serving datasets upload $corpus "$texts/$corpus.tsv.gz" --text-column text
done
for set in sentiment-train sentiment-dev question-train question-test review-train review-test; do
  serving datasets show $set > /dev/null 2>&1 || serving datasets upload $set "$texts/$set.tsv" --label-column label
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
