#!/usr/bin/env bash
# Builds the image and brings the compose file up with a real engine, then pulls plugs and looks what is left.
#
#   deploy/try-containers.sh [MORE.yml …]     further compose files are laid over docker-compose.yml
#
# Uses the Docker that is here. Where none is, and this is a Debian and root asks, it sets one up for the time of the
# trial. Base images that no registry gives are replaced by stand-ins made of Debian packages.
# What stays: Debian packages that it had to install, and METALAYER_TRY_FOLDER where that is set, to look into.
# Exit 0: all passed. 1: something failed. 77: no engine can be had here.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
STAND_INS=$PWD/deploy/stand-ins
PYTHON_IMAGE=python:3.11-slim-bookworm
POSTGRES_IMAGE=postgres:17
. deploy/container-engine.sh

WORK=${METALAYER_TRY_FOLDER:-}
PORT=${METALAYER_TRY_PORT:-18501}
passed=0
failed=0
files=(-f docker-compose.yml)
for more in "$@"; do files+=(-f "$more"); done

# -- telling -----------------------------------------------------------------------------------------------------

step() { printf '\n%s\n' "$*"; }

# One line for what was looked at: what, then what was expected and what was found.
expect() {
  if [ "$2" = "$3" ]; then
    printf '  passed  %s: %s\n' "$1" "$3"
    passed=$((passed + 1))
  else
    printf '  FAILED  %s: %s, expected %s\n' "$1" "$3" "$2"
    failed=$((failed + 1))
  fi
}

# Whether the figures are those from before; told in few words.
expect_the_same() {
  local found
  found=$(figures 2>&1 || true)
  [ "$found" = "$before" ] || printf '%s\n' "$found" | sed 's/^/    /'
  expect "verdict, version and the rows of every table" "as before" "$([ "$found" = "$before" ] && echo "as before" || echo "others")"
}

now() { date +%s.%N; }
since() { awk -v from="$1" -v to="$(now)" 'BEGIN { printf "%.1f s", to - from }'; }
count_of() { grep -c "$@" || true; }

# -- asking ------------------------------------------------------------------------------------------------------

compose() { docker compose --progress quiet --ansi never "${files[@]}" "$@"; }
container() { compose ps --quiet --all "$1" | head -n 1; }
health() { docker inspect --format '{{.State.Health.Status}}' "$(container "$1")"; }
metalayer() { compose exec -T app python -P -m etl "$@"; }
# The status code of an address of the app; 000 where nobody answers.
http() { curl --noproxy '*' --silent --output /dev/null --max-time 10 --write-out '%{http_code}' "http://127.0.0.1:${2:-$PORT}$1" || true; }
ready() { [ "$(http /readyz)" = 200 ]; }
sql() { compose exec -T --user postgres database psql --username=metalayer --no-align --tuples-only --command="$1" </dev/null; }
loaded() { [ "$(figures 2>/dev/null | head -n 1)" = "ready True" ]; }
healthy() { [ "$(health "$1")" = healthy ]; }
restarted() { [ "$(docker inspect --format '{{.RestartCount}}' "$(container database)")" -gt "$1" ]; }

# Wait up to $1 seconds for the rest of the line to be true.
within() {
  local end=$((SECONDS + $1))
  shift
  until "$@"; do
    [ $SECONDS -lt $end ] || return 1
    sleep 0.2
  done
}

# What is published: verdict, version, and the rows of every table, a line each.
figures() {
  metalayer status --json | python3 -c '
import json, sys
told = json.load(sys.stdin)
print("ready", told["verdict"]["ready"])
print("version", told["workspace"]["version"])
for table in told["tables"]:
    print(table["name"], table["rows"])'
}

# -- the trial ---------------------------------------------------------------------------------------------------

try_refusals() {
  step "What is refused"
  local said code=0
  said=$(METALAYER_DATABASE_PASSWORD_FILE=$WORK/missing compose up --detach 2>&1 || true)
  expect "without a password nothing starts, and the missing file is named" 1 "$(count_of "$WORK/missing" <<<"$said")"
  expect "containers that run" "" "$(compose ps --quiet)"
  compose down --volumes --timeout 5 2>/dev/null
  said=$(METALAYER_PUBLISH=0.0.0.0 compose run --rm --no-deps app 2>&1) || code=$?
  expect "published to others and nobody said they may: exit code" 2 "$code"
  expect "the message says what to set" 1 "$(count_of METALAYER_ALLOW_ANONYMOUS=1 <<<"$said")"
}

