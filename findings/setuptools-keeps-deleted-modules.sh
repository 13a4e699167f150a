#!/usr/bin/env bash
# pip 23.0.1 with setuptools 66.1.1 (Debian 12: python3-pip 23.0.1+dfsg-1,
# python3-setuptools-whl 66.1.1-1+deb12u2, python3-wheel-whl 0.38.4-2)
#
# Guess: "pip install ." builds in a place of its own, so that what an earlier build
# has left beside the sources cannot come into the package; or it is made anew.
# What happens: pip builds in the tree itself, setuptools copies into build/lib there
# and never empties it, and the package is made of all that lies in it. A module that
# was deleted from the sources is installed again, with every later install from
# this tree; a module that moved is there twice. Nothing is said. "git clean -fd"
# does not help where build/ is in .gitignore, and a fresh virtualenv neither.
# Who is hurt: who deploys by "git pull && pip install ." in one checkout: old code
# goes on to be imported, deleted Django migrations and commands are found and run.
# Empty build/ first, or name a build_base elsewhere by DIST_EXTRA_CONFIG.
. "$(dirname "$(readlink -f "$0")")/lib"
mkdir -p tree/proj
cd tree
cat >setup.py <<'PY'
from setuptools import setup
setup(name="proj", version="1", packages=["proj"])
PY
touch proj/__init__.py proj/kept.py proj/deleted.py
# What lies in the package that an install from this tree would give.
packed() {
  rm -rf ../out
  "$@" /usr/bin/python3 -m pip wheel -q --no-index --find-links /usr/share/python-wheels --no-deps --wheel-dir ../out . >../said 2>&1 || { cat ../said >&2; exit 1; }
  /usr/bin/python3 -c 'import glob, zipfile; print(*sorted(n for n in zipfile.ZipFile(glob.glob("../out/*.whl")[0]).namelist() if n.startswith("proj/")))'
}
expect 'pip' '23.0.1' "$(/usr/bin/python3 -c 'import pip; print(pip.__version__)')"
expect 'setuptools' setuptools-66.1.1-py3-none-any.whl "$(basename /usr/share/python-wheels/setuptools-66*.whl)"
expect 'the first build' 'proj/__init__.py proj/deleted.py proj/kept.py' "$(packed env)"
rm proj/deleted.py
expect 'after the module was deleted' 'proj/__init__.py proj/deleted.py proj/kept.py' "$(packed env)"
expect 'what was printed' '' "$(cat ../said)"
printf '[build]\nbuild_base = %s\n' "$WORK/build" >../extra.cfg
expect 'with a build_base elsewhere' 'proj/__init__.py proj/kept.py' "$(packed env DIST_EXTRA_CONFIG="$WORK/extra.cfg")"
