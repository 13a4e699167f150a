#!/usr/bin/env bash
# supervisor 4.2.5 (Debian 12: supervisor 4.2.5-1)
#
# Guess: numprocs raised from 2 to 3 and "supervisorctl update": a third process is
# started, and the two others run on.
# What happens: any change of a section makes its group another one: all of its processes
# are stopped, at the same time, and then all are started. So does a change that concerns
# no running process: priority, stopwaitsecs, or that the program is named in a [group].
# Who is hurt: whoever adds a worker under load: for as long as a start takes nobody
# answers, and a worker that is slow to stop has all others wait for it.
. "$(dirname "$(readlink -f "$0")")/lib"
debian supervisor=4.2.5-1
cat >supervisord.conf <<CONF
[unix_http_server]
file=$WORK/socket
[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
[supervisorctl]
serverurl=unix://$WORK/socket
[supervisord]
logfile=$WORK/log
pidfile=$WORK/pid
[include]
files=program.ini
CONF
program() { printf '[program:p]\ncommand=sleep 1000\nprocess_name=p%%(process_num)s\nstartsecs=0\n%s\n' "$*" >program.ini; }
ctl() { /usr/bin/python3 root/usr/bin/supervisorctl -c supervisord.conf "$@" || true; }
pids() { ctl pid p:p0; ctl pid p:p1; }
# How many of the first two processes are the ones of before an update.
kept() {
  local before after
  before=$(pids)
  ctl update >/dev/null
  after=$(pids)
  comm -12 <(sort <<<"$before") <(sort <<<"$after") | wc -l
}
program 'numprocs=2'
/usr/bin/python3 root/usr/bin/supervisord -c supervisord.conf 2>/dev/null
trap 'kill "$(cat "$WORK/pid")"; rm -rf "$WORK"' EXIT
for _ in $(seq 100); do [ "$(ctl status | grep -c RUNNING)" = 2 ] && break; sleep 0.1; done
expect 'nothing changed' 2 "$(kept)"
program 'numprocs=3'
expect 'numprocs from 2 to 3' 0 "$(kept)"
program 'numprocs=3
priority=5'
expect 'another priority' 0 "$(kept)"
program 'numprocs=3
priority=5
stopwaitsecs=20'
expect 'another stopwaitsecs' 0 "$(kept)"
