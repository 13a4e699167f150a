#!/usr/bin/env bash
# github.com/hashicorp/hcl/v2 v2.25.0 (with the go-cty that it asks for)
#
# Guess: <<- takes the indentation that all lines have in common off all lines, as HCL's
# specification says; ~} at the end of a line takes off the end of that line.
# What happens: the line behind ~} keeps its whole indentation, and does not count for what is
# in common either. "for" and "if" in a heredoc are written so, to leave no empty lines: their
# lines stand further right than those before and behind them.
# Who is hurt: whoever writes YAML or an INI file, as for logging, into a variable this way: lists
# hang below the wrong key, or it cannot be read. Without the marks it is as specified.
. "$(dirname "$(readlink -f "$0")")/lib"
hcl_probe v2.25.0
cat >marks.hcl <<'HCL'
text = <<-EOT
    hosts:
    %{ for h in ["a", "b"] ~}
    - ${h}
    %{ endfor ~}
    port: 80
    EOT
HCL
sed 's/ ~}/ }/' marks.hcl >plain.hcl
expect 'with marks' 'text="\"hosts:\n    - a\n    - b\n    port: 80\n\""' "$(./probe marks.hcl | sed 's/\\\\n/\\n/g')"
expect 'without' 'text="\"hosts:\n\n- a\n\n- b\n\nport: 80\n\""' "$(./probe plain.hcl | sed 's/\\\\n/\\n/g')"
