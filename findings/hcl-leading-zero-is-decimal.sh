#!/usr/bin/env bash
# github.com/hashicorp/hcl/v2 v2.25.0
#
# Guess: mode = 0660 is octal, as in Python 2, C, Go, YAML 1.1 and every shell, or it is
# an error, as in Python 3.
# What happens: in native syntax it is the decimal number 660, which is 01224 as a file
# mode, and no diagnostic says so. 08 is 8. In JSON syntax the same text is an error,
# "Invalid JSON number".
# Who is hurt: whoever writes file modes or a umask as numbers: a socket gets bits that
# nobody meant. A program that reads modes from HCL takes them as text, or refuses
# numbers.
. "$(dirname "$(readlink -f "$0")")/lib"
hcl_probe v2.25.0
printf 'mode = 0660\numask = 027\nport = 08\n' >a.hcl
printf '{"mode": 0660}\n' >a.json
expect 'leading zeros, native' 'mode="660"; port="8"; umask="27"' "$(./probe a.hcl)"
expect 'leading zero, JSON' 'error: Invalid JSON number' "$(./probe a.json)"
