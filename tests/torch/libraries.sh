#!/usr/bin/env bash
# Makes a folder with libtorch and TorchSharp's own library as the feed has them, to run tests/Tensors.Torch.Tests on:
# links, and a copy of TorchSharp's that also loads beside a libstdc++ older than GCC 13's.
#
#   tests/torch/libraries.sh FOLDER
set -euo pipefail
[ $# -eq 1 ] || { sed -n '2,5s/^# \?//p' "$0"; exit 2; }
folder=$(mkdir -p "$1" && cd "$1" && pwd)
cd "$(dirname "$0")/../.."
project=src/Tensors.Torch

package() {
  dotnet msbuild "$project" -p:Torch=cpu "-getProperty:$1"
}

trap 'dotnet restore "$project"' EXIT # As every other build expects it.
dotnet restore "$project" -p:Torch=cpu
libtorch=$(package Pkglibtorch-cpu-linux-x64)/runtimes/linux-x64/native
torchsharp=$(package PkgTorchSharp)/runtimes/linux-x64/native
[ -e "$libtorch/libtorch_cpu.so" ] || { echo "There is no libtorch in $libtorch."; exit 1; }
ln -sf "$libtorch"/*.so* "$folder/"
python3 tests/torch/weaken-glibcxx.py "$torchsharp/libLibTorchSharp.so" "$folder/libLibTorchSharp.so"
