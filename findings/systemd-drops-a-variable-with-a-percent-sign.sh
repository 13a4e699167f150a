#!/usr/bin/env bash
# systemd 252 (Debian 12: systemd 252.39-1~deb12u2)
#
# Guess: of Environment= a percent sign and a letter that is no specifier reach the program
# as they are, as "50%" and "%(name)s" do, or the unit is refused.
# What happens: the variable is dropped with a warning in the journal, others of the same
# line are kept, and the service starts without it. So is an EnvironmentFile= whose name
# has it. In ExecStart= and WorkingDirectory= it keeps the unit from being loaded.
# Letters that are specifiers stand for something: %Y is the folder of the unit, %m
# the machine's id, %d the folder of its credentials.
# Who is hurt: formats of dates and logs, and passwords: DATE_FORMAT=%Y-%m-%d arrives as
# a path with an id in it, TIME_ZONE_FORMAT=%z and SECRET=a%Xb do not arrive at all, and the
# program's default counts. %% is a percent sign.
. "$(dirname "$(readlink -f "$0")")/lib"
systemd
expect 'not before a letter or digit' 'it is loaded' "$(said 'Environment=A=50% B=%(name)s')"
expect 'specifiers' 'it is loaded' "$(said 'Environment=DATE_FORMAT=%Y-%m-%d')"
expect 'no specifier' 'Failed to resolve specifiers in B=a%Xb, ignoring: Invalid slot
it is loaded' "$(said 'Environment=A=1 B=a%Xb C=2')"
expect 'in EnvironmentFile' "Failed to resolve unit specifiers in '/etc/%z', ignoring: Invalid slot
it is loaded" "$(said 'EnvironmentFile=/etc/%z')"
expect 'in ExecStart' 'Failed to resolve unit specifiers in +%z: Invalid slot
it is not loaded' "$(said 'ExecStartPre=/bin/date +%z')"
