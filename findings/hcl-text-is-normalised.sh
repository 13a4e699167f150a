#!/usr/bin/env bash
# github.com/hashicorp/hcl/v2 v2.25.0 (with the go-cty that it asks for)
#
# Guess: a quoted string holds the characters that stand between the quotes.
# What happens: every string is brought into Unicode's form NFC when it becomes a
# value, in both syntaxes and with \u escapes. "e" and a combining accent become
# one character: the value has fewer bytes than the file, and nothing says so.
# Who is hurt: a password that somebody typed on a system that composes accents
# another way no longer matches; a folder whose name has the decomposed form (they
# come from archives made on other systems) cannot be named at all.
. "$(dirname "$(readlink -f "$0")")/lib"
hcl_probe v2.25.0
printf 'a = "caf\x65\xcc\x81"\n' >a.hcl       # e, U+0301
printf '{"a": "cafe\\u0301"}\n' >a.json
printf 'a = "cafe\\u0301"\n' >b.hcl
expect 'native' 'a="\"caf\u00e9\""' "$(./probe a.hcl)"
expect 'JSON' 'a="\"caf\u00e9\""' "$(./probe a.json)"
expect 'native, written as an escape' 'a="\"caf\u00e9\""' "$(./probe b.hcl)"
