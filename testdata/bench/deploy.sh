#!/bin/sh
# How code is brought to a server by hand: a checkout, a virtualenv and its
# packages for each release, then gunicorn anew.
#
#   deploy.sh REPOSITORY WHEELS DIR RELEASE ADDR
set -eu
repository=$1 wheels=$2 dir=$3 release=$4 addr=$5
export PIP_CONFIG_FILE=/dev/null PIP_DISABLE_PIP_VERSION_CHECK=1

git clone -q --depth 1 "$repository" "$release"
# The system's packages, for gunicorn.
/usr/bin/python3 -m venv --system-site-packages "$release/.venv"
"$release/.venv/bin/pip" install -q --no-index --find-links "$wheels" -r "$release/requirements.txt"
if pid=$(cat "$dir/gunicorn.pid" 2>/dev/null); then
  kill "$pid"
  while [ -e "$dir/gunicorn.pid" ]; do sleep 0.01; done
fi
exec "$release/.venv/bin/python" -m gunicorn --daemon --pid "$dir/gunicorn.pid" --bind "$addr" --workers 1 \
  --error-logfile "$dir/gunicorn.log" --chdir "$release" hello:application
