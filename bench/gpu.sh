#!/usr/bin/env bash
# What is worth knowing on a machine with a GPU, in less than 8 minutes: parity with the reference, the encoder beside
# PyTorch's compiled dense model, memory of 500 tasks with a hot swap under load, a training job.
#
#   bench/gpu.sh pack FOLDER         Here: makes FOLDER/serving-gpu.tar.xz of at most 64 MiB, with a .NET runtime,
#                                    without libtorch.
#   bench/gpu.sh run FOLDER [OUT]    There: unpacks that and runs; results go to OUT, FOLDER/results by default.
#
# There are Ubuntu 24.04 and Python with PyTorch, whose libtorch is used. In the environment:
#   DEVICE=cuda        torch-cpu tries the script without a GPU, on small shapes.
#   PYTHON=python3     The one with PyTorch.
#   TORCH_LIBRARIES    A folder with libtorch; PyTorch's own by default.
#   LENGTHS            For pack: tokens of each text, one number a line; SST-2's dev set is what our tables have.
set -euo pipefail
usage() { sed -n '2,16s/^# \?//p' "$0"; exit 2; }
[ $# -ge 2 ] || usage
verb=$1
mkdir -p "$2"
folder=$(cd "$2" && pwd)
archive=$folder/serving-gpu.tar.xz
most_bytes=$((64 << 20))

pack() {
  cd "$(dirname "$0")/.."
  local build=artifacts/torch-build stage=$folder/stage sdk runtime
  rm -rf "$stage" && mkdir -p "$stage"
  publish() {
    dotnet publish "$1" -c Release -r linux-x64 --no-self-contained -p:Torch=external --artifacts-path $build -o "$2"
  }
  publish bench "$stage/bench"
  publish src/Cli "$stage/cli"
  publish tests/Tensors.Torch.Tests "$stage/tests"
  # A runtime, since none is there, and the runner of tests, which comes with the SDK.
  runtime=$(dirname "$(readlink -f "$(command -v dotnet)")")
  sdk=$runtime/sdk/$(dotnet --version)
  mkdir -p "$stage/dotnet/shared" "$stage/runner"
  cp -r "$runtime/dotnet" "$runtime/host" "$stage/dotnet/"
  for name in Microsoft.NETCore.App Microsoft.AspNetCore.App; do
    mkdir -p "$stage/dotnet/shared/$name"
    cp -r "$(ls -d "$runtime/shared/$name"/10.* | sort -V | tail -n 1)" "$stage/dotnet/shared/$name/"
  done
  cp "$sdk"/vstest.console.{dll,deps.json,runtimeconfig.json} "$sdk"/Microsoft.TestPlatform.*.dll \
    "$sdk"/Microsoft.VisualStudio.TestPlatform.*.dll "$sdk"/Newtonsoft.Json.dll \
    "$sdk"/Microsoft.Extensions.{DependencyModel,FileSystemGlobbing}.dll "$stage/runner/"
  cp -r "$sdk/Extensions" "$stage/runner/"
  cp models/commands.tsv bench/torch_encoder.py "$stage/"
  if [ -n "${LENGTHS:-}" ]; then
    cp "$LENGTHS" "$stage/lengths.txt"
  else # As many texts as SST-2's dev set has, of about its lengths: 25 tokens on average, 4 to 60.
    awk 'BEGIN { srand(1); for (i = 0; i < 872; i++) print int(4 + 21 * (rand() + rand())) }' >"$stage/lengths.txt"
  fi
  find "$stage" \( -name '*.pdb' -o -name '*.xml' -o -name '*.so.dbg' \) -delete
  tar -C "$stage" -cf - . | xz -T2 -6 >"$archive"
  rm -rf "$stage"
  local bytes
  bytes=$(stat -c %s "$archive")
  echo "$archive: $bytes bytes"
  [ "$bytes" -le "$most_bytes" ] || { echo "It has more than $most_bytes bytes."; exit 1; }
}

run() {
  local out=${1:-$folder/results} work=$folder/work failed=0
  rm -rf "$work"
  mkdir -p "$work" "$out"
  out=$(cd "$out" && pwd)
  tar -C "$work" -xf "$archive"
  export DOTNET_ROOT=$work/dotnet PATH=$work/dotnet:$PATH DOTNET_CLI_TELEMETRY_OPTOUT=1
  local device=${DEVICE:-cuda} python=${PYTHON:-python3} shape=base tasks=500 runs=10 threads=
  of_torch() { "$python" -c "import os, torch; print($1)"; }
  export SERVING_TORCH=${TORCH_LIBRARIES:-$(of_torch 'os.path.join(os.path.dirname(torch.__file__), "lib")')}
  export SERVING_TORCH_DEVICE=$device
  [ "$device" = torch-cpu ] && { shape=tiny tasks=20 runs=3 threads="--threads 1"; }
  # Its interface may be the same as far as it is used; the parity tests tell.
  if [ -z "${TORCH_LIBRARIES:-}" ] && [ -z "${SERVING_TORCH_VERSION:-}" ]; then
    SERVING_TORCH_VERSION=$(of_torch '".".join(torch.__version__.split(".")[:2])')
    export SERVING_TORCH_VERSION
  fi

  # A step: its name, the most seconds it may take, its command. One that fails is said, and the next one runs.
  step() {
    local name=$1 seconds=$2 begin=$SECONDS
    shift 2
    echo "=== $name"
    if timeout "$seconds" "$@" >"$out/$name.txt" 2>&1; then
      echo "$name: $((SECONDS - begin)) s"
    else
      echo "FAILED: $name after $((SECONDS - begin)) s"
      failed=$((failed + 1))
    fi
    tail -n 4 "$out/$name.txt"
  }
  bench() { dotnet "$work/bench/Serving.Bench.dll" "$@" --device "$device" $threads --json; }
  export -f bench
  export work device threads
  cat /proc/loadavg >"$out/machine.txt"
  { nvidia-smi || true; } >>"$out/machine.txt" 2>&1

  step doctor 60 dotnet "$work/cli/serving.dll" doctor --device "$device" --torch-libraries "$SERVING_TORCH"
  step parity 120 dotnet "$work/runner/vstest.console.dll" "$work/tests/Tensors.Torch.Tests.dll" \
    "--TestCaseFilter:FullyQualifiedName!~TorchBackendTests&FullyQualifiedName!~LibrariesTests&FullyQualifiedName!~Leak"
  step encoder-8x128 60 bash -c "bench encoder --shape $shape --batch 8 --seq 128 --tasks 64 --bfloat16 --runs $runs"
  step encoder-8x128-dense 60 bash -c "bench encoder --shape $shape --batch 8 --seq 128 --bfloat16 --runs $runs"
  step encoder-sst2 60 bash -c \
    "bench encoder --shape $shape --batch 32 --lengths '$work/lengths.txt' --tasks 64 --bfloat16 --runs $runs"
  if "$python" -c 'import torch' 2>/dev/null; then
    local peer=$device
    [ "$device" = torch-cpu ] && peer=cpu
    step pytorch-8x128 90 "$python" "$work/torch_encoder.py" --shape $shape --device "$peer" --bfloat16 --runs $runs
    step pytorch-sst2 90 "$python" "$work/torch_encoder.py" --shape $shape --device "$peer" --bfloat16 --batch 32 \
      --lengths "$work/lengths.txt" --runs $runs
  fi
  step swap-$tasks-tasks 90 bash -c "bench swap --shape $shape --tasks $tasks --cycles 50"
  step training-steps 40 bash -c "bench train --shape $shape --method mask --runs $runs"
  step training-job 90 bash -c train_job
  echo "gpu: $failed steps failed; results are in $out"
  [ "$failed" -eq 0 ]
}

# A job of the whole server, on the model and the data that the product ships.
train_job() {
  set -euo pipefail
  local log=$work/server.log url=http://127.0.0.1:5950
  dotnet "$work/bench/Serving.Server.dll" --port 5950 --http-port -1 --data "$work/data" "--Server:Device=$device" \
    "--Server:TorchLibraries=$SERVING_TORCH" --Server:TrainingRank=Normal >"$log" 2>&1 &
  server=$! # Global: the trap runs when the function is over.
  trap 'kill "$server" 2>/dev/null' EXIT
  cli() { dotnet "$work/cli/serving.dll" "$@" --server "$url"; }
  for _ in $(seq 60); do cli models list >/dev/null 2>&1 && break; sleep 0.5; done
  grep 'Computes on' "$log"
  cli datasets upload commands "$work/commands.tsv" --label-column label
  cli train mask --model mini --dataset commands --task commands --watch
  cli classify "turn the lights off" --task commands
}
export -f train_job

case $verb in
  pack) pack ;;
  run) run "${3:-}" ;;
  *) usage ;;
esac
