#!/bin/sh
# The official image's contract, as far as it is used here: POSTGRES_PASSWORD (required), POSTGRES_USER (postgres), POSTGRES_DB (the
# user's name), POSTGRES_INITDB_ARGS, POSTGRES_HOST_AUTH_METHOD (scram-sha-256), PGDATA. Runs without root from its first step.
set -eu

case "${1:-postgres}" in -*) set -- postgres "$@" ;; esac
if [ "$1" != postgres ]; then exec "$@"; fi

user=${POSTGRES_USER:-postgres}
database=${POSTGRES_DB:-$user}
method=${POSTGRES_HOST_AUTH_METHOD:-scram-sha-256}

if [ ! -s "$PGDATA/PG_VERSION" ]; then
  if [ -z "${POSTGRES_PASSWORD:-}" ] && [ "$method" != trust ]; then
    echo "postgres: POSTGRES_PASSWORD is not set: give a password, or POSTGRES_HOST_AUTH_METHOD=trust" >&2
    exit 1
  fi
  mkdir -p "$PGDATA"
  chmod 0700 "$PGDATA" 2>/dev/null || true
  secret=$(mktemp)
  printf '%s\n' "${POSTGRES_PASSWORD:-}" >"$secret"
  # This build has no ICU: the C locale, in UTF-8.
  # shellcheck disable=SC2086
  initdb --username="$user" ${POSTGRES_PASSWORD:+--pwfile="$secret"} --auth-local=trust --auth-host="$method" \
    --encoding=UTF8 --locale=C ${POSTGRES_INITDB_ARGS:-} >/dev/null
  rm -f "$secret"
  printf 'host all all all %s\n' "$method" >>"$PGDATA/pg_hba.conf"
  if [ "$database" != postgres ]; then
    # Single-user mode creates the database before anybody can connect: who can connect finds it.
    printf 'CREATE DATABASE "%s"\n' "$(printf %s "$database" | sed 's/"/""/g')" | postgres --single -j postgres >/dev/null
  fi
fi
exec "$@" -c listen_addresses='*' -c unix_socket_directories=/var/run/postgresql
