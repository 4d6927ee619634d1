# Sourced by try-containers.sh: a Docker engine with Compose, the one that is here or one made of Debian packages.
# shellcheck shell=bash

# Whether `docker` reaches an engine and can compose and build.
engine_is_here() {
  docker version >/dev/null 2>&1 && docker compose version >/dev/null 2>&1 && docker buildx version >/dev/null 2>&1
}

# Why no engine can be made here, or nothing.
engine_obstacle() {
  if [ "$(id -u)" -ne 0 ]; then
    echo "no working Docker with Compose and buildx, and only root can set one up"
  elif ! command -v apt-get >/dev/null || [ ! -e /usr/share/keyrings/debian-archive-keyring.gpg ]; then
    echo "no working Docker with Compose and buildx, and no Debian to set one up from"
  elif ! command -v dockerd >/dev/null && [ -z "$(engine_mirror)" ]; then
    echo "no working Docker with Compose and buildx, and apt knows no mirror"
  fi
}

# The mirror that apt itself uses for this release.
engine_mirror() {
  local release
  release=$(engine_release)
  # shellcheck disable=SC2016 # apt-get expands them
  apt-get indextargets --format '$(SITE) $(RELEASE)' 'Created-By: Packages' |
    awk -v release="$release" '$2 == release { print $1; exit }'
}

engine_release() { sed -n 's/^VERSION_CODENAME=//p' /etc/os-release; }

# Make an engine whose files all lie in the folder $1, and point `docker` at it.
engine_start() {
  local work=$1
  export DOCKER_HOST=unix://$work/docker.sock DOCKER_CONFIG=$work/config
  engine_packages
  engine_plugins "$work"
  # What this process leaves goes to a log: it says why when the engine does not come up.
  dockerd --data-root "$work/data" --exec-root "$work/exec" --pidfile "$work/dockerd.pid" -H "$DOCKER_HOST" \
    >"$work/dockerd.log" 2>&1 &
  engine_pid=$!
  local _
  for _ in $(seq 120); do
    docker info >/dev/null 2>&1 && return
    kill -0 "$engine_pid" 2>/dev/null || break
    sleep 0.5
  done
  tail -n 5 "$work/dockerd.log" >&2
  return 1
}

engine_stop() {
  [ -n "${engine_pid:-}" ] || return 0
  kill "$engine_pid" 2>/dev/null || true
  wait "$engine_pid" 2>/dev/null || true
}

engine_packages() {
  local wanted=() package
  for package in docker.io containerd runc iptables mmdebstrap curl; do
    dpkg -s "$package" >/dev/null 2>&1 || wanted+=("$package")
  done
  [ ${#wanted[@]} -gt 0 ] || return 0
  # A daemon that starts by itself is not the one that is tried here.
  local policy=/usr/sbin/policy-rc.d
  [ -e "$policy" ] || { printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod +x "$policy" && local ours=yes; }
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${wanted[@]}" >/dev/null 2>&1
  [ -z "${ours:-}" ] || rm -f "$policy"
}

# Compose and buildx, unpacked from the next release where this one has none; nothing of them is installed.
engine_plugins() {
  local work=$1 next=trixie deb
  mkdir -p "$work/next/partial" "$work/plugins" "$DOCKER_CONFIG/cli-plugins"
  if ! engine_has_plugins; then
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $(engine_mirror) $next main" >"$work/next.list"
    local from_next=(-qq -o "Dir::Etc::sourcelist=$work/next.list" -o Dir::Etc::sourceparts=-
      -o "Dir::State::Lists=$work/next" -o APT::Sandbox::User=root)
    apt-get "${from_next[@]}" update
    (cd "$work/plugins" && apt-get "${from_next[@]}" download docker-compose docker-buildx)
    for deb in "$work"/plugins/*.deb; do dpkg -x "$deb" "$work/plugins"; done
    cp "$work"/plugins/usr/libexec/docker/cli-plugins/* "$DOCKER_CONFIG/cli-plugins/"
  fi
}

engine_has_plugins() { docker compose version >/dev/null 2>&1 && docker buildx version >/dev/null 2>&1; }

# The base images: PYTHON_IMAGE and POSTGRES_IMAGE as they are called, or stand-ins where no registry answers. BASES says
# which.
# shellcheck disable=SC2034 # it is said by who sources this
base_images() {
  local work=$1
  if timeout 120 docker pull -q "$PYTHON_IMAGE" >/dev/null 2>&1 &&
    timeout 120 docker pull -q "$POSTGRES_IMAGE" >/dev/null 2>&1; then
    BASES="official images $PYTHON_IMAGE and $POSTGRES_IMAGE"
    return
  fi
  BASES="stand-ins for $PYTHON_IMAGE and $POSTGRES_IMAGE, made of Debian packages: no registry answers"
  PYTHON_IMAGE=metalayer-python:stand-in
  POSTGRES_IMAGE=metalayer-postgres:stand-in
  command -v mmdebstrap >/dev/null || engine_packages
  stand_in "$work" "$(engine_release)" python ca-certificates,python3,python3-pip,python3-venv &
  stand_in "$work" trixie postgres postgresql-17
  wait $!
}

# One stand-in: the folder of the base $3, release $2, with the packages $4.
stand_in() {
  local work=$1 release=$2 name=$3 packages=$4 mirror
  mirror=$(engine_mirror)
  mkdir -p "$work/$name"
  mmdebstrap --quiet --variant=minbase --include="$packages" "$release" "$work/$name.tar" "$mirror"
  docker import "$work/$name.tar" "metalayer-$name:base" >/dev/null
  cp "$STAND_INS/$name"* "$work/$name/"
  [ "$name" != python ] || cp /etc/ssl/certs/ca-certificates.crt "$work/$name/"
  docker build -q -t "metalayer-$name:stand-in" -f "$work/$name/$name.Dockerfile" \
    --build-arg BASE="metalayer-$name:base" "$work/$name" >/dev/null
}
