#!/bin/sh
# Prints an .env for docker-compose.yml with fresh random secrets: sh deploy/compose/make-env.sh > .env
set -eu
# A letter first: nats.conf reads a value that begins with a digit as a number.
secret() { printf 's%s' "$(od -An -N32 -tx1 /dev/urandom | tr -d ' \n')"; }
# Ed25519 in PKCS #8 (RFC 8410 section 7): sixteen bytes that are always the same, then the key.
signing_key() {
    body=$({ printf '\060\056\002\001\000\060\005\006\003\053\145\160\004\042\004\040'; head -c 32 /dev/urandom; } | base64)
    printf '"-----BEGIN PRIVATE KEY-----\\n%s\\n-----END PRIVATE KEY-----\\n"' "$body"
}
here=$(cd -P -- "$(dirname -- "$0")" && pwd)
while IFS= read -r line; do
    case $line in
        *_SIGNING_KEY=) printf '%s%s\n' "$line" "$(signing_key)" ;;
        *_SECRET= | *_PASSWORD= | *_PEPPER= | *_KEY= | *_KEYFILE= | NATS_PASSWORD_*= | MONGO_PASSWORD_*=) printf '%s%s\n' "$line" "$(secret)" ;;
        *) printf '%s\n' "$line" ;;
    esac
done <"$here/../../.env.example"
