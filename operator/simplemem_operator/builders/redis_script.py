"""The program of a cache node: one shell script, the same in the cluster and in the tests.

All nodes run it and none leads. Who a node is follows from its ordinal alone: its id, its share of the slots and its
epoch are written into `nodes.conf` before Redis starts, so a pod that comes back empty and at another address is the
node that it was. Nothing has to be created, resharded or failed over: each node looks every two seconds whether it
is connected to all others, and introduces itself to those that it is not. A changed number of nodes gives all of them
new ids; ids of the former number are forgotten. That is enough for a cache, whose content may be lost.
"""

from __future__ import annotations

REDIS_SCRIPT = r"""#!/bin/sh
# A node of a Redis Cluster, or with the argument `ready` the question whether it is one.
#   REDIS_PEERS        all nodes in order of their ordinals, each host:port:busport
#   REDIS_CLUSTER_ID   what tells this cluster from others
#   REDIS_DATA         folder to write to
#   REDIS_MEMORY       memory that the node may have, in bytes
#   REDIS_PASSWORD     optional
#   REDIS_ORDINAL      default: the number at the end of HOSTNAME
set -eu
umask 077
ordinal="${REDIS_ORDINAL:-${HOSTNAME##*-}}"
set -- "${1:-}" $REDIS_PEERS
mode="$1"
shift
count=$#

node_id() {
    printf '%s/%s/%s' "$REDIS_CLUSTER_ID" "$count" "$1" | sha1sum | cut -c1-40
}

number=0
for peer in "$@"; do
    if [ "$number" = "$ordinal" ]; then
        host="${peer%%:*}"
        ports="${peer#*:}"
        port="${ports%%:*}"
        bus="${ports##*:}"
    fi
    number=$((number + 1))
done

cli() {
    REDISCLI_AUTH="${REDIS_PASSWORD:-}" timeout 2 redis-cli -h 127.0.0.1 -p "$port" "$@" 2>/dev/null
}

if [ "$mode" = ready ]; then
    cli CLUSTER INFO | tr -d '\r' | grep -qx 'cluster_state:ok'
    exit
fi

join() {
    nodes=$(cli CLUSTER NODES | tr -d '\r') || return 0
    expected=""
    number=0
    for peer in "$@"; do
        id=$(node_id "$number")
        expected="$expected $id"
        line=$(printf '%s\n' "$nodes" | grep "^$id " || true)
        case "$line" in
        *myself*) ;;
        *fail* | *disconnected* | "")
            address=$(getent hosts "${peer%%:*}" | cut -d' ' -f1 | head -n1)
            ports="${peer#*:}"
            [ -z "$address" ] || cli CLUSTER MEET "$address" "${ports%%:*}" "${ports##*:}" >/dev/null || true
            ;;
        esac
        number=$((number + 1))
    done
    printf '%s\n' "$nodes" | grep -v handshake | cut -d' ' -f1 | while read -r id; do
        case "$expected" in
        *"$id"*) ;;
        *) cli CLUSTER FORGET "$id" >/dev/null || true ;;
        esac
    done
}

first=$((16384 * ordinal / count))
last=$((16384 * (ordinal + 1) / count - 1))
{
    echo "$(node_id "$ordinal") :$port@$bus myself,master - 0 0 $((ordinal + 1)) connected $first-$last"
    echo "vars currentEpoch $count lastVoteEpoch 0"
} >"$REDIS_DATA/nodes.conf"
{
    echo "port $port"
    echo "cluster-port $bus"
    echo "dir $REDIS_DATA"
    echo "cluster-enabled yes"
    echo "cluster-config-file nodes.conf"
    echo "cluster-node-timeout 5000"
    # The slots of the others serve on while a node is away.
    echo "cluster-require-full-coverage no"
    echo "cluster-announce-hostname $host"
    echo 'save ""'
    echo "appendonly no"
    # The rest is for buffers and fragmentation.
    echo "maxmemory $((REDIS_MEMORY / 4 * 3))"
    echo "maxmemory-policy allkeys-lru"
    if [ -n "${REDIS_PASSWORD:-}" ]; then
        echo "requirepass \"$REDIS_PASSWORD\""
    else
        # The store's NetworkPolicy admits its own pods alone.
        echo "protected-mode no"
    fi
} >"$REDIS_DATA/redis.conf"
# The process id stays the same when Redis takes this process over, so the loop ends with it.
while sleep 2 && kill -0 $$ 2>/dev/null; do join "$@"; done &
exec redis-server "$REDIS_DATA/redis.conf"
"""
"""Runs as `sh node.sh`; needs redis-server and redis-cli from 7.0 on, and what any Linux image has."""
