#!/usr/bin/env bash
# Runs the interop cases of every client stack against the host, and ours against grpcio's server. Prints a Markdown table
# and the line "interop: N passed, N failed"; exits 1 if any case failed. Needs python3-grpcio, python3-protobuf, protoc
# and node; the .NET projects must be built (Release).
set -euo pipefail
cd "$(dirname "$0")"
python=/usr/bin/python3
host=../InteropHost/bin/Release/net10.0/InteropHost.dll
client=../InteropClient/bin/Release/net10.0/InteropClient.dll
work=$(mktemp -d)
processes=()
finish() {
  for process in "${processes[@]}"; do kill "$process" 2>/dev/null || true; done
  rm -rf "$work"
}
trap finish EXIT

[ -d node/node_modules/@grpc/grpc-js ] || (cd node && npm install --no-package-lock --no-audit --no-fund >&2)

# Starts a server that prints a line with its port; sets $port.
serve() {
  local out="$work/$1.out"
  shift
  mkfifo "$out.in"
  "$@" <"$out.in" >"$out" 2>"$out.err" &
  processes+=($!)
  exec {keep}>"$out.in" # Servers that read their standard input run until it closes.
  for _ in $(seq 200); do
    port=$(grep -oE '[0-9]+/?$' "$out" | tr -d / || true)
    [ -n "$port" ] && return
    read -rt 0.1 <> <(:) || true
  done
  cat "$out" "$out.err" >&2
  exit 1
}

serve plain dotnet "$host" --port 0
plain=$port
serve tls dotnet "$host" --port 0 --tls --certificate-file "$work/host.pem"
tls=$port
serve python "$python" python/server.py
pythonPort=$port

# name, command
run() {
  local file="$work/$1.cases"
  shift
  timeout 120 "$@" >"$file" 2>"$file.err" || true
}
cases=(empty_unary large_unary client_streaming server_streaming ping_pong empty_stream cancel_after_begin
  cancel_after_first_response timeout_on_sleeping_server custom_metadata status_code_and_message special_status_message
  unimplemented_service unimplemented_method client_compressed_unary client_compressed_streaming
  server_compressed_unary server_compressed_streaming)
visible=()
for name in "${cases[@]}"; do
  case $name in client_compressed_*) ;; *) visible+=("$name") ;; esac
done

run ours dotnet "$client" "http://127.0.0.1:$plain"
run ours-tls dotnet "$client" "https://localhost:$tls" --certificate-file "$work/host.pem"
run python "$python" python/client.py "127.0.0.1:$plain"
run python-tls "$python" python/client.py "localhost:$tls" --certificate-file "$work/host.pem"
run node node node/client.js "127.0.0.1:$plain"
run node-tls node node/client.js "localhost:$tls" --certificate-file "$work/host.pem"
run to-python dotnet "$client" "http://127.0.0.1:$pythonPort" "${visible[@]}"
for name in client_compressed_unary client_compressed_streaming; do
  echo "$name n/a grpcio does not show a server whether a message came compressed" >>"$work/to-python.cases"
done

stacks=(ours ours-tls python python-tls node node-tls to-python)
echo "| case | ours | ours, TLS | grpcio | grpcio, TLS | grpc-js | grpc-js, TLS | ours to grpcio's server |"
echo "|---|---|---|---|---|---|---|---|"
passed=0
failed=0
for name in "${cases[@]}"; do
  row="| $name |"
  for stack in "${stacks[@]}"; do
    line=$(grep "^$name " "$work/$stack.cases" || echo "$name FAIL did not run")
    verdict=$(cut -d' ' -f2 <<<"$line")
    case $verdict in
      pass) passed=$((passed + 1)) ;;
      n/a) ;;
      *)
        failed=$((failed + 1))
        echo "$stack: $line" >&2
        cat "$work/$stack.cases.err" >&2
        ;;
    esac
    row="$row $verdict |"
  done
  echo "$row"
done
echo
echo "Where a stack cannot do a case (n/a):"
echo
for stack in python node to-python; do
  sed -n "s/^\(.*\) n\/a \(.*\)/- $stack, \1: \2/p" "$work/$stack.cases"
done
if grep -hE -A 12 "^(fail|crit|warn):" "$work"/{plain,tls}.out{,.err} >&2; then
  failed=$((failed + 1))
  echo "The host logged errors; see above." >&2
fi
echo
echo "interop: $passed passed, $failed failed"
[ "$failed" -eq 0 ]
