#!/usr/bin/env bash
# PostgreSQL 15.20 (Debian 12: postgresql-15 and postgresql-client-15 15.20-0+deb12u1, libpq5 15.20-0+deb12u1)
#
# Guess: a role with CREATEROLE and CREATEDB, as hosted servers give to their customers in the
# place of a superuser, makes a role, and a database that belongs to it.
# What happens: it makes the role and any database of its own; one for the role it has just made is
# refused, "must be member of role". It may make itself a member, for nobody keeps it from
# that, and then it may; and leave again, and the database stays the role's.
# Who is hurt: tools that make an application's database, which work on each server that
# its author has at hand, as its administrator is a superuser there, and on no hosted one.
. "$(dirname "$(readlink -f "$0")")/lib"
debian postgresql-15=15.20-0+deb12u1 postgresql-client-15=15.20-0+deb12u1 libpq5=15.20-0+deb12u1
export LD_LIBRARY_PATH
LD_LIBRARY_PATH=$(printf '%s:' "$WORK"/root/usr/lib/*/)
bin=$WORK/root/usr/lib/postgresql/15/bin
# It does not run as root.
as=(env)
if [ "$(id -u)" = 0 ]; then
  as=(setpriv --reuid=65534 --regid=65534 --clear-groups env "LD_LIBRARY_PATH=$LD_LIBRARY_PATH")
  chmod 755 "$WORK"
fi
mkdir data
[ "$(id -u)" = 0 ] && chown 65534:65534 data
"${as[@]}" "$bin/initdb" -D "$WORK/data" -U postgres -A trust --locale=C.UTF-8 >init.log 2>&1 || { cat init.log >&2; exit 1; }
"${as[@]}" "$bin/postgres" -D "$WORK/data" -k "$WORK/data" -c listen_addresses= >server.log 2>&1 &
trap 'kill %1; wait; rm -rf "$WORK"' EXIT
sql() { "$bin/psql" -X -h "$WORK/data" -d postgres -At -U "$1" -c "$2" 2>&1; }
for _ in $(seq 100); do sql postgres 'SELECT 1' >/dev/null && break; sleep 0.1; done
sql postgres 'CREATE ROLE customer LOGIN CREATEROLE CREATEDB' >/dev/null
expect 'version' '15.20' "$(sql postgres 'SHOW server_version' | cut -d' ' -f1)"
expect 'a role' 'CREATE ROLE' "$(sql customer 'CREATE ROLE blog LOGIN')"
expect 'a database of its own' 'CREATE DATABASE' "$(sql customer 'CREATE DATABASE own')"
expect 'one for the role' 'ERROR:  must be member of role "blog"' "$(sql customer 'CREATE DATABASE blog OWNER blog' || true)"
expect 'it makes itself a member' 'GRANT ROLE' "$(sql customer 'GRANT blog TO customer')"
expect 'once more' 'CREATE DATABASE' "$(sql customer 'CREATE DATABASE blog OWNER blog')"
expect 'it leaves again' 'REVOKE ROLE' "$(sql customer 'REVOKE blog FROM customer')"
expect 'whose the database is' 'blog' "$(sql postgres "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = 'blog'")"
