#!/usr/bin/env bash
# PostgreSQL 15.20 (Debian 12: postgresql-15 and postgresql-client-15 15.20-0+deb12u1, libpq5 15.20-0+deb12u1)
# with a locale of Debian 12's locales 2.36-9+deb12u14
#
# Guess: CREATE DATABASE ... TEMPLATE template0 ENCODING 'UTF8' works on every server. The
# server itself says so when the encoding is not that of template1: "Use the same encoding as
# in the template database, or use template0 as template". At the least a provider of locales
# that is not the C library's, such as ICU, is free of the server's locale.
# What happens: on a server that was made for a locale of another encoding, as old ones are
# that went from version to version, it is refused with template0, too, for the locale that
# nobody named; with ICU as well, since LC_CTYPE is looked at all the same; and with LC_CTYPE
# alone in place of it, for LC_COLLATE then. Both have to be named, or LOCALE.
# Who is hurt: tools that make an application's database, and whoever follows the hint: it
# works on each new server, and not on the oldest one of the house.
. "$(dirname "$(readlink -f "$0")")/lib"
debian postgresql-15=15.20-0+deb12u1 postgresql-client-15=15.20-0+deb12u1 libpq5=15.20-0+deb12u1 libicu72 locales=2.36-9+deb12u14
export LD_LIBRARY_PATH LOCPATH=$WORK/locales I18NPATH=$WORK/root/usr/share/i18n
LD_LIBRARY_PATH=$(printf '%s:' "$WORK"/root/usr/lib/*/)
mkdir locales data
localedef -i de_DE -f ISO-8859-15 --no-archive "$LOCPATH/de_DE@euro"
bin=$WORK/root/usr/lib/postgresql/15/bin
# It does not run as root.
as=(env)
if [ "$(id -u)" = 0 ]; then
  as=(setpriv --reuid=65534 --regid=65534 --clear-groups env "LD_LIBRARY_PATH=$LD_LIBRARY_PATH")
  chmod 755 "$WORK"
  chown 65534:65534 data
fi
"${as[@]}" "$bin/initdb" -D "$WORK/data" -U postgres -A trust --locale=de_DE@euro --lc-messages=C >init.log 2>&1 || { cat init.log >&2; exit 1; }
"${as[@]}" "$bin/postgres" -D "$WORK/data" -k "$WORK/data" -c listen_addresses= >server.log 2>&1 &
trap 'kill %1; wait; rm -rf "$WORK"' EXIT
sql() { "$bin/psql" -X -h "$WORK/data" -d postgres -At -U postgres -c "$1" 2>&1; }
for _ in $(seq 100); do sql 'SELECT 1' >/dev/null && break; sleep 0.1; done
made() { sql "CREATE DATABASE $1 ENCODING 'UTF8' $2" | sed -n '/^CREATE\|^ERROR\|^DETAIL\|^HINT/p' || true; }
refused='ERROR:  encoding "UTF8" does not match locale "de_DE@euro"
DETAIL:  The chosen %s setting requires encoding "LATIN9".'
expect 'version' '15.20' "$(sql 'SHOW server_version' | cut -d' ' -f1)"
expect 'the hint for template1' 'HINT:  Use the same encoding as in the template database, or use template0 as template.' "$(made a "LOCALE 'C'" | grep HINT)"
expect 'from template0' "${refused/\%s/LC_CTYPE}" "$(made b 'TEMPLATE template0')"
expect 'by ICU' "${refused/\%s/LC_CTYPE}" "$(made c "TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'de'")"
expect 'with LC_CTYPE' "${refused/\%s/LC_COLLATE}" "$(made d "TEMPLATE template0 LC_CTYPE 'C.UTF-8'")"
expect 'with LOCALE' 'CREATE DATABASE' "$(made e "TEMPLATE template0 LOCALE 'C.UTF-8'")"
