#!/usr/bin/env bash
# github.com/hashicorp/hcl/v2 v2.25.0
#
# Guess: an argument that stands twice is an error in both syntaxes of HCL, so a
# key that stands twice in an object value is one too.
# What happens: in native syntax the last one wins without a word. In JSON syntax
# the same object is an error, and the value that comes with it is the first one.
# Who is hurt: whoever writes env = { … } of thirty lines and has a name in it
# twice; and who turns such a file into JSON and finds that it is refused.
. "$(dirname "$(readlink -f "$0")")/lib"
hcl_probe v2.25.0
printf 'env = {\n  A = "first"\n  A = "second"\n}\n' >a.hcl
printf '{"env": {"A": "first", "A": "second"}}\n' >a.json
printf 'a = "first"\na = "second"\n' >b.hcl
expect 'argument twice, native' 'error: Attribute redefined' "$(./probe b.hcl)"
expect 'key twice in an object, native' 'env="{\"A\":\"second\"}"' "$(./probe a.hcl)"
expect 'key twice in an object, JSON' 'env="{\"A\":\"first\"}" error: Duplicate object attribute' "$(./probe a.json)"
