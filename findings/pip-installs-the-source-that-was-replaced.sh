#!/usr/bin/env bash
# pip 23.0.1 with setuptools 66.1.1 (Debian 12: python3-pip 23.0.1+dfsg-1,
# python3-setuptools-whl 66.1.1-1+deb12u2, python3-wheel-whl 0.38.4-2)
#
# Guess: a source archive in a folder of ours (--find-links) is read when it is installed;
# pip's cache is for what comes from the network.
# What happens: the wheel that pip builds of it is kept in the cache by the archive's path,
# name and version. Where the archive is replaced by another one of that version, the wheel
# of the old one is installed, into a fresh virtualenv too; of size, time and content
# nothing is looked at, and nothing is said. --force-reinstall changes nothing;
# --no-cache-dir does, and an archive that is named by its path is read.
# Who is hurt: who brings the code of his own packages as archives and does not count the
# version up at each build: old code is deployed, on machines that have built it before.
. "$(dirname "$(readlink -f "$0")")/lib"
mkdir -p source archives home
cat >source/setup.py <<'PY'
from setuptools import setup
setup(name="own", version="1.0", py_modules=["own"])
PY
# The archive, and what is installed of it.
archive() {
  printf 'SAYS = "%s"\n' "$1" >source/own.py
  (cd source && /usr/bin/python3 setup.py -q sdist 2>/dev/null && mv dist/own-1.0.tar.gz ../archives/)
}
installed() {
  rm -rf to
  HOME=$WORK/home PIP_CONFIG_FILE=/dev/null PIP_ROOT_USER_ACTION=ignore /usr/bin/python3 -m pip install -q --no-index --find-links archives \
    --find-links /usr/share/python-wheels --target to "$@"
  PYTHONPATH=to /usr/bin/python3 -c 'import own; print(own.SAYS)'
}
expect 'pip' '23.0.1' "$(/usr/bin/python3 -c 'import pip; print(pip.__version__)')"
archive old
expect 'the first archive' old "$(installed own)"
archive new
expect 'another one in its place' old "$(installed own)"
expect 'with --force-reinstall' old "$(installed --force-reinstall own)"
expect 'named by its path' new "$(installed ./archives/own-1.0.tar.gz)"
expect 'with --no-cache-dir' new "$(installed --no-cache-dir own)"
