#!/usr/bin/env bash
# pip 23.0.1 (Debian 12: python3-pip 23.0.1+dfsg-1)
#
# Guess: a pre-release is taken where there is nothing else, as pip does for the bare
# name; a condition that this version meets changes nothing.
# What happens: "beta" installs 2.0rc1, the only version there is. "beta>=1", "beta!=1"
# and "beta>0" find nothing, and so does a package that needs "beta>=1". Even one
# that needs "beta>=1" and "beta>=2.0rc1" at once is refused: each condition has to
# name a pre-release itself.
# Who is hurt: whoever tries a deploy with a release candidate of a library: the
# application's own requirement works, and as soon as any dependency asks for it
# "in a version from 1 on", pip says that there is no such version, listing it.
. "$(dirname "$(readlink -f "$0")")/lib"
wheels
mkdir served
/usr/bin/python3 -c '
from wheels import wheel
wheel("served", "beta", "2.0rc1")
wheel("served", "needs_one", "1.0", ["beta>=1"])
wheel("served", "needs_both", "1.0", ["beta>=1", "beta>=2.0rc1"])
wheel("served", "needs_any", "1.0", ["beta"])'
try() {
  rm -rf out
  if /usr/bin/python3 -m pip install -q --root-user-action=ignore --no-index -f served --target out "$1" >said 2>&1; then echo installed; else sed -n 's/^ERROR: //p' said | head -1; fi
}
none='Could not find a version that satisfies the requirement'
expect 'version' '23.0.1' "$(/usr/bin/python3 -c 'import pip; print(pip.__version__)')"
expect 'beta' installed "$(try beta)"
expect 'needs-any' installed "$(try needs-any)"
expect 'beta>0' "$none beta>0 (from versions: 2.0rc1)" "$(try 'beta>0')"
expect 'needs-one' "$none beta>=1 (from needs-one) (from versions: 2.0rc1)" "$(try needs-one)"
expect 'needs-both' "$none beta>=1 (from needs-both) (from versions: 2.0rc1)" "$(try needs-both)"
