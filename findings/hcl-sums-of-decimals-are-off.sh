#!/usr/bin/env bash
# github.com/hashicorp/hcl/v2 v2.25.0 (with the go-cty that it asks for)
#
# Guess: numbers are decimals of any precision, so that sums and products of decimals are
# what one reckons; 0.1 + 0.2 == 0.3 holds, where it does not in most languages.
# What happens: that one holds, as most do. But numbers are binary, of 512 bits: of all sums
# of two decimals with two digits a fifth are not equal to their result, 0.99 + 0.98 is
# less than 1.97, 0.507 * 1000 no whole number. A list is indexed by 0.5 * 2 and not by
# 1 / 998 * 998, and as text the difference is seen by its length alone.
# Who is hurt: a condition that compares what was reckoned; a number of workers that is
# reckoned from shares, which is refused as no whole number for some values and not for
# others, though the same expression was tried before.
. "$(dirname "$(readlink -f "$0")")/lib"
hcl_probe v2.25.0
cat >holds.hcl <<'HCL'
a = 0.1 + 0.2 == 0.3
b = 0.7 * 10 == 7
c = [1, 2][0.5 * 2]
HCL
cat >off.hcl <<'HCL'
a = 0.99 + 0.98 == 1.97
b = 0.507 * 1000 == 507
c = [1, 2][1 / 998 * 998]
HCL
expect 'these hold' 'a="true"; b="true"; c="2"' "$(./probe holds.hcl)"
expect 'these do not' 'a="false"; b="false"; c="null" error: Invalid index' "$(./probe off.hcl | sed 's/c="[^"]*"/c="null"/')"
awk 'BEGIN { for (a = 10; a < 100; a++) for (b = 10; b < 100; b++)
  printf "x%d_%d = 0.%d + 0.%d == %d.%02d\n", a, b, a, b, (a + b) / 100, (a + b) % 100 }' >sums.hcl
expect 'sums of 0.10 … 0.99 that do not, of 8100' 1732 "$(./probe sums.hcl | grep -o '"false"' | wc -l)"
