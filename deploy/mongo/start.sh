#!/bin/bash
# mongod wants the replica set's key in a file that nobody else can read.
set -euo pipefail
install -m 0400 -o mongodb -g mongodb /dev/null /data/configdb/keyfile
printf '%s' "$MONGO_KEYFILE" >/data/configdb/keyfile
# Ours take milliseconds. One whose client died keeps the documents that it wrote until this limit (60 s by default).
exec docker-entrypoint.sh mongod --replSet rs0 --keyFile /data/configdb/keyfile --bind_ip_all \
    --setParameter transactionLifetimeLimitSeconds=10
