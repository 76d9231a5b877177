#!/usr/bin/env bash
# Publishes a server that can use a libtorch of the user's, for the tests of tests/EndToEnd.Tests/Torch. What is built
# for it lies in artifacts/, so that other builds find theirs as it was.
#
#   tests/torch/server.sh FOLDER
set -euo pipefail
[ $# -eq 1 ] || { sed -n '2,5s/^# \?//p' "$0"; exit 2; }
folder=$(mkdir -p "$1" && cd "$1" && pwd)
cd "$(dirname "$0")/../.."
dotnet publish src/Server -c Release -p:Torch=external --artifacts-path artifacts/torch-build -o "$folder"
