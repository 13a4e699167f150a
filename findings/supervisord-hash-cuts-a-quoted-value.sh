#!/usr/bin/env bash
# supervisor 4.2.5 (Debian 12: supervisor 4.2.5-1) under Python 3.11
#
# Guess: in a value a semicolon behind a space begins a comment, as the manual says, and a
# hash is text; in quotes both are text.
# What happens: under Python 3 " #" cuts a value off as " ;" does, in the middle of quotes
# too: command=sh -c 'echo a #1' is sh -c 'echo a, and PASSWORD="x #y" is "x. The program's
# broken command is found at its start alone, a broken environment ends the reading.
# A value of [DEFAULT] counts in every section.
# Who is hurt: whoever has a hash in a command line or a password: it was text while
# supervisor ran by Python 2.
. "$(dirname "$(readlink -f "$0")")/lib"
debian supervisor=4.2.5-1
cat >ask.py <<'PY'
import sys
import warnings

warnings.simplefilter('ignore')
from supervisor.options import ServerOptions

options = ServerOptions()
options.realize(['-c', 'supervisord.conf'])
program = options.process_group_configs[0].process_configs[0]
print(program.command, program.directory, program.environment)
PY
told() {
  printf '[supervisord]\nlogfile=/dev/null\nlogfile_maxbytes=0\n[program:x]\n%s\n' "$1" >supervisord.conf
  /usr/bin/python3 ask.py 2>&1 || true
}
expect 'a hash without a space' "echo a#1 None {}" "$(told 'command=echo a#1')"
expect 'a hash in quotes' "sh -c 'echo a None {}" "$(told "command=sh -c 'echo a #1'")"
expect 'a semicolon in quotes' "sh -c 'echo a None {}" "$(told "command=sh -c 'echo a ; echo b'")"
expect 'a hash in an environment' "Error: No closing quotation in section 'program:x'" "$(told 'command=x
environment=PASSWORD="x #y"' | head -1 | cut -d'(' -f1 | sed 's/ $//')"
expect '[DEFAULT]' 'x /srv {}' "$(told 'command=x
[DEFAULT]
directory=/srv')"
