#!/usr/bin/env bash
# Builds the image of the Dockerfile and tries it: health, a first answer, a training job, a stop. Ends with
# "image: N passed, N failed" and exits 1 if anything failed.
#
# It needs no image registry: packages of Debian and this machine's .NET, imported under the names of the base images,
# stand in for them.
# Needs root, docker.io, curl and dotnet. Where a Docker daemon cannot run, the trial is skipped and says so.
#
#   tests/image/run.sh           all of it
#   tests/image/run.sh --quick   without jobs: the build, the image's properties, health, the first answer, a stop
#   tests/image/run.sh --real    with the real base images, on a machine that can pull them; checks the whole size, too
set -uo pipefail
cd "$(dirname "$0")/../.."

quick=false
real=false
for argument in "$@"; do
  case $argument in
    --quick) quick=true ;;
    --real) real=true ;;
    *) sed -n '2,11s/^# \{0,1\}//p' "$0" && exit 2 ;;
  esac
done

image=serving-trial
own_bytes_limit=40000000    # What the Dockerfile adds to its base image; about 26 MB now.
whole_bytes_limit=250000000 # With its base image.
passed=0
failed=0
work=$(mktemp -d /tmp/image.XXXXXX)
daemon=
finish() {
  if [ -n "$daemon" ]; then
    docker ps -aq | xargs -r docker rm -f >/dev/null
    kill "$daemon" && wait "$daemon"
    umount "$work/exec/netns/default"
  elif $real; then
    docker rm -f first second >/dev/null 2>&1
    docker volume rm "$image" >/dev/null 2>&1
  fi
  rm -rf "$work"
} 2>/dev/null
trap finish EXIT

skip() {
  echo "SKIPPED: the image was not tried: $1"
  echo "image: 0 passed, 0 failed, 1 skipped"
  exit 0
}

# Counts one check: its name, its command. Says how long it took.
check() {
  local name=$1 start=$EPOCHREALTIME
  shift
  if "$@" >"$work/log" 2>&1; then
    passed=$((passed + 1))
    printf 'passed: %-60s %6.1f s\n' "$name" "$(since "$start")"
  else
    failed=$((failed + 1))
    echo "FAILED: $name"
    tail -n 30 "$work/log" | sed 's/^/    /'
  fi
}

since() { awk -v start="$1" -v end="$EPOCHREALTIME" 'BEGIN { print end - start }'; }

# Repeats a command until it succeeds: attempts, a tenth of a second apart, then the command.
eventually() {
  local attempts=$1
  shift
  for _ in $(seq "$attempts"); do
    "$@" && return
    read -rt 0.1 <> <(:) || true
  done
  return 1
}

# ---- The daemon and the base images

# A daemon of our own, which touches neither the network nor the images of another one on this machine.
start_daemon() {
  export DOCKER_HOST=unix://$work/docker.sock
  dockerd --bridge=none --iptables=false --host "$DOCKER_HOST" --pidfile "$work/docker.pid" \
    --data-root "$work/data" --exec-root "$work/exec" >"$work/dockerd.log" 2>&1 &
  daemon=$!
  eventually 300 docker info >/dev/null 2>&1
}

download() {
  apt-get -qq -y -o Dir::State::Status=/dev/null -o Dir::Cache::archives="$work/debs" -o APT::Sandbox::User=root \
    --download-only --no-install-recommends install coreutils dash '^libicu[0-9]+$' '^libssl3(t64)?$' libstdc++6 zlib1g
}

