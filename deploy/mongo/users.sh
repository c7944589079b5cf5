#!/bin/bash
# Run once by the image on an empty data directory: each deployable gets a user for its own database only.
set -euo pipefail
# With a password for the sandbox, the services get a second one there, and the gateway a database for what it has of it.
make_user() {  # name, password, databases
    NAME=$1 PASSWORD=$2 DATABASES=$3 mongosh --quiet --username "$MONGO_INITDB_ROOT_USERNAME" --password "$MONGO_INITDB_ROOT_PASSWORD" --authenticationDatabase admin --eval '
        db.getSiblingDB(process.env.NAME).createUser({
            user: process.env.NAME,
            pwd: process.env.PASSWORD,
            roles: process.env.DATABASES.split(" ").flatMap((name) => [
                { role: "readWrite", db: name }, { role: "dbAdmin", db: name },
            ]),
        });'
}
for name in enrolment curriculum assessment credentials outreach gateway; do
    variable="MONGO_PASSWORD_${name^^}"
    case $name in
        gateway) make_user gateway "${!variable}" "gateway${MONGO_PASSWORD_SANDBOX:+ sandbox_gateway}" ;;
        *) make_user "$name" "${!variable}" "$name" ;;
    esac
    if [ "$name" != gateway ] && [ -n "${MONGO_PASSWORD_SANDBOX:-}" ]; then
        make_user "sandbox_$name" "$MONGO_PASSWORD_SANDBOX" "sandbox_$name"
    fi
done
