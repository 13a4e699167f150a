#!/usr/bin/env bash
# pip 23.0.1 (Debian 12: python3-pip 23.0.1+dfsg-1)
#
# Guess: "alpha==1.0" in a requirements file is one distribution; where 1.0 and a
# patched 1.0+site.1 lie side by side, the first is installed.
# What happens: 1.0+site.1 is. It counts as equal to 1.0 and as newer. With the hash of
# the true 1.0 beside the requirement pip does not fall back to it: it takes the
# local one and fails, because the hash is another. Only "===1.0" means 1.0.
# Who is hurt: whoever keeps own builds (+cu118, +ubuntu1) in the folder or index that
# serves pinned versions too: the day the file appears, a deploy with unchanged
# requirements installs other code, or with hashes stops to work at all.
. "$(dirname "$(readlink -f "$0")")/lib"
wheels
mkdir served
/usr/bin/python3 -c '
from wheels import wheel
wheel("served", "alpha", "1.0")
wheel("served", "alpha", "1.0+site.1")'
install() { rm -rf out; /usr/bin/python3 -m pip install -q --root-user-action=ignore --no-index -f served --target out "$@" 2>&1; }
install alpha==1.0
two=$(ls out | grep info)
install alpha===1.0
three=$(ls out | grep info)
echo "alpha==1.0 --hash=sha256:$(sha256sum served/alpha-1.0-py3* | cut -d' ' -f1)" >pinned.txt
hash=$(install -r pinned.txt | grep -o 'THESE PACKAGES DO NOT MATCH THE HASHES' || true)
expect 'version' '23.0.1' "$(/usr/bin/python3 -c 'import pip; print(pip.__version__)')"
expect '==1.0' 'alpha-1.0+site.1.dist-info' "$two"
expect '===1.0' 'alpha-1.0.dist-info' "$three"
expect '==1.0 with the hash of 1.0' 'THESE PACKAGES DO NOT MATCH THE HASHES' "$hash"
