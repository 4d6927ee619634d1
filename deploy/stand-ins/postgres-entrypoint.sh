#!/bin/bash
# What the official image's entry point does with POSTGRES_USER, POSTGRES_DB and POSTGRES_PASSWORD[_FILE].
set -eu
user=${POSTGRES_USER:-postgres}
database=${POSTGRES_DB:-$user}
if [ "$(id -u)" = 0 ]; then
  mkdir -p "$PGDATA"
  chown -R postgres "$PGDATA" /var/run/postgresql
  chmod 700 "$PGDATA"
  exec setpriv --reuid postgres --regid postgres --init-groups "$0" "$@"
fi
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  password=${POSTGRES_PASSWORD:-}
  [ -z "${POSTGRES_PASSWORD_FILE:-}" ] || password=$(<"$POSTGRES_PASSWORD_FILE")
  [ -n "$password" ] || { echo "No password is given." >&2; exit 1; }
  initdb -D "$PGDATA" -U "$user" --pwfile=<(printf '%s' "$password") \
    --auth-local=trust --auth-host=scram-sha-256 >/dev/null
  echo "host all all all scram-sha-256" >>"$PGDATA/pg_hba.conf"
  pg_ctl -D "$PGDATA" -w -o "-c listen_addresses=''" start >/dev/null
  [ "$database" = postgres ] || createdb -U "$user" --maintenance-db=postgres "$database"
  pg_ctl -D "$PGDATA" -m fast -w stop >/dev/null
fi
exec "$@" -c "listen_addresses=*"
