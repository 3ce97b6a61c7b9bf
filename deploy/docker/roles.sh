#!/bin/sh
# Makes the database and two roles; the PostgreSQL image runs it when its volume is empty. One role
# owns the tables; the other is the service's, with what deploy/grants.sql grants.
set -eu
psql --quiet --set=ON_ERROR_STOP=1 --username="$POSTGRES_USER" --dbname=postgres \
  --set=owner_password="$DATABASE_OWNER_PASSWORD" --set=password="$DATABASE_PASSWORD" <<'SQL'
CREATE ROLE regroup_owner LOGIN PASSWORD :'owner_password';
CREATE ROLE regroup LOGIN PASSWORD :'password';
CREATE DATABASE regroup OWNER regroup_owner;
REVOKE ALL ON DATABASE regroup FROM PUBLIC;
GRANT CONNECT ON DATABASE regroup TO regroup;
SQL