try_image() {
  step "The image"
  local started
  started=$(now)
  compose build --quiet 2>"$WORK/build.log" || { tail -n 20 "$WORK/build.log"; return 1; }
  echo "  built in $(since "$started"), $(docker image inspect --format '{{.Size}}' metalayer-tried | awk '{ printf "%.0f MB, ", $1 / 1e6 }')of which $(docker image inspect --format '{{.Size}}' "$PYTHON_IMAGE" | awk '{ printf "%.0f MB", $1 / 1e6 }') are the base"
  expect "user" 10001:10001 "$(docker image inspect --format '{{.Config.User}}' metalayer-tried)"
  expect "compilers, and a pip or its cache beside what is installed" "" "$(docker run --rm --entrypoint sh metalayer-tried -c \
    'command -v gcc cc g++ make ld; ls -d /app/.venv/bin/pip* ~root/.cache /tmp/* 2>/dev/null' || true)"
}

try_start() {
  step "docker compose up --wait, with the sample"
  local started
  started=$(now)
  compose up --detach --wait --no-build
  echo "  healthy after $(since "$started")"
  expect "database" healthy "$(health database)"
  expect "app" healthy "$(health app)"
  within 60 ready || true
  expect "/readyz" 200 "$(http /readyz)"
  expect "the page" 200 "$(http /)"
  within 120 loaded || true
  echo "  sample published after $(since "$started")"
  before=$(figures)
  expect "the sample's verdict" "ready True" "$(head -n 1 <<<"$before")"
  sed -n '2,$s/^/    /p' <<<"$before"
  expect "rows of silver.sales_clean, asked of the database itself" "$(sed -n 's/^silver.sales_clean //p' <<<"$before")" \
    "$(sql 'select count(*) from silver.sales_clean' 2>&1)"
}

try_walls() {
  step "Walls"
  expect "the app's port is open on" "127.0.0.1:$PORT" "$(compose port app 8501)"
  expect "ports of the database that are open" "" "$(docker inspect --format '{{range .NetworkSettings.Ports}}{{range .}}{{.HostIp}}:{{.HostPort}}{{end}}{{end}}' "$(container database)")"
  expect "users of the app's processes" 10001 "$(compose exec -T app sh -c 'stat -c %u /proc/[0-9]* 2>/dev/null | sort -u')"
  expect "capabilities of the app" "CapEff: 0000000000000000" "$(compose exec -T app sh -c 'grep CapEff /proc/1/status' | tr '\t' ' ')"
  expect "a file in the app's folder can be made" no "$(compose exec -T app sh -c 'touch /app/x 2>/dev/null && echo yes || echo no')"
  expect "the root file system" "ro" "$(compose exec -T app sh -c "grep ' / ' /proc/mounts" | awk '{ print $4 }' | cut -d, -f1)"
  expect "landed files can be changed" no "$(compose exec -T app sh -c 'touch /app/data/landing/x 2>/dev/null && echo yes || echo no')"
}

# As the kernel ends a process that takes too much memory: no word to anybody.
try_kill() {
  step "kill -9 of the database"
  local restarts started
  restarts=$(docker inspect --format '{{.RestartCount}}' "$(container database)")
  started=$(now)
  # shellcheck disable=SC2016 # expanded inside
  compose exec -T --user postgres database sh -c 'kill -9 "$(head -n 1 "$PGDATA/postmaster.pid")"' >/dev/null 2>&1 || true
  within 30 restarted "$restarts" || true
  within 90 healthy database || true
  echo "  database healthy again after $(since "$started")"
  expect "database" healthy "$(health database)"
  within 90 ready || true
  echo "  app ready again after $(since "$started")"
  expect "/readyz" 200 "$(http /readyz)"
  expect "app, not restarted for it" "healthy 0" "$(docker inspect --format '{{.State.Health.Status}} {{.RestartCount}}' "$(container app)")"
  expect_the_same
}

try_down_and_up() {
  step "docker compose down, then up"
  local started
  started=$(now)
  compose down
  echo "  down after $(since "$started")"
  expect "containers left" "" "$(compose ps --quiet --all)"
  started=$(now)
  compose up --detach --wait --no-build
  within 60 ready || true
  echo "  ready after $(since "$started")"
  expect "/readyz" 200 "$(http /readyz)"
  expect_the_same
}

