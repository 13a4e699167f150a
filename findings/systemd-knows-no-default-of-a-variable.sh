#!/usr/bin/env bash
# systemd 252 (Debian 12: systemd and libsystemd-shared 252.39-1~deb12u2)
#
# Guess: in ExecStart= ${PORT} is the variable, as in a shell, so ${PORT:-8000} is 8000 where it is
# not set; or it is no name, and the unit is not loaded. $PORT:80 is the port and :80.
# What happens: the unit is loaded without a warning. ${PORT:-8000} is given to the program as it
# stands here, whether PORT is set or not; a variable within it is filled in. A word that
# begins with $ is a name to its end: $PORT:80 is the variable "PORT:80", which nobody has, and so
# the word is gone. In a$PORT nothing is filled in.
# Who is hurt: who takes a line of a shell script or of a Procfile into a unit: gunicorn is told to
# listen at "${PORT:-8000}", or is told no address at all and listens at its own default.
. "$(dirname "$(readlink -f "$0")")/lib"
systemd
cat >words.py <<'PY'
"""words.py WORD: the words that systemd makes of one, with PORT=80 in the environment."""
import ctypes
import glob
import sys

# Where its manager has them made, too.
library = ctypes.CDLL(glob.glob('root/usr/lib/*/systemd/libsystemd-shared-252.so')[0])
fill = library.replace_env_argv
fill.restype = ctypes.POINTER(ctypes.c_char_p)


def strings(*all):
    return (ctypes.c_char_p * (len(all) + 1))(*[one.encode() for one in all], None)


words = []
for word in fill(strings(sys.argv[1]), strings('PORT=80')):
    if word is None:
        break
    words.append(word.decode())
print(words)
PY
words() { /usr/bin/python3 words.py "$1"; }
expect 'the unit' 'it is loaded' "$(said 'ExecStartPre=/bin/echo ${PORT:-8000} $PORT:80')"
expect '${PORT}' "['80']" "$(words '${PORT}')"
expect '${PORT:-8000}' "['\${PORT:-8000}']" "$(words '${PORT:-8000}')"
expect '${NONE:-${PORT}}' "['\${NONE:-80}']" "$(words '${NONE:-${PORT}}')"
expect '$PORT:80' '[]' "$(words '$PORT:80')"
expect 'a$PORT' "['a\$PORT']" "$(words 'a$PORT')"