# A folder with the few of Debian's packages that .NET and a shell need, and with what the official images have: a user,
# variables, places. Nothing is configured in there, so that it takes seconds.
unpack_debian() {
  local root=$work/root
  mkdir -p "$work/debs/partial" "$root"/{etc/ssl/certs,home/app,proc,root,run,tmp,usr/bin}
  download || { apt-get -qq update && download; } || return
  for package in "$work"/debs/*.deb; do dpkg-deb -x "$package" "$root" || return; done
  chmod 1777 "$root/tmp"
  printf '%s\n' 'root:x:0:0::/root:/bin/sh' 'app:x:1654:1654::/home/app:/bin/sh' >"$root/etc/passwd"
  printf '%s\n' 'root:x:0:' 'app:x:1654:' >"$root/etc/group"
  ln -s ../share/dotnet/dotnet "$root/usr/bin/dotnet"
}

# The image's name, what of the dotnet folder, further options of docker import.
import() {
  local name=$1 parts=$2 variables
  shift 2
  variables=(APP_UID=1654 DOTNET_RUNNING_IN_CONTAINER=true ASPNETCORE_HTTP_PORTS=8080
    PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin)
  tar -c -C "$work/root" . --transform "s,^$(basename "$dotnet"),usr/share/dotnet," -C "$(dirname "$dotnet")" $parts |
    docker import "${variables[@]/#/--change=ENV }" "$@" - "$name"
}

base_images() {
  local folder
  folder=$(basename "$dotnet")
  unpack_debian || return
  import mcr.microsoft.com/dotnet/aspnet:10.0 "$folder/dotnet $folder/host $folder/shared" || return
  # Packages come as they come to this machine: by its own certificates and NuGet's settings.
  cp -L /etc/ssl/certs/ca-certificates.crt "$work/root/etc/ssl/certs/ca-certificates.crt" || return
  import mcr.microsoft.com/dotnet/sdk:10.0 "$folder" \
    --change="ENV NUGET_CERT_REVOCATION_MODE=${NUGET_CERT_REVOCATION_MODE:-online}"
}

# ---- The image

build() {
  docker build --network host --build-arg REVISION="$(git rev-parse HEAD 2>/dev/null || echo unknown)" -t "$image" .
}

# Once more with a source file that ends the build right after the restore: packages must come from the cache.
rebuild_keeps_packages() {
  mkdir "$work/copy"
  cp -a .dockerignore Dockerfile global.json Directory.* BannedSymbols.txt .editorconfig protos src "$work/copy" &&
    mkdir "$work/copy/models" && cp -a models/demo "$work/copy/models" || return
  echo "no XML" >"$work/copy/src/Directory.Build.props"
  docker build --network host "$work/copy" >"$work/again" 2>&1
  cat "$work/again"
  grep -q "src/Directory.Build.props" "$work/again" &&
    grep -A 1 'dotnet restore' "$work/again" | grep -qi 'using cache\|cached$'
}

inspect() { docker image inspect -f "$1" "$image"; }

has_properties() {
  local version
  version=$(sed -n 's/.*<Version>\(.*\)<.*/\1/p' Directory.Build.props)
  [ "$(inspect '{{.Config.User}}')" = 1654 ] &&
    [ "$(inspect '{{json .Config.Volumes}}')" = '{"/data":{}}' ] &&
    [ "$(inspect '{{json .Config.ExposedPorts}}')" = '{"5050/tcp":{},"5051/tcp":{}}' ] &&
    [ "$(inspect '{{json .Config.Healthcheck.Test}}')" = '["CMD","/app/Serving.Server","health"]' ] &&
    [ "$(inspect '{{index .Config.Labels "org.opencontainers.image.title"}}')" = Serving ] &&
    [ "$(inspect '{{index .Config.Labels "org.opencontainers.image.version"}}')" = "$version" ]
}

has_a_list_of_packages() {
  docker run --rm --entrypoint cat "$image" /app/Serving.Server.deps.json | grep '"Google.Protobuf/[0-9.]*": {'
}

is_small() {
  local own
  own=$(docker history --human=false --format '{{.Size}} {{.CreatedBy}}' "$image" |
    awk '{ sum += $1 } /--chown=1654/ { print sum }')
  echo "The Dockerfile adds $own bytes to its base image; the whole has $(inspect '{{.Size}}')." | tee "$work/size"
  [ "$own" -lt "$own_bytes_limit" ] || return
  if $real; then [ "$(inspect '{{.Size}}')" -lt "$whole_bytes_limit" ]; fi
}

# ---- A container

# Starts one as strictly as compose.yaml does: its name, further options of docker run. It has a network of its own, so
# its ports are free; the command line goes in there.
start() {
  local name=$1
  shift
  docker run --detach --name "$name" --network none --read-only --cap-drop ALL --security-opt no-new-privileges \
    --volume "$image:/data" --env Server__ShutdownTimeout=00:00:20 "$@" "$image"
}

