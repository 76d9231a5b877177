#!/usr/bin/env bash
# Clients of other gRPC stacks, and the examples, against the real server. Ends with "clients: N passed, N failed" and exits 1
# if anything failed. Needs Debian and root for its packages; run.sh --no-install takes what is there.
#
# A client prints a line a check, "pass NAME" or "fail NAME: WHY", and "value logits DIGITS..." for what all must agree on. A
# check that prints nothing has failed: run.sh knows which ones there are.
set -uo pipefail
cd "$(dirname "$0")/../.."
export DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1
TMPDIR=$(mktemp -d) # Everything lies here, what clients generate too.
export TMPDIR
work=$TMPDIR
passed=0
failed=0
processes=()

cleanup() {
  for process in "${processes[@]}"; do
    kill "$process" 2>/dev/null && wait "$process" 2>/dev/null
  done
  rm -rf "$work"
}
trap cleanup EXIT

# --- What it needs

packages=(
  curl jq protobuf-compiler grpc-proto
  python3-grpcio python3-protobuf protobuf-compiler-grpc
  ruby-grpc ruby-grpc-tools
  golang-go golang-google-grpc-dev golang-google-protobuf-dev golang-github-golang-protobuf-1-5-dev protoc-gen-go-1-5 protoc-gen-go-grpc
  chromium
)
npm_folders=(tests/clients/node tests/clients/browser examples/javascript examples/browser)

