#!/usr/bin/env bash
# Empty unary calls a second (h2load, 4 connections x 32 streams, one h2load thread, warm), hosts in alternation.
#
#   bench/rpc.sh                                  our runtime alone
#   bench/rpc.sh PATH/TO/InteropHost.dll          beside the same host built with -p:OfficialGrpc=true
#
# Prints a Markdown table of the rounds, then medians and their ratio, with the processor time each call took in the
# server. Needs h2load (Debian: nghttp2-client) and tests/InteropHost built in Release.
set -euo pipefail
cd "$(dirname "$0")/.."
rounds=${ROUNDS:-7}
calls=${CALLS:-300000}
work=$(mktemp -d)
processes=()
finish() {
  for process in "${processes[@]}"; do kill "$process" 2>/dev/null || true; done
  rm -rf "$work"
}
trap finish EXIT
head -c 5 /dev/zero >"$work/empty" # One empty message in its frame.

names=(ours)
dlls=(tests/InteropHost/bin/Release/net10.0/InteropHost.dll)
if [ $# -gt 0 ]; then
  names+=(official)
  dlls+=("$1")
fi
urls=()
for i in "${!names[@]}"; do
  dotnet "${dlls[$i]}" --port 0 >"$work/${names[$i]}" &
  processes+=($!)
  until url=$(grep -oE 'http://[0-9.:]+' "$work/${names[$i]}"); do read -rt 0.1 <> <(:) || true; done
  urls+=("$url")
done

# Sets $rate (calls a second) and $cost (server microseconds of processor time a call).
measure() {
  local before after
  before=$(awk '{print $14 + $15}' "/proc/${processes[$1]}/stat")
  rate=$(h2load -n "$calls" -c 4 -m 32 -t 1 -d "$work/empty" -H 'content-type: application/grpc' -H 'te: trailers' \
    "${urls[$1]}/grpc.testing.TestService/EmptyCall" | tee "$work/h2load" \
    | sed -nE 's/^finished in .*, ([0-9.]+) req.*/\1/p')
  grep -q "$calls succeeded, 0 failed" "$work/h2load" || { cat "$work/h2load" >&2; exit 1; }
  after=$(awk '{print $14 + $15}' "/proc/${processes[$1]}/stat")
  cost=$(awk -v t=$((after - before)) -v n="$calls" -v hz="$(getconf CLK_TCK)" \
    'BEGIN {printf "%.1f", t / hz / n * 1e6}')
}

median() { sort -g | awk '{v[NR] = $1} END {print (NR % 2) ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2}'; }

echo "$(sed -nE 's/^model name\s*: //p' /proc/cpuinfo | head -1), $(nproc) cores shared with h2load;" \
  "SDK $(dotnet --version); $(h2load --version); $(date +%F)"
echo
echo "| round | host | calls/s | server CPU, us/call |"
echo "|---|---|---|---|"
for i in "${!names[@]}"; do measure "$i"; measure "$i"; done # Warm: the JIT's tiers and the pools.
for round in $(seq "$rounds"); do
  for i in "${!names[@]}"; do
    measure "$i"
    echo "$rate" >>"$work/${names[$i]}.rate"
    echo "$cost" >>"$work/${names[$i]}.cost"
    echo "| $round | ${names[$i]} | $rate | $cost |"
  done
done
echo
for name in "${names[@]}"; do
  echo "$name: median $(median <"$work/$name.rate") calls/s, $(median <"$work/$name.cost") us/call"
done
[ $# -eq 0 ] || awk -v a="$(median <"$work/ours.rate")" -v b="$(median <"$work/official.rate")" \
  -v c="$(median <"$work/ours.cost")" -v d="$(median <"$work/official.cost")" \
  'BEGIN {printf "ours / official: %.3f in calls/s, %.3f in CPU per call\n", a / b, c / d}'
