#!/usr/bin/env bash
# PasteDeploy 3.0.1 (Debian 12: python3-pastedeploy 3.0.1-5)
#
# Guess: [DEFAULT] of the file holds values that count where a section has none of its own,
# as everywhere in Python's configuration files; a section's own value wins.
# What happens: a name that stands in [DEFAULT] is told to no application, filter or server:
# the section's own value is dropped, without a word, and so is that of [DEFAULT]. The
# program gets its own default. Only as a placeholder the section's value wins. "set NAME"
# and "get NAME" in the section are told.
# Who is hurt: who moves a port or the number of threads into [DEFAULT] to have it once, and
# overrides it for one server: that one listens on its built-in port. A variable that is
# given in the command line is such a name too.
. "$(dirname "$(readlink -f "$0")")/lib"
debian python3-pastedeploy=3.0.1-5
cat >app.py <<'PY'
def serve(variables, **told):
    print(sorted(told.items()))
PY
cat >app.ini <<'INI'
[DEFAULT]
port = 7000
[server:main]
use = call:app:serve
port = 8000
threads = 4
address = 127.0.0.1:%(port)s
[server:asks]
use = call:app:serve
get port = port
[server:sets]
use = call:app:serve
set port = 8000
get port = port
INI
# What a server of the file is told.
told() { PYTHONPATH=$PYTHONPATH:$WORK /usr/bin/python3 -c 'import sys; from paste.deploy import loadserver; loadserver("config:app.ini", name=sys.argv[1], relative_to=".", global_conf=dict(sys.argv[i:i+2] for i in range(2, len(sys.argv), 2)))' "$@"; }
expect 'version' '3.0.1' "$(sed -n 's/^Version: //p' root/usr/lib/python3/dist-packages/PasteDeploy-*/METADATA root/usr/lib/python3/dist-packages/PasteDeploy-*/PKG-INFO 2>/dev/null)"
expect 'port in both' "[('address', '127.0.0.1:8000'), ('threads', '4')]" "$(told main)"
expect 'threads given beside the file' "[('address', '127.0.0.1:8000')]" "$(told main threads 9)"
expect 'get' "[('port', '7000')]" "$(told asks)"
expect 'set and get' "[('port', '8000')]" "$(told sets)"
