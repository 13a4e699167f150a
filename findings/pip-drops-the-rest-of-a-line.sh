#!/usr/bin/env bash
# pip 23.0.1 (Debian 12: python3-pip 23.0.1+dfsg-1)
#
# Guess: a line of a requirements file is read whole, or refused: "-r base.txt -r dev.txt"
# takes two files in, as on pip's command line; "-c versions.txt alpha" is a constraint and a
# requirement, as there too.
# What happens: of a line that begins with an option the first -r counts, without one the
# first -c; what else stands there and is no option is dropped without a word, and so is a
# second file. Behind a requirement -r is dropped as well. pip says that it succeeded.
# Who is hurt: whoever joins lines, or copies a command line into the file: packages are
# missing, and nothing says so before the first import of one fails.
. "$(dirname "$(readlink -f "$0")")/lib"
debian python3-pip=23.0.1+dfsg-1
export PIP_CONFIG_FILE=/dev/null PIP_DISABLE_PIP_VERSION_CHECK=1
cat >wheels.py <<'PY'
import zipfile

for name in "alpha", "beta", "gamma":
    info = name + "-1.0.dist-info/"
    with zipfile.ZipFile(name + "-1.0-py3-none-any.whl", "w") as z:
        z.writestr(name + ".py", "")
        z.writestr(info + "METADATA", "Metadata-Version: 2.1\nName: %s\nVersion: 1.0\n" % name)
        z.writestr(info + "WHEEL", "Wheel-Version: 1.0\nGenerator: probe\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        z.writestr(info + "RECORD", "")
PY
/usr/bin/python3 wheels.py
echo alpha >a.txt
echo beta >b.txt
echo 'beta==1.0' >c.txt
# What pip installs of a file with the lines, and how it ends.
installed() {
  printf '%s\n' "$1" >requirements.txt
  local rc=0
  rm -rf out
  /usr/bin/python3 -m pip install -q --root-user-action=ignore --no-index --find-links . --target out -r requirements.txt 2>&1 || rc=$?
  echo "$rc: $(cd out 2>/dev/null && echo *.py)"
}
expect 'version' '23.0.1' "$(/usr/bin/python3 -c 'import pip; print(pip.__version__)')"
expect 'two lines' '0: alpha.py beta.py' "$(installed $'-r a.txt\n-r b.txt')"
expect 'one line' '0: alpha.py' "$(installed '-r a.txt -r b.txt')"
expect 'a constraint and a requirement' '0: gamma.py' "$(installed $'gamma\n-c c.txt beta')"
expect 'a requirement and a file' '0: gamma.py' "$(installed 'gamma -r b.txt')"
