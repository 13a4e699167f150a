#!/usr/bin/env bash
# github.com/hashicorp/hcl/v2 v2.25.0
#
# Guess: HCL takes a string for a number where one is wanted, "2" + 2 is 4 and "2" > 1 is
# true; so "2" == 2 is true as well, or an error.
# What happens: == looks at the kinds first. "2" == 2 is false and "2" != 2 is true, "true"
# == true is false, and so are lists in which one item is a string here and a number
# there. No diagnostic says so.
# Who is hurt: conditions on what is text by nature: a variable of the environment, the
# parts of a split. env("WORKERS") > 2 does what it says, env("WORKERS") == 2 never
# holds, and the other branch counts, for good.
. "$(dirname "$(readlink -f "$0")")/lib"
hcl_probe v2.25.0
cat >a.hcl <<'HCL'
a = "2" + 2
b = "2" > 1
c = "2" == 2
d = "2" != 2
e = "true" == true
f = [1, "2"] == [1, 2]
HCL
expect 'sums, orders and comparisons' 'a="4"; b="true"; c="false"; d="true"; e="false"; f="false"' "$(./probe a.hcl)"