beside_it() { nsenter --net="/proc/$(docker inspect -f '{{.State.Pid}}' "$container")/ns/net" "$@"; }
serving() { beside_it dotnet src/Cli/bin/Release/net10.0/serving.dll "$@" --server http://127.0.0.1:5050; }

answers() { serving classify "what a charming film" --task sentiment | grep -P '^sentiment\tpositive\t0\.9'; }
answers_json() {
  local request='{"inputs":[{"text":"what a charming film"}],"tasks":[{"task":"sentiment"}]}'
  beside_it curl --silent --show-error --fail --json "$request" http://127.0.0.1:5051/v1/classify |
    grep '"label":"positive"'
}
is_healthy() { [ "$(docker inspect -f '{{.State.Health.Status}}' "$container")" = healthy ]; }
health_verb_agrees() { docker exec "$container" /app/Serving.Server health; }
# With a server that is not there it must not say that it is healthy.
health_verb_can_fail() { ! docker exec "$container" /app/Serving.Server health --server http://127.0.0.1:5999; }
runs_as_app() { [ "$(docker exec "$container" id -u)" = 1654 ]; }
root_is_read_only() {
  docker exec --user 0 "$container" sh -c 'touch /app/new 2>&1 || true' | grep 'Read-only file system'
}
listens_where_it_should() { ! docker logs "$container" 2>&1 | grep ':8080\|Overriding'; }
logs_no_error() { ! docker logs "$container" 2>&1 | grep -A 12 '^\(fail\|crit\|warn\):'; }

trains() {
  serving datasets upload commands models/commands.tsv --label-column label &&
    serving train mask --model mini --dataset commands --epochs 5 --task commands --alias production --watch |
      tee "$work/train" &&
    grep -q '^succeeded' "$work/train"
}

knows_what_it_learned() {
  serving classify "switch on the lights in the hall" --task commands | grep -P '^commands\tlight\t'
}

begins_long_training() {
  serving train mask --model mini --dataset commands --epochs 500 --task long >"$work/long" &&
    eventually 300 a_worker_runs
}

a_worker_runs() { docker top "$container" -o pid,args | grep -q 'Serving.Server.dll worker '; }

stops() {
  docker stop --time 30 "$container" && [ "$(docker inspect -f '{{.State.ExitCode}}' "$container")" = 0 ]
}

# ---- The trial

if ! $real; then
  [ "$(id -u)" = 0 ] || skip "a Docker daemon needs root"
  for command in dockerd docker apt-get; do
    command -v $command >/dev/null || skip "$command is not installed"
  done
  dotnet=$(dirname "$(readlink -f "$(command -v dotnet)")")
  start_daemon || skip "the Docker daemon does not start: $(tail -n 1 "$work/dockerd.log")"
fi
container=first
begin=$EPOCHREALTIME
check "the command line is built" dotnet build src/Cli -c Release --verbosity quiet
$real || check "stand-ins for the base images" base_images
check "docker build" build
if [ "$failed" -eq 0 ]; then
  check "user, volume, ports, health check and labels" has_properties
  check "packages are listed" has_a_list_of_packages
  check "size" is_small
  cat "$work/size"
  $quick || check "packages stay cached when a source changes" rebuild_keeps_packages

  check "starts on a read-only root" start first --tmpfs /tmp
  check "first answer" eventually 300 answers
  check "first answer as JSON" answers_json
  check "the health verb agrees" health_verb_agrees
  check "the health verb fails without a server" health_verb_can_fail
  check "Docker sees it healthy" eventually 300 is_healthy
  check "runs as the user app" runs_as_app
  check "the root is read-only for root, too" root_is_read_only
  check "the base image's port is not taken" listens_where_it_should
  $quick || check "trains in a worker process" trains
  check "stops by SIGTERM with exit code 0" stops
  check "logs no errors" logs_no_error

  if ! $quick; then
    container=second
    check "starts again on its data, without /tmp" start second
    check "answers" eventually 300 answers
    check "knows what it learned" knows_what_it_learned
    check "begins a long training" begins_long_training
    check "stops by SIGTERM while it trains" stops
    check "logs no errors" logs_no_error
  fi
fi

printf 'took %.0f s\n' "$(since "$begin")"
echo "image: $passed passed, $failed failed"
[ "$failed" -eq 0 ]
