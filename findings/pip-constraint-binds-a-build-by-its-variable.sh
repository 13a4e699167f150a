#!/usr/bin/env bash
# pip 23.0.1 (Debian 12: python3-pip 23.0.1+dfsg-1, python3-setuptools-whl 66.1.1-1+deb12u2, python3-wheel-whl
# 0.38.4-2)
#
# Guess: each option of pip is a variable too, so that -c versions.txt, PIP_CONSTRAINT=versions.txt and
# a line "-c versions.txt" of the requirements do one and the same.
# What happens: all three bind what is installed. Only the variable binds as well what pip brings
# to build a source archive: its setuptools, for one. It comes about as the build is a pip of
# its own, which inherits the environment and nothing else.
# Who is hurt: who writes setuptools<60 into a constraint for an old project: it is built by
# the newest all the same, and fails. And who keeps an environment for as long as the
# requirements are the same: a file that only a variable names is none of them.
. "$(dirname "$(readlink -f "$0")")/lib"
debian python3-pip=23.0.1+dfsg-1 python3-setuptools-whl=66.1.1-1+deb12u2 python3-wheel-whl=0.38.4-2
export PIP_CONFIG_FILE=/dev/null PIP_DISABLE_PIP_VERSION_CHECK=1
mkdir project
printf '[project]\nname = "project"\nversion = "1"\n[build-system]\nrequires = ["setuptools", "wheel"]\nbuild-backend = "setuptools.build_meta"\n' >project/pyproject.toml
touch project/project.py
echo 'setuptools<60' >versions.txt
printf -- '-c versions.txt\n./project\n' >requirements.txt
# What becomes of an install where setuptools 66 is the only one there is.
installed() {
  rm -rf to
  env "${@:1:1}" /usr/bin/python3 -m pip install -q --root-user-action=ignore --no-index --find-links root/usr/share/python-wheels --target to "${@:2}" >said 2>&1 &&
    echo installed || grep -o 'Cannot install setuptools' said
}
expect 'pip' '23.0.1' "$(/usr/bin/python3 -c 'import pip; print(pip.__version__)')"
expect 'without a constraint' 'installed' "$(installed A=1 ./project)"
expect 'with -c' 'installed' "$(installed A=1 -c versions.txt ./project)"
expect 'with -c in the requirements' 'installed' "$(installed A=1 -r requirements.txt)"
expect 'with PIP_CONSTRAINT' 'Cannot install setuptools' "$(installed PIP_CONSTRAINT=versions.txt ./project)"
