#!/usr/bin/env bash
# supervisor 4.2.5 (Debian 12: supervisor 4.2.5-1) under Python 3.11
#
# Guess: %(ENV_PORT)s is a variable that supervisord was started with, as its manual says;
# one that environment= sets for the programs is for them, and unknown here.
# What happens: what environment= of [supervisord] sets is known in every program, and what
# a program's own sets in its command, directory and log files, over one of the same name
# from outside; in numprocs or user, which are read earlier, it is unknown, and supervisord
# does not start.
# Who is hurt: who starts supervisord with another PORT, to have the programs elsewhere:
# the file's own wins, in silence, also in the command line. And tools that read such files
# by the manual refuse good ones.
. "$(dirname "$(readlink -f "$0")")/lib"
debian supervisor=4.2.5-1
cat >ask.py <<'PY'
import warnings

warnings.simplefilter('ignore')
from supervisor.options import ServerOptions

options = ServerOptions()
options.realize(['-c', 'supervisord.conf'])
program = options.process_group_configs[0].process_configs[0]
print(program.command, program.directory)
PY
told() {
  printf '[supervisord]\nlogfile=/dev/null\nlogfile_maxbytes=0\n%s\n[program:x]\n%s\n' "$1" "$2" >supervisord.conf
  { PORT=outside /usr/bin/python3 ask.py 2>&1 || true; } | head -1 | cut -d"'" -f1 | sed 's/ $//'
}
expect 'of supervisord' 'serve outside None' "$(told '' 'command=serve %(ENV_PORT)s')"
expect 'of [supervisord]' 'serve global None' "$(told 'environment=PORT="global"' 'command=serve %(ENV_PORT)s')"
expect "of the program" 'serve own /own' "$(told 'environment=PORT="global"' 'environment=PORT="own"
command=serve %(ENV_PORT)s
directory=/%(ENV_PORT)s')"
expect 'of the program, in numprocs' 'Error: Format string' "$(told '' 'environment=N="2"
numprocs=%(ENV_N)s
command=serve')"
