#!/usr/bin/env bash
# pip 23.0.1 (Debian 12: python3-pip 23.0.1+dfsg-1)
#
# Guess: relative paths in a requirements file are all taken from one place.
# What happens: --find-links ./wheels is taken from the folder of the file that
# names it; the requirement ./beta-1.0-py3-none-any.whl in its next line from the
# working directory. The one file is right from no folder but its own.
# Who is hurt: deploy tools that run pip in the root of a checkout with
# -r requirements/production.txt: one kind of line is found, the other is not, or
# finds another file of the same name.
. "$(dirname "$(readlink -f "$0")")/lib"
debian python3-pip=23.0.1+dfsg-1
export PIP_CONFIG_FILE=/dev/null PIP_DISABLE_PIP_VERSION_CHECK=1
mkdir -p req/wheels wheels
cat >wheels.py <<'PY'
import zipfile

def wheel(folder, name, version):
    info = "%s-%s.dist-info/" % (name, version)
    with zipfile.ZipFile("%s/%s-%s-py3-none-any.whl" % (folder, name, version), "w") as z:
        z.writestr(name + ".py", "")
        z.writestr(info + "METADATA", "Metadata-Version: 2.1\nName: %s\nVersion: %s\n" % (name, version))
        z.writestr(info + "WHEEL", "Wheel-Version: 1.0\nGenerator: probe\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        z.writestr(info + "RECORD", "")

wheel("req/wheels", "alpha", "1.0")
wheel("wheels", "alpha", "2.0")
wheel("req", "beta", "1.0")
wheel(".", "beta", "1.0")
PY
/usr/bin/python3 wheels.py
rm req/beta-1.0-py3-none-any.whl
printf -- '--no-index\n--find-links ./wheels\nalpha\n./beta-1.0-py3-none-any.whl\n' >req/requirements.txt
/usr/bin/python3 -m pip install -q --root-user-action=ignore --target out -r req/requirements.txt
expect 'alpha 1.0 lies beside the file, 2.0 in the working directory' 'alpha-1.0.dist-info' "$(ls out | grep "alpha.*info")"
expect 'beta 1.0 lies in the working directory alone' 'beta-1.0.dist-info' "$(ls out | grep "beta.*info")"
expect 'version' '23.0.1' "$(/usr/bin/python3 -c 'import pip; print(pip.__version__)')"
