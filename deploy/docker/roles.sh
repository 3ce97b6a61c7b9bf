#!/bin/sh
# The database and its two roles, made by the image of PostgreSQL when its volume is empty: the owner
# of the tables, and the role of the service, which has what deploy/grants.sql says.
set -eu
psql --quiet --set=ON_ERROR_STOP=1 --username="$POSTGRES_USER" --dbname=postgres \
  --set=owner_password="$DATABASE_OWNER_PASSWORD" --set=password="$DATABASE_PASSWORD" <<'SQL'
CREATE ROLE regroup_owner LOGIN PASSWORD :'owner_password';
CREATE ROLE regroup LOGIN PASSWORD :'password';
CREATE DATABASE regroup OWNER regroup_owner;
REVOKE ALL ON DATABASE regroup FROM PUBLIC;
GRANT CONNECT ON DATABASE regroup TO regroup;
SQL
