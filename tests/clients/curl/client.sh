#!/usr/bin/env bash
# gRPC by hand, with curl and protoc: what a server does by itself, without a client's library that might do it first.
# client.sh HOST:PORT. See run.sh for the lines that it prints.
set -uo pipefail
address=$1
protos=$(cd "$(dirname "$0")/../../../protos" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# A message in the frame of gRPC: a byte that says whether it is compressed, its length in four bytes, the message.
frame() {
  local compressed=$1 file=$2 size
  size=$(stat -c %s "$file")
  printf "\\x$compressed$(printf '%08x' "$size" | sed 's/../\\x&/g')"
  cat "$file"
}

# Encodes a ClassifyRequest in text form.
encode() {
  protoc --proto_path="$protos" --encode=serving.v1.ClassifyRequest serving/v1/classifier.proto
}

# Calls a method with the frame on standard input; headers and trailers go to "headers", the answer's bytes to "answer".
call() {
  local method=$1
  shift
  curl -sS --max-time 20 --http2-prior-knowledge -H 'content-type: application/grpc' -H 'te: trailers' "$@" \
    --data-binary @- -D "$work/headers" -o "$work/answer" "http://$address/$method"
}

status() { sed -nE 's/^grpc-status: *([0-9]+).*/\1/p' "$work/headers"; }

# Tells how a check went.
check() {
  local name=$1 expected=$2 actual=$3
  if [ "$expected" = "$actual" ]; then
    echo "pass $name"
  else
    echo "fail $name: expected '$expected', got '$actual'"
  fi
}

# The logits as hexadecimal digits, as the other clients print them.
logits() {
  tail -c +6 "$work/answer" | protoc --proto_path="$protos" --decode=serving.v1.ClassifyResponse serving/v1/classifier.proto |
    sed -nE 's/^ *logit: *//p' | /usr/bin/python3 -c 'import struct, sys; print(*(struct.pack(">f", float(line)).hex() for line in sys.stdin))'
}

encode > "$work/request" <<< 'inputs { text: "what a charming film" } tasks { task: "sentiment" }'
frame 00 "$work/request" | call serving.v1.Classifier/Classify
check classify 0 "$(status)"
plain=$(logits)
echo "value logits $plain"

gzip -nc "$work/request" > "$work/request.gz"
frame 01 "$work/request.gz" | call serving.v1.Classifier/Classify -H 'grpc-encoding: gzip'
check gzip "0 $plain" "$(status) $(logits)"

# The server itself ends a call whose deadline has passed: curl knows nothing of it and waits for 20 seconds.
for _ in {1..64}; do
  echo "inputs { text: \"$(printf 'what a charming film %.0s' {1..8})\" }"
done | { cat; echo 'tasks { task: "sentiment" } tasks { task: "question" } tasks { task: "review" }'; } | encode > "$work/large"
frame 00 "$work/large" | call serving.v1.Classifier/Classify -H 'grpc-timeout: 1m'
check deadline 4 "$(status)"

frame 00 "$work/request" | call serving.v1.Classifier/NoSuchMethod
check unimplemented 12 "$(status)"
