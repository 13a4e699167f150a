#!/usr/bin/env bash
# systemd 252 (Debian 12: systemd 252.39-1~deb12u2)
#
# Guess: quotes are taken off in units as in a shell. They are in ExecStart and Environment,
# which stand beside these lines: WorkingDirectory="/srv/my site", EnvironmentFile="/etc/x",
# User="web", UMask="027".
# What happens: lines that take one value take it with its quotes. WorkingDirectory
# keeps the unit from being loaded; EnvironmentFile, UMask, MemoryMax, Restart and their
# like are passed over, with a warning in the journal, and the service starts without them;
# a user whose name has quotes is accepted, and there is none when the service starts.
# Who is hurt: whoever quotes a path with a blank in it, and programs that write units: the
# service runs, without its variables and its limit of memory. A blank needs no quotes
# there.
. "$(dirname "$(readlink -f "$0")")/lib"
systemd
mkdir 'my site'
expect 'quotes in Environment' 'it is loaded' "$(said 'Environment="A=1 2"')"
expect 'a blank without quotes' 'it is loaded' "$(said "WorkingDirectory=$WORK/my site")"
expect 'quotes in WorkingDirectory' "WorkingDirectory= path is not absolute: \"$WORK/my site\"
it is not loaded" "$(said "WorkingDirectory=\"$WORK/my site\"")"
expect 'in EnvironmentFile' 'EnvironmentFile= path is not absolute, ignoring: "/etc/hostname"
it is loaded' "$(said 'EnvironmentFile="/etc/hostname"')"
expect 'in MemoryMax' "Invalid memory limit '\"1G\"', ignoring: Invalid argument
it is loaded" "$(said 'MemoryMax="1G"')"
expect 'in UMask' 'Failed to parse mode value, ignoring: "027"
it is loaded' "$(said 'UMask="027"')"
expect 'in User' 'it is loaded' "$(said 'User="daemon"')"
