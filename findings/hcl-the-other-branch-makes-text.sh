#!/usr/bin/env bash
# github.com/hashicorp/hcl/v2 v2.25.0
#
# Guess: of true ? 4 : "auto" the value is the number 4, as both sides stand there; a side
# that is not taken changes nothing but whether the types are allowed.
# What happens: both sides are made of one type first, and that is text where one of them
# is text: "4". So are truth values ("true"), each item of a list whose other list holds
# text, and values of objects, under other names too: true ? {a = 1} : {b = "x"} is
# {a = "1"}.
# Who is hurt: a program that takes a number or a truth value there refuses what plainly is
# one, and says "not a string" of a line without quotes; one that hands the value on, as
# settings in JSON, hands on "false", which is true in most languages.
. "$(dirname "$(readlink -f "$0")")/lib"
said() { printf '%s\n' "$1" >a.hcl; ./probe a.hcl; }
hcl_probe v2.25.0
expect 'a number' 'a="\"4\""' "$(said 'a = true ? 4 : "auto"')"
expect 'a truth value' 'a="\"false\""' "$(said 'a = true ? false : "no"')"
expect 'lists' 'a="[\"1\",\"2\"]"' "$(said 'a = true ? [1, 2] : ["x"]')"
expect 'objects with other names' 'a="{\"a\":\"1\"}"' "$(said 'a = true ? {a = 1} : {b = "x"}')"
expect 'a number and null' 'a="4"' "$(said 'a = true ? 4 : null')"
