#!/usr/bin/env bash
# github.com/hashicorp/hcl/v2 v2.25.0 (as since v2.24.0), beside v2.23.0
#
# Guess: where "or" and "and" stop early, they stop from left to right as everywhere: in
# left || true the left side is evaluated first, and its error is an error.
# What happens: both sides are evaluated, and where one of them decides, the errors of
# the other are dropped, on whichever side it stands. nosuch || true is true and
# nosuch && false is false without a diagnostic; so are a missing attribute, a function
# that does not exist, one that fails, and null. Up to v2.23.0 each was an error.
# Who is hurt: whoever relies on the parser to find a misspelt name or an environment
# variable that is not set: with the new version such a file is silently valid, and says
# something else the day the other side changes.
. "$(dirname "$(readlink -f "$0")")/lib"
said() { printf '%s\n' "$1" >a.hcl; ./probe a.hcl; }
hcl_probe v2.25.0
expect 'nosuch || true' 'a="true"' "$(said 'a = nosuch || true')"
expect 'nosuch && false' 'a="false"' "$(said 'a = nosuch && false')"
expect 'nosuch(1) || true' 'a="true"' "$(said 'a = nosuch(1) || true')"
expect '{b = 1}.c == 1 || true' 'a="true"' "$(said 'a = {b = 1}.c == 1 || true')"
expect 'null || true' 'a="true"' "$(said 'a = null || true')"
expect 'nosuch || false' 'a="value is not known" error: Variables not allowed' "$(said 'a = nosuch || false')"
rm -r probe.src probe
hcl_probe v2.23.0
expect 'before: nosuch || true' 'a="value is not known" error: Variables not allowed' "$(said 'a = nosuch || true')"
expect 'before: null || true' 'a="value is not known" error: Operation failed' "$(said 'a = null || true')"
