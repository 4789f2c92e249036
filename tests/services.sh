#!/usr/bin/env bash
# Throwaway services for the tests: a Postgres cluster and a Redis server on free ports of loopback.
#
#   tests/services.sh start DIR   starts them below DIR and prints `export NAME=VALUE` lines
#   tests/services.sh stop DIR    stops what was started below DIR and removes it
#
# As root on Debian the programs are installed when missing, and Postgres runs as user `postgres`, which
# it insists on. Nothing that runs already is touched.
set -euo pipefail

as_postgres() {
    if [ "$(id -u)" = 0 ]; then
        (cd / && runuser -u postgres -- "$@")
    else
        "$@"
    fi
}

postgres_bin() {
    local newest
    newest=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1)
    if [ -n "$newest" ]; then
        echo "$newest"
    elif command -v initdb >/dev/null; then
        dirname "$(command -v initdb)"
    fi
}

install_missing() {
    local missing=()
    [ -n "$(postgres_bin)" ] || missing+=(postgresql)
    command -v redis-server >/dev/null || missing+=(redis-server)
    command -v nginx >/dev/null || [ -x /usr/sbin/nginx ] || missing+=(nginx-light)
    [ ${#missing[@]} -gt 0 ] || return 0
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
        echo "the tests need these programs, please install them: ${missing[*]}" >&2
        exit 1
    fi
    echo "installing ${missing[*]}" >&2
    # Debian would start the servers it installs; they are not wanted.
    local policy=/usr/sbin/policy-rc.d added=
    if [ ! -e "$policy" ]; then
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod +x "$policy"
        added=1
    fi
    DEBIAN_FRONTEND=noninteractive apt-get update -qq >&2
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2
    [ -z "$added" ] || rm -f "$policy"
}

# A port that nothing listens on, below the range that clients' ports are taken from.
free_port() {
    local port
    for _ in $(seq 100); do
        port=$((20000 + RANDOM % 10000))
        if ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
            echo "$port"
            return
        fi
    done
    echo "no free port" >&2
    exit 1
}

start_postgres() {
    local dir=$1/postgres bin port
    bin=$(postgres_bin)
    port=$(free_port)
    mkdir -p "$dir"
    [ "$(id -u)" != 0 ] || chown postgres "$dir"
    as_postgres "$bin/initdb" --auth=trust --username=postgres --encoding=UTF8 --locale=C.UTF-8 \
        --no-sync --pgdata="$dir/data" >"$1/initdb.log"
    # Nothing here outlives the tests, so nothing needs to reach a disk.
    as_postgres "$bin/pg_ctl" --pgdata="$dir/data" --log="$dir/log" --wait --timeout=60 --options="\
        -c listen_addresses=127.0.0.1 -c port=$port -c unix_socket_directories='' -c fsync=off \
        -c synchronous_commit=off -c full_page_writes=off -c max_connections=400" start >&2
    head -n 1 "$dir/data/postmaster.pid" >"$1/postgres.pid"
    echo "export GATEWRIGHT_TEST_POSTGRES_URL=postgres://postgres@127.0.0.1:$port/postgres"
}

start_redis() {
    local port
    port=$(free_port)
    mkdir -p "$1/redis"
    redis-server --bind 127.0.0.1 --port "$port" --dir "$1/redis" --save "" --appendonly no \
        --daemonize yes --pidfile "$1/redis.pid" --logfile "$1/redis/log" >&2
    for _ in $(seq 100); do
        if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
            echo "export GATEWRIGHT_TEST_REDIS_URL=redis://127.0.0.1:$port"
            return
        fi
        sleep 0.05
    done
    echo "redis-server did not start; see $1/redis/log" >&2
    exit 1
}

# SIGINT is Postgres' fast shutdown; Redis needs nothing kinder than SIGTERM.
stop_pid() {
    local file=$1 signal=$2 pid
    [ -s "$file" ] || return 0
    pid=$(cat "$file")
    kill "-$signal" "$pid" 2>/dev/null || return 0
    for _ in $(seq 200); do
        kill -0 "$pid" 2>/dev/null || return 0
        sleep 0.05
    done
    kill -KILL "$pid" 2>/dev/null || true
}

case "${1:-} ${2:-}" in
"start "?*)
    install_missing
    mkdir -p "$2"
    chmod 755 "$2"
    start_postgres "$2"
    start_redis "$2"
    ;;
"stop "?*)
    stop_pid "$2/postgres.pid" INT
    stop_pid "$2/redis.pid" TERM
    rm -rf "$2/postgres" "$2/redis" "$2/postgres.pid" "$2/redis.pid" "$2/initdb.log"
    rmdir "$2" 2>/dev/null || true
    ;;
*)
    echo "usage: tests/services.sh start|stop DIR" >&2
    exit 2
    ;;
esac
