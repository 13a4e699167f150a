#!/usr/bin/env bash
# github.com/hashicorp/hcl/v2 v2.25.0
#
# Guess: the property "//" is the comment of HCL's JSON syntax, wherever it stands.
# What happens: it is a comment where arguments and blocks stand. Inside the value
# of an argument it is a key like any other and comes with the data.
# Who is hurt: whoever comments a map of environment variables or of settings in a
# .hcl.json file: the program gets a variable named "//".
. "$(dirname "$(readlink -f "$0")")/lib"
hcl_probe v2.25.0
printf '{"//": "of the file", "env": {"//": "of the map", "A": "1"}}\n' >a.json
expect 'comments' 'env="{\"//\":\"of the map\",\"A\":\"1\"}"' "$(./probe a.json)"
