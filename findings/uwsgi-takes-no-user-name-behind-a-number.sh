#!/usr/bin/env bash
# uWSGI 2.0.21 (Debian 12: uwsgi-core 2.0.21-5.1)
#
# Guess: of several "uid" options the last one counts, as of other options: a vassal's own
# before what the Emperor adds by vassals-include, or the other way round.
# What happens: so it is of two numbers and of two names. Of a number and a name the first
# counts: a name behind a number is not taken, and a name that was taken wins over every
# number behind it. "gid" does the same. Nobody is told.
# Who is hurt: who sets one user for all vassals by name, in a file that is included, while
# a vassal has a number (or the reverse): one vassal runs as somebody else than its neighbours.
. "$(dirname "$(readlink -f "$0")")/lib"
[ "$(id -u)" = 0 ] || { echo "needs root, which changes its user" >&2; exit 1; }
uwsgi
first=$(id -nu 65534) second=$(id -nu 1)
# The user that it changes to, given these options.
becomes() {
  local args=() one
  for one; do args+=(--uid "$one"); done
  timeout 20 root/usr/bin/uwsgi-core "${args[@]}" --no-server --socket 127.0.0.1:0 2>&1 | sed -n 's/^setuid() to //p'
}
expect 'version' '2.0.21-debian' "$(root/usr/bin/uwsgi-core --version)"
expect 'two numbers' 34 "$(becomes 33 34)"
expect 'two names' 1 "$(becomes "$first" "$second")"
expect 'a number, then a name' 33 "$(becomes 33 "$second")"
expect 'a name, then a number' 1 "$(becomes "$second" 33)"
expect 'a number, a name, a number' 34 "$(becomes 33 "$second" 34)"
expect 'a name, a number, a name' 1 "$(becomes "$second" 33 "$first")"
