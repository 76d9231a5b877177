#!/usr/bin/env bash
# The server over HTTP with curl and jq: classifies, trains a task, follows that, judges the task, downloads what came out.
# example.sh http://localhost:5051 TASK FILE.tsv
set -euo pipefail
server=$1
task=$2
file=$3

# --fail-with-body: an error ends the script, after its JSON says what is wrong. --no-buffer: lines are shown as they come.
call() { curl --silent --show-error --fail-with-body --no-buffer "$@"; }

echo "== One text under two tasks"
call "$server/v1/classify" --json '{
  "inputs": [{"text": "what a charming film"}],
  "tasks": [{"task": "sentiment"}, {"task": "question"}]
}' | jq -r '.results[].classifications[] | "\(.task)\t\(.label)\t\(.scores | map(.probability) | max)"'

echo "== All tasks"
call "$server/v1/tasks" | jq -r '.tasks[] | "\(.name)\t\(.versions[0].labels | join(", "))"'

echo "== A dataset: the file is the body, its columns are parameters"
call "$server/v1/datasets/$task-data?textColumn=text&labelColumn=label" --data-binary @"$file" |
  jq -r '"\(.rows) rows, labels: \(.labels | map(.label) | join(", "))"'

# Submits a job, and prints a line for each of its events until it is over.
run_job() {
  job=$(call "$server/v1/jobs" --json "$1" | jq -r .id)
  call "$server/v1/jobs/$job/events" | jq --unbuffered -r '
    if .progress then "step \(.progress.step)/\(.progress.totalSteps)  loss \(.progress.loss)"
    elif .evaluation then "evaluation: accuracy \(.evaluation.metrics.accuracy)"
    else "\(.state) \(.message)" end'
  call "$server/v1/jobs/$job" | jq -e '.state == "JOB_STATE_SUCCEEDED"' > /dev/null
}

echo "== A job that trains the task"
run_job '{"spec": {
  "classifier": {"method": "TRAINING_METHOD_MASK", "model": "mini", "dataset": "'"$task"'-data", "epochs": 2},
  "publish": {"task": "'"$task"'", "alias": "production"}
}}'

echo "== A job that judges it, here on what it was trained on"
run_job '{"spec": {"evaluation": {"task": {"task": "'"$task"'"}, "dataset": "'"$task"'-data"}}}'

echo "== What came out of that"
call "$server/v1/jobs/$job" | jq -r '.artifacts[] | "\(.name)\t\(.bytes) bytes"'
call "$server/v1/jobs/$job/artifacts/evaluation.json" | jq -c .
