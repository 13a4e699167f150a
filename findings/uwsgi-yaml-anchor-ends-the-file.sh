#!/usr/bin/env bash
# uWSGI 2.0.21 (Debian 12: uwsgi-core and uwsgi-plugin-python3 2.0.21-5.1)
#
# Guess: uWSGI's YAML is YAML, read by libyaml: an anchor names a value, an alias repeats
# it, {a: 1} is a mapping as lines of its own are. Or it is an error, and uWSGI does not
# start.
# What happens: a text with an anchor or a tag (processes: &n 4) ends the reading: that
# line and all behind it are dropped, and uWSGI starts with the rest, with one line of log
# among many. An anchor before the section drops the whole section. An alias is passed
# over, with its key, without a word, and so is a section that is written in one line.
# Who is hurt: who shares values between the files of many apps, as YAML is chosen for:
# the app runs with one process, without its limits, and looks alive.
. "$(dirname "$(readlink -f "$0")")/lib"
uwsgi
# What uWSGI makes of a file: its options, and what it says.
made() {
  printf -- "$1" >app.yaml
  { timeout 20 root/usr/bin/uwsgi-core --show-config --yaml app.yaml </dev/null 2>&1 || true; } |
    sed -n '1,/^;end/p' | sed -n 's/^\(unsupported.*\)/(\1)/p; /^\[uwsgi\]/,$ {/^[a-z-]* = /p}' | grep -v '^show-config\|^yaml' | paste -sd, || true
}
expect 'version' '2.0.21-debian' "$(root/usr/bin/uwsgi-core --version)"
expect 'plain' 'processes = 4,harakiri = 10' "$(made 'uwsgi:\n  processes: 4\n  harakiri: 10\n')"
expect 'an anchor' '(unsupported YAML token 21 in uwsgi block),threads = 2' "$(made 'uwsgi:\n  threads: 2\n  processes: &n 4\n  harakiri: 10\n')"
expect 'a tag' '(unsupported YAML token 21 in uwsgi block),threads = 2' "$(made 'uwsgi:\n  threads: 2\n  processes: !!int 4\n  harakiri: 10\n')"
expect 'an anchor before the section' '(unsupported YAML token 21 in uwsgi block)' "$(made 'n: &n 4\nuwsgi:\n  processes: 4\n  harakiri: 10\n')"
expect 'an alias' 'threads = 2,harakiri = 10' "$(made 'n: &n\n  - 4\nuwsgi:\n  threads: 2\n  processes: *n\n  harakiri: 10\n')"
expect 'in one line' '' "$(made 'uwsgi: {processes: 4, harakiri: 10}\n')"
