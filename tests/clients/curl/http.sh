#!/usr/bin/env bash
# JSON and files over HTTP, with curl and jq: http.sh http://HOST:PORT TASK VERSION_FOLDER, after a job has
# succeeded. See run.sh for the lines that it prints.
set -uo pipefail
server=$1
task=$2
folder=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Tells how a check went.
check() {
  local name=$1 expected=$2 actual=$3
  if [ "$expected" = "$actual" ]; then
    echo "pass $name"
  else
    echo "fail $name: expected '$expected', got '$actual'"
  fi
}

call() { curl -sS --max-time 30 "$@"; }

version=$(basename "$folder")
check import "$version true" "$(call "$server/v1/tasks/$task/versions?alias=production" -F "file=@$folder/task.json" \
  -F "file=@$folder/mask.safetensors" -F "file=@$folder/head.safetensors" | jq -r '"\(.version) \(.created)"')"

call "$server/v1/tasks/$task/versions/$version/files/mask.safetensors" -o "$work/mask"
check export "$(sha256sum < "$folder/mask.safetensors")" "$(sha256sum < "$work/mask")"

# Classifies a text under a task.
classify() {
  local text=$1 task=$2
  shift 2
  call "$server/v1/classify" --json "{\"inputs\": [{\"text\": \"$text\"}], \"tasks\": [{\"task\": \"$task\"}]}" "$@"
}

classify "what a charming film" "$task" > "$work/answer"
check classify "positive $version" "$(jq -r '.results[0].classifications[0] | "\(.label) \(.version)"' "$work/answer")"
echo "value logits $(jq '.results[0].classifications[0].scores[].logit' "$work/answer" |
  /usr/bin/python3 -c 'import struct, sys; print(*(struct.pack(">f", float(line)).hex() for line in sys.stdin))')"

code=$(classify a sentimen -o "$work/error" -w '%{http_code}')
resource='.details[] | select(."@type" == "type.googleapis.com/google.rpc.ResourceInfo") | .resourceName'
check error "404 5 sentimen" "$code $(jq -r ".code, ($resource)" "$work/error" | paste -sd ' ')"

job=$(call "$server/v1/jobs" | jq -r 'first(.jobs[] | select(.state == "JOB_STATE_SUCCEEDED")).id')
events=$(call "$server/v1/jobs/$job" | jq -r .events)
check events "$(seq -s ' ' "$events")" "$(call "$server/v1/jobs/$job/events" | jq -r .number | paste -sd ' ')"
check cursor "$events" "$(call "$server/v1/jobs/$job/events?cursor=$((events - 1))" | jq -r .number)"
