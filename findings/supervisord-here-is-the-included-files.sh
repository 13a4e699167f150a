#!/usr/bin/env bash
# supervisord 4.2.5 (Debian 12: supervisor 4.2.5-1)
#
# Guess: %(here)s is the folder of the supervisord.conf that was started, as its manual
# says: "the directory in which the supervisord config file was found", also in the files
# that its [include] names.
# What happens: in an included file %(here)s is that file's own folder, and any other form
# of it, such as %(here)10s, is the folder of the main file.
# Who is hurt: who moves programs from the main file into conf.d: command and directory of
# each point one folder lower, and with a like-named folder there the wrong one is run.
# And readers of the files that know the manual alone.
. "$(dirname "$(readlink -f "$0")")/lib"
debian supervisor=4.2.5-1
mkdir conf.d
printf '[supervisord]\nlogfile=/dev/null\nlogfile_maxbytes=0\n[program:main]\ncommand=%%(here)s/run\n[include]\nfiles=conf.d/*.conf\n' >supervisord.conf
printf '[program:included]\ncommand=%%(here)s/run %%(here)10s\ndirectory=%%(here)s\n' >conf.d/included.conf
expect 'version' '4.2.5' "$(/usr/bin/python3 -c 'import supervisor.options; print(supervisor.options.VERSION)')"
seen=$(/usr/bin/python3 -c '
from supervisor.options import ServerOptions
o = ServerOptions()
o.realize(["-c", "supervisord.conf"])
for g in o.process_group_configs:
    for p in g.process_configs:
        print(p.name, p.command, p.directory)' | sed "s|$WORK|…|g" | sort)
expect 'commands and folders' $'included …/conf.d/run … …/conf.d\nmain …/run None' "$seen"