install() {
  local missing=()
  for package in "${packages[@]}"; do
    dpkg -s "$package" >/dev/null 2>&1 || missing+=("$package")
  done
  if [ ${#missing[@]} -gt 0 ]; then
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null ||
      return
  fi
  for folder in "${npm_folders[@]}"; do
    (cd "$folder" && npm install --no-package-lock --no-audit --no-fund --silent) || return
  done
}

build() {
  dotnet build -c Release --verbosity quiet -nologo src/Server &&
    dotnet build -c Release --verbosity quiet -nologo examples/csharp &&
    tests/clients/go/build.sh "$work/go" &&
    (cd examples/browser && npm run --silent build) &&
    NODE_PATH=examples/browser/node_modules examples/browser/node_modules/.bin/esbuild tests/clients/browser/checks.js \
      --bundle --outfile="$work/checks.js" --log-level=warning &&
    # As examples/README.md says for Debian.
    (cd examples/python && protoc -I ../../protos --python_out=. --grpc_python_out=. \
      --plugin=protoc-gen-grpc_python=/usr/bin/grpc_python_plugin ../../protos/google/*/*.proto ../../protos/serving/v1/*.proto)
}

# --- How it counts

# Counts one check: who, what, and nothing or why it failed.
count() {
  if [ -z "$3" ]; then
    passed=$((passed + 1))
    printf '%-20s %-14s ok\n' "$1" "$2"
  else
    failed=$((failed + 1))
    printf '%-20s %-14s FAILED: %s\n' "$1" "$2" "$3"
  fi
}

# Runs a client: its name, the checks that it makes, its command.
client() {
  local name=$1 checks=$2 seconds=$SECONDS why
  shift 2
  timeout 200 "$@" > "$work/$name.out" 2> "$work/$name.err" < /dev/null
  for check in $checks; do
    if grep -qx "pass $check" "$work/$name.out"; then
      why=
    else
      why=$(sed -nE "s/^fail $check: //p" "$work/$name.out")
      why=${why:-it did not run: $(tail -n 3 "$work/$name.err" | tr '\n' ' ')}
    fi
    count "$name" "$check" "$why"
  done
  sed -n 's/^value logits //p' "$work/$name.out" >> "$work/logits"
  echo "$name took $((SECONDS - seconds)) s"
}

# Runs an example: its name, the check, a pattern that a line of its output matches, its command. Reads standard input.
example() {
  local name=$1 check=$2 pattern=$3 why=
  shift 3
  timeout 200 "$@" > "$work/$name-$check.out" 2> "$work/$name-$check.err" || why="exit code $?; "
  grep -qP "$pattern" "$work/$name-$check.out" || why+="no line is like $pattern; "
  count "$name" "$check" "${why:+$why$(tail -qn 12 "$work/$name-$check.out" "$work/$name-$check.err" | tr '\n' ' ')}"
}

finish() {
  echo "clients: $passed passed, $failed failed"
  [ "$failed" -eq 0 ]
  exit
}

# --- The servers

# Starts a server on free ports with a data root of its own, which begins with the demo: its name, more flags. Sets "server" to
# its process, "grpc" to HOST:PORT and "http" to http://HOST:PORT: the first two addresses that it prints.
start_server() {
  local name=$1 urls=()
  shift
  dotnet src/Server/bin/Release/net10.0/Serving.Server.dll --port 0 --Server:HttpPort=0 --data "$work/data-$name" "$@" \
    > "$work/server-$name.log" 2>&1 &
  server=$!
  processes+=("$server")
  for _ in {1..600}; do
    mapfile -t urls < <(grep -v '^Try' "$work/server-$name.log" | grep -oE 'https?://[0-9a-z.:]+')
    [ ${#urls[@]} -lt 2 ] && kill -0 "$server" 2>/dev/null || break
    sleep 0.1
  done
  if [ ${#urls[@]} -lt 2 ]; then
    cat "$work/server-$name.log"
    count "server-$name" start "it did not say where it listens"
    finish
  fi
  grpc=${urls[0]#*//}
  http=${urls[1]}
}

# Stops a server as an orchestrator does, and looks at what it logged: its name, its process.
stop_server() {
  local name=$1 errors code
  kill -TERM "$2"
  wait "$2"
  code=$?
  count "server-$name" exit "$([ "$code" -eq 0 ] || echo "exit code $code")"
  errors=$(grep -cE '^(fail|crit):' "$work/server-$name.log")
  [ "$errors" -eq 0 ] || grep -E -A 3 '^(fail|crit):' "$work/server-$name.log"
  count "server-$name" log "$([ "$errors" -eq 0 ] || echo "$errors lines begin with fail: or crit:")"
}

# --- The run

if [ "${1:-}" != --no-install ]; then
  install || { echo "packages are missing"; count packages install "see above"; }
fi
build || { count clients build "see above" && finish; }
SECONDS=0

# The page's own server, on a port of its own: another origin.
/usr/bin/python3 -u -m http.server 0 --bind 127.0.0.1 --directory examples/browser > "$work/page.log" 2>&1 &
processes+=($!)
for _ in {1..100}; do
  page=$(grep -oE 'http://[^/]+' "$work/page.log") && break
  sleep 0.1
done

start_server closed # For the check that a browser is refused.
closed=$server
closed_http=$http
start_server main --Server:CorsOrigins:0="$page"
version=5badf58d4447a3b1d5ff3c9b6d508c8a7052c4a90d9f2829081f0187aca923dc
folder=models/demo/tasks/sentiment/$version

# A dataset for each: the same rows in another order, since the very same rows are not stored twice.
datasets=0
rotated() {
  datasets=$((datasets + 1))
  sed -n 1p models/commands.tsv
  tail -n +$((datasets + 2)) models/commands.tsv
  sed -n "2,$((datasets + 1))p" models/commands.tsv
}

all="health reflection import_task export_task classify stream dataset job error deadline"
run_client() {
  local name=$1
  shift
  rotated > "$work/$name.tsv"
  client "$name" "$all" "$@" "$grpc" "tone-$name" "$folder" "$work/$name.tsv"
}
run_client python /usr/bin/python3 tests/clients/python/client.py
run_client node node tests/clients/node/client.js
run_client ruby ruby tests/clients/ruby/client.rb
run_client go "$work/go/client"
client curl "classify gzip deadline unimplemented" tests/clients/curl/client.sh "$grpc"
client http "import export classify error events cursor" tests/clients/curl/http.sh "$http" tone-http "$folder"
client browser "page page_error refused classify events error deadline" \
  node tests/clients/browser/client.js "$page" "$work/checks.js" "$http" "$closed_http"
# All seven have the same logits for the same text, bit for bit.
count all same_logits "$([ "$(sort "$work/logits" | uniq -c | awk '{ print $1 }')" = 7 ] || sort "$work/logits" | uniq -c | tr '\n' ' ')"

# The examples: each classifies, streams a hundred texts, imports a version and trains a task.
run_example() {
  local name=$1 classify=$2 stream=$3 import=$4 train=$5
  example "$name" classify '^sentiment\tpositive\t0\.9972\t5badf58d4447$' $classify "what a charming film" sentiment question
  tail -n +2 models/commands.tsv | cut -f 1 | head -n 100 > "$work/texts"
  example "$name" stream '^100\t[^\t]+\t(number|entity|human|location|description|abbreviation)$' $stream question < "$work/texts"
  sort -n "$work/$name-stream.out" >> "$work/streamed-$name"
  example "$name" import "^$name\t$version\tnew$" $import "$name" "$folder"
  rotated > "$work/$name-all.tsv"
  head -n 61 "$work/$name-all.tsv" > "$work/$name.tsv"
  example "$name" train "^$name-learned\t[0-9a-f]{64}$" $train "$name-learned" "$work/$name.tsv"
}
python="/usr/bin/python3 examples/python"
run_example example-python "$python/classify.py $grpc" "$python/stream.py $grpc" "$python/import_task.py $grpc" "$python/train.py $grpc"
javascript="node examples/javascript"
run_example example-javascript "$javascript/classify.js $grpc" "$javascript/stream.js $grpc" "$javascript/import-task.js $grpc" "$javascript/train.js $grpc"
csharp="dotnet examples/csharp/bin/Release/net10.0/Example.dll http://$grpc"
run_example example-csharp "$csharp classify" "$csharp stream" "$csharp import" "$csharp train"
rotated > "$work/example-curl-all.tsv"
head -n 61 "$work/example-curl-all.tsv" > "$work/example-curl.tsv"
example example-curl all '^\{"task":\{"task":"example-curl",.*"examples":60,' examples/curl/example.sh "$http" example-curl "$work/example-curl.tsv"
same_stream() {
  [ "$(wc -l < "$work/streamed-example-python")" = 100 ] || echo "they are not 100 lines"
  cmp "$work/streamed-example-python" "$work/streamed-example-javascript" 2>&1
  cmp "$work/streamed-example-python" "$work/streamed-example-csharp" 2>&1
}
count examples same_stream "$(same_stream)"

stop_server main "$server"
stop_server closed "$closed"
echo "all took $SECONDS s"
finish
