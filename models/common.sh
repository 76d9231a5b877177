# What train.sh and minilm.sh share: texts, a server of its own data root, jobs.
# Before: data is where the texts come from, work keeps what is made.
# shellcheck shell=bash disable=SC2154

texts=$work/texts
mkdir -p "$texts"

plain() { sed -e 's/<br \/>/ /g' -e 's/  */ /g'; }
task() { { printf 'text\tlabel\n'; cat; } > "$texts/$1.tsv"; }

brown() { unzip -Z1 "$data/brown/brown.zip" 'brown/c[a-r][0-9][0-9]' | LC_ALL=C sort; }

# word/tag becomes word.
words() {
  unzip -p "$data/brown/brown.zip" "$1" \
    | sed -E -e 's/\t/ /g' -e 's/\/[^ /]+( |$)/ /g' -e "s/(\`\`|'')/\"/g"
}

prepare() {
  # Reviews, with labels and without, a review a row.
  { echo text; for part in unsup train; do zcat "$data/imdb/$part.tsv.gz" | tail -n +2 | cut -f 4 | plain; done; } \
    | gzip -9n > "$texts/imdb.tsv.gz"

  # Brown, a file a row.
  { echo text
    brown | while read -r file; do
      words "$file" | tr '\n' ' ' | tr -s ' '
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
  for part in train dev; do
    awk -F '\t' '{ print $4 "\t" ($2 == 1 ? "acceptable" : "unacceptable") }' "$data/cola/$part.tsv" \
      | task "acceptability-$part"
    { printf 'text\ttext_pair\tlabel\n'
      tail -n +2 "$data/rte/$part.tsv" | awk -F '\t' -v OFS='\t' \
        '{ print $1, $2, ($3 == 0 ? "entailment" : "not_entailment") }'
    } > "$texts/entailment-$part.tsv"
  done
  topics
}

# Pieces of Brown of at least fifty words that end with a sentence, by what their file is about; every fifth file of a
# subject is for testing. Letters, essays and humor are about anything, and left out.
topics() {
  brown | awk -F / '{
    kind = substr($2, 2, 1)
    topic = index("abc", kind) ? "press" : kind == "d" ? "religion" : kind == "e" ? "hobbies" \
      : kind == "h" ? "government" : kind == "j" ? "science" : index("klmnp", kind) ? "fiction" : ""
    if (topic != "") print $0, topic, ++files[topic] % 5 ? "train" : "test"
  }' | while read -r file topic part; do
    words "$file" | awk -v topic="$topic" 'NF {
      gsub(/^ +| +$/, ""); piece = piece (piece == "" ? "" : " ") $0
      if (split(piece, all, / +/) >= 50) { print piece "\t" topic; piece = "" }
    }' >> "$texts/topic-$part.rows"
  done
  for part in train test; do task "topic-$part" < "$texts/topic-$part.rows"; rm "$texts/topic-$part.rows"; done
}

# Uploads a dataset, unless it is there.
dataset() { # name, then the arguments of `serving datasets upload`
  serving datasets show "$1" > /dev/null 2>&1 || serving datasets upload "$@"
}

# Runs a job, or goes on with the one that an earlier run began.
job() { # what, then the arguments of `serving train`
  local note=$work/$1.job
  [ -f "$note" ] || serving train "${@:2}" > "$note"
  serving jobs watch "$(tail -n 1 "$note")" | tail -n 2
}

[ -f "$texts/topic-test.tsv" ] || prepare
dotnet build -c Release src/Server
dotnet build -c Release src/Cli
coproc server {
  exec dotnet src/Server/bin/Release/net10.0/Serving.Server.dll --port 0 --data "$work/data" \
    --Server:Demo=false --Server:TrainingThreads=2
}
trap 'kill $server_PID' EXIT
exec 3<&"${server[0]}" # Which, unlike that, is open in the background, too.
while read -r line <&3; do [[ $line == "Serving listens on "* ]] && break; done
cat <&3 > /dev/null &
export SERVING_SERVER=${line#Serving listens on }
serving() { dotnet src/Cli/bin/Release/net10.0/serving.dll "$@"; }

