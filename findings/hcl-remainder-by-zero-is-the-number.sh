#!/usr/bin/env bash
# github.com/hashicorp/hcl/v2 v2.25.0 with github.com/zclconf/go-cty v1.19.0
#
# Guess: a division by zero is an error, as in every language that has integers.
# What happens: three answers. 5 / 0 is infinite, and can be compared; 5 % 0 is 5, an
# ordinary number; 0 / 0 alone is an error. No diagnostic comes with the first two.
# Who is hurt: a spec that spreads apps over a count, such as host % count with a count
# of 0, gets a valid number and goes on as if there were one host more. The program that
# reads such a file must look for zero on the right side by itself.
. "$(dirname "$(readlink -f "$0")")/lib"
said() { printf '%s\n' "$1" >a.hcl; ./probe a.hcl; }
hcl_probe v2.25.0
expect 'go-cty' 'v1.19.0' "$(cd probe.src && go list -m -f '{{.Version}}' github.com/zclconf/go-cty)"
expect '5 % 0' 'a="5"' "$(said 'a = 5 % 0')"
expect '5 / 0 > 1' 'a="true"' "$(said 'a = 5 / 0 > 1')"
expect '5 / 0' 'a="cannot serialize infinity as JSON"' "$(said 'a = 5 / 0')"
expect '0 / 0' 'a="value is not known" error: Operation failed' "$(said 'a = 0 / 0')"
