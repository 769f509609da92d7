#!/bin/sh
# Runs once, when the database is made: the restricted role of the running application.
set -eu
psql --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" --set password="$APP_DB_PASSWORD" <<'SQL'
CREATE ROLE kvit_app LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD :'password';
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
SQL