try_copies() {
  step "Three copies on one database"
  local started last=$((PORT + 2)) port lock
  started=$(now)
  METALAYER_PORT=$PORT-$last compose up --detach --wait --no-build --scale app=3
  for port in $(seq "$PORT" "$last"); do within 60 answers_ready "$port" || true; done
  echo "  ready after $(since "$started")"
  for port in $(seq "$PORT" "$last"); do expect "/readyz of the copy on port $port" 200 "$(http /readyz "$port")"; done
  expect_the_same
  lock=$(compose exec -T app python -c 'from etl.lease import LOCK; print(LOCK)')
  expect "copies that hold the engine lease" 1 "$(sql "select count(*) from pg_locks
    where locktype = 'advisory' and granted and objsubid = 1 and (classid::bigint << 32 | objid::bigint) = $lock")"
  try_take_over
  for port in $(seq "$PORT" "$last"); do within 60 answers_ready "$port" || true; done
  for port in $(seq "$PORT" "$last"); do expect "/readyz of the copy on port $port" 200 "$(http /readyz "$port")"; done
  expect_the_same
}

# kill -9 of the copy that works: another one takes over, with a higher fencing number.
try_take_over() {
  local holder fence started
  holder=$(sql "select holder from ledger.lease") # container:process
  fence=$(sql "select fence from ledger.lease")
  started=$(now)
  docker exec "${holder%:*}" sh -c "kill -9 ${holder#*:}"
  within 30 taken_over "$fence" || true
  echo "  the lease was taken over $(since "$started") after kill -9 of its holder"
  expect "another copy has it" yes "$([ "$(sql "select holder from ledger.lease")" != "$holder" ] && echo yes || echo no)"
}
taken_over() { [ "$(sql "select fence from ledger.lease" 2>/dev/null || echo 0)" -gt "$1" ]; }
answers_ready() { [ "$(http /readyz "$1")" = 200 ]; }

try_secrets() {
  step "The password"
  local id
  expect "lines of the logs that have it" 0 "$(compose logs --no-color 2>&1 | count_of -F "$password")"
  for id in $(compose ps --quiet --all); do
    expect "lines of docker inspect that have it" 0 "$(docker inspect "$id" | count_of -F "$password")"
  done
  expect "layers of the image that have it" 0 "$(docker history --no-trunc metalayer-tried | count_of -F "$password")"
}

try_everything() {
  try_image
  try_refusals
  try_start
  try_walls
  try_kill
  try_down_and_up
  try_copies
  try_secrets
}

# -- around it ---------------------------------------------------------------------------------------------------

put_away() {
  local code=$?
  [ $code -eq 0 ] || compose logs --no-color --tail 15 2>/dev/null || true
  compose down --volumes --timeout 10 >/dev/null 2>&1 || true
  docker image rm --force metalayer-tried >/dev/null 2>&1 || true
  engine_stop
  [ -n "${METALAYER_TRY_FOLDER:-}" ] || rm -rf "$WORK"
}

main() {
  local started obstacle
  started=$(now)
  [ -n "$WORK" ] || WORK=$(mktemp -d)
  mkdir -p "$WORK"
  if ! engine_is_here; then
    obstacle=$(engine_obstacle)
    [ -z "$obstacle" ] || { echo "NOT RUN: $obstacle."; exit 77; }
    trap put_away EXIT
    step "An engine of its own, made of Debian packages"
    engine_start "$WORK"
    echo "  up after $(since "$started")"
  fi
  trap put_away EXIT
  echo "  Docker $(docker version --format '{{.Server.Version}}'), Compose $(docker compose version --short)"
  base_images "$WORK"
  echo "  $BASES"

  password=$(od -An -tx1 -N24 /dev/urandom | tr -d ' \n')
  (umask 077 && mkdir -p "$WORK/secrets") && printf '%s\n' "$password" >"$WORK/secrets/database_password"
  chmod 644 "$WORK/secrets/database_password"
  mkdir -p "$WORK/landing/crm" "$WORK/landing/erp"
  export COMPOSE_PROJECT_NAME=metalayer-tried METALAYER_IMAGE=metalayer-tried METALAYER_PORT=$PORT \
    METALAYER_DATABASE_PASSWORD_FILE=$WORK/secrets/database_password METALAYER_LANDING=$WORK/landing \
    METALAYER_SAMPLE=1 METALAYER_SCHEDULE="0 0 29 2 *" \
    METALAYER_PYTHON_IMAGE=$PYTHON_IMAGE METALAYER_DATABASE_IMAGE=$POSTGRES_IMAGE
  unset METALAYER_PUBLISH METALAYER_ALLOW_ANONYMOUS METALAYER_DATABASE_PASSWORD

  try_everything
  printf '\n%d passed, %d failed, in %s\n' "$passed" "$failed" "$(since "$started")"
  [ "$failed" -eq 0 ]
}

main
