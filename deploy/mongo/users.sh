#!/bin/bash
# Run once by the image on an empty data directory: each deployable gets a user for its own database only.
set -euo pipefail
for name in enrolment curriculum assessment credentials outreach gateway; do
    variable="MONGO_PASSWORD_${name^^}"
    NAME=$name PASSWORD=${!variable} mongosh --quiet --username "$MONGO_INITDB_ROOT_USERNAME" --password "$MONGO_INITDB_ROOT_PASSWORD" --authenticationDatabase admin --eval '
        db.getSiblingDB(process.env.NAME).createUser({
            user: process.env.NAME,
            pwd: process.env.PASSWORD,
            roles: [{ role: "readWrite", db: process.env.NAME }, { role: "dbAdmin", db: process.env.NAME }],
        });'
done
