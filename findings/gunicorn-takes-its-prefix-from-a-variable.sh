#!/usr/bin/env bash
# gunicorn 20.1.0 (Debian 12: gunicorn and python3-gunicorn 20.1.0-6+deb12u1)
#
# Guess: -e NAME=VALUE sets a variable in the environment of the workers, for the
# application to read, whatever its name is: gunicorn has its own settings for itself.
# What happens: the variable SCRIPT_NAME, set so or where gunicorn was started from, is
# taken off the path of each request and put into its environ. A request for a path that
# does not begin with it is a failure of gunicorn's own, 500, also the balancer's for "/".
# Who is hurt: whose start scripts export SCRIPT_NAME for something else, as CGI programs
# and shells do; and who moves an application elsewhere with its variables: below another
# server all its links have lost their prefix.
. "$(dirname "$(readlink -f "$0")")/lib"
debian gunicorn=20.1.0-6+deb12u1 python3-gunicorn=20.1.0-6+deb12u1
cat >app.py <<'PY'
def app(environ, start_response):
    start_response('200 OK', [])
    return ['{0[SCRIPT_NAME]!r} {0[PATH_INFO]!r}'.format(environ).encode()]
PY
port=$(free_port)
/usr/bin/python3 root/usr/bin/gunicorn -e SCRIPT_NAME=/blog -b "127.0.0.1:$port" app:app >gunicorn.log 2>&1 &
trap 'kill %1; wait; rm -rf "$WORK"' EXIT
get() { curl -sS --retry 20 --retry-connrefused --retry-delay 1 --noproxy '*' "${@:2}" "http://127.0.0.1:$port/$1"; }
expect 'version' 'gunicorn (version 20.1.0)' "$(/usr/bin/python3 root/usr/bin/gunicorn --version)"
expect 'below it' "'/blog' '/x'" "$(get blog/x)"
expect 'outside of it' '500' "$(get x -o out -w '%{http_code}' | tail -c 3)"
