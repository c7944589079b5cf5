#!/bin/sh
# Prints an .env for docker-compose.yml with fresh random secrets: sh deploy/compose/make-env.sh > .env
set -eu
# A letter first: nats.conf reads a value that begins with a digit as a number.
secret() { printf 's%s' "$(od -An -N32 -tx1 /dev/urandom | tr -d ' \n')"; }
here=$(cd -P -- "$(dirname -- "$0")" && pwd)
while IFS= read -r line; do
    case $line in
        *_SECRET= | *_PASSWORD= | *_PEPPER= | *_KEY= | *_KEYFILE= | NATS_PASSWORD_*= | MONGO_PASSWORD_*=) printf '%s%s\n' "$line" "$(secret)" ;;
        *) printf '%s\n' "$line" ;;
    esac
done <"$here/../../.env.example"
