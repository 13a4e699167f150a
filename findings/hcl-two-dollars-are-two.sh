#!/usr/bin/env bash
# github.com/hashicorp/hcl/v2 v2.25.0
#
# Guess: as $${ is the text ${, two dollars are one, as in make, in files of Compose and in
# lines of systemd: "$$5" is $5, and "$$${a}" is a dollar and the value of a.
# What happens: two dollars are two everywhere but right before a brace, where they are one,
# whatever stands before them: "$$5" is $$5, and "$$${a}" is the text $${a}, in which nothing is
# filled in. With a text in the place of a the quote in it ends the whole string, and the error
# is of a missing new line. A dollar before a value has to be a value itself: "${"$"}${a}".
# Percent signs are the same: "%%d" is %%d.
# Who is hurt: who brings values with doubled dollars from a file of Compose, such as the hash of
# a password: it is another one, without a word; and who writes a price or a shell's variable.
. "$(dirname "$(readlink -f "$0")")/lib"
hcl_probe v2.25.0
read_as() { printf 'a = %s\n' "$1" >x.hcl; ./probe x.hcl; }
expect 'version' 'v2.25.0' "$(cd probe.src && go list -m -f '{{.Version}}' github.com/hashicorp/hcl/v2)"
expect 'before a brace' 'a="\"${b}\""' "$(read_as '"$${b}"')"
expect 'two dollars' 'a="\"$$5\""' "$(read_as '"$$5"')"
expect 'a hash' 'a="\"$$2y$$10$$abc\""' "$(read_as '"$$2y$$10$$abc"')"
expect 'three and a brace' 'a="\"$${b}\""' "$(read_as '"$$${b}"')"
expect 'three and a brace, with a text' 'error: Missing newline after argument' "$(read_as '"$$${"b"}"')"
expect 'four and a brace' 'a="\"$$${b}\""' "$(read_as '"$$$${b}"')"
expect 'a dollar as a value' 'a="\"$b\""' "$(read_as '"${"$"}${"b"}"')"
expect 'percent signs' 'a="\"%%d\""' "$(read_as '"%%d"')"
