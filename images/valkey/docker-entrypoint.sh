#!/bin/sh
# The official image's contract: a first argument that is an option or a configuration file goes to valkey-server, which accepts
# connections from the container's network without a password unless told otherwise.
set -eu

case "${1:-valkey-server}" in -* | *.conf) set -- valkey-server "$@" ;; esac
if [ "$1" != valkey-server ]; then exec "$@"; fi
shift
case "${1:-}" in
  *.conf) configuration=$1; shift; exec valkey-server "$configuration" --protected-mode no "$@" ;;
  *) exec valkey-server --protected-mode no "$@" ;;
esac
