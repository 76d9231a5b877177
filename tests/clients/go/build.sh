#!/usr/bin/env bash
# Builds client.go with what Debian has, golang-google-grpc-dev and the two plugins of protoc: build.sh FOLDER makes FOLDER/client.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
protos=$here/../../../protos
mkdir -p "$1/src/serving/v1" "$1/src/client"

# The protos name no Go packages; protoc-gen-go hears here what they are. Those of google/ are in golang-google-genproto-dev.
options=(
  Mgoogle/rpc/status.proto=google.golang.org/genproto/googleapis/rpc/status
  Mgoogle/api/http.proto=google.golang.org/genproto/googleapis/api/annotations
  Mgoogle/api/annotations.proto=google.golang.org/genproto/googleapis/api/annotations
)
for file in "$protos"/serving/v1/*.proto; do
  options+=("Mserving/v1/$(basename "$file")=serving/v1")
done
joined=$(IFS=,; echo "${options[*]}")
protoc --proto_path="$protos" --go_out="$joined:$1/src" --go-grpc_out="$joined:$1/src" "$protos"/serving/v1/*.proto

cp "$here/client.go" "$1/src/client"
GO111MODULE=off GOPATH=$1:/usr/share/gocode GOFLAGS= go build -o "$1/client" client
