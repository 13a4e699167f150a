#!/usr/bin/env bash
# gunicorn 20.1.0 (Debian 12: gunicorn and python3-gunicorn 20.1.0-6+deb12u1)
#
# Guess: gunicorn --chdir /srv/site app:app is "cd /srv/site && gunicorn app:app": the
# gunicorn.conf.py of that folder, which is read without being named, counts.
# What happens: the file is looked for where gunicorn was started, and so is one that is
# named by -c with a relative path. That of the site is not read, and nobody says so;
# one that happens to lie where it was started is.
# Who is hurt: units whose ExecStart has --chdir where WorkingDirectory= is meant: the
# number of workers, the time limits and hooks of gunicorn.conf.py are not in force.
. "$(dirname "$(readlink -f "$0")")/lib"
debian gunicorn=20.1.0-6+deb12u1 python3-gunicorn=20.1.0-6+deb12u1
mkdir site start
echo 'def app(environ, start_response): pass' >site/app.py
echo 'workers = 3' >site/gunicorn.conf.py
echo 'workers = 5' >start/gunicorn.conf.py
workers() { /usr/bin/python3 "$WORK/root/usr/bin/gunicorn" --print-config "$@" app:app 2>&1 | sed -n 's/^workers *= //p; s/^Error: //p'; }
expect 'version' 'gunicorn (version 20.1.0)' "$(/usr/bin/python3 root/usr/bin/gunicorn --version)"
expect 'started in the site' '3' "$(cd site && workers)"
expect '--chdir, started elsewhere' '1' "$(workers --chdir site)"
expect '--chdir, another file where it is started' '5' "$(cd start && workers --chdir ../site)"
expect '--chdir and -c' "'gunicorn.conf.py' doesn't exist" "$(workers --chdir site -c gunicorn.conf.py)"
