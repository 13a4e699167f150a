#!/usr/bin/env bash
# uWSGI 2.0.21 (Debian 12: uwsgi-core and uwsgi-plugin-python3 2.0.21-5.1)
#
# Guess: "if-env = NAME" and "$(NAME)" see what "env = NAME=…" has set further up in the
# file; or, as they ask the environment in which uWSGI was started, they never do. And a
# reload (SIGHUP, touch-reload) makes of a file what a start makes of it.
# What happens: at the start they do not see it: the condition does not hold, and $(NAME)
# stays as text. A reload executes uWSGI anew in the environment that it has by then,
# with all variables of the file: now the condition holds, and $(NAME) is filled in. A line
# "env = …" that is deleted goes on counting over any number of reloads.
# Who is hurt: who tries an edit by a reload: it works, until the machine boots. And who
# takes a variable out, such as a debug switch or a password: only a restart does.
. "$(dirname "$(readlink -f "$0")")/lib"
cat >app.py <<'PY'
import os
def application(environ, start_response):
    start_response("200 OK", [])
    return [" ".join(os.environ.get(name, "-") for name in ("DEBUG", "SEEN", "FILLED")).encode()]
PY
printf '[uwsgi]\nenv = DEBUG=1\nif-env = DEBUG\nenv = SEEN=yes\nendif =\nenv = FILLED=<$(DEBUG)>\n' >app.ini
unset DEBUG SEEN FILLED
uwsgi_serves --ini app.ini --pidfile "$WORK/pid"
# reload: has it read its file again, and waits until it has.
reload() {
  local n
  n=$(grep -c 'spawned uWSGI worker 1' uwsgi.log)
  kill -HUP "$(cat pid)"
  for _ in $(seq 100); do [ "$(grep -c 'spawned uWSGI worker 1' uwsgi.log)" -gt "$n" ] && return; sleep 0.1; done
  cat uwsgi.log >&2
  return 1
}
expect 'started: DEBUG, SEEN, FILLED' '1 - <$(DEBUG)>' "$(get '')"
reload
expect 'reloaded' '1 yes <1>' "$(get '')"
printf '[uwsgi]\nif-env = DEBUG\nenv = SEEN=still\nendif =\n' >app.ini
reload
expect 'its lines deleted, and reloaded' '1 still <1>' "$(get '')"
