#!/usr/bin/env bash
# Prometheus 2.42.0 (Debian 12: prometheus 2.42.0+ds-5+deb12u1)
#
# Guess: increase(failures_total[1h]) > 0 fires when the counter is higher than it was before, also
# where the machine was away in between: the counter is kept on its disk, and
# Prometheus has both values.
# What happens: it looks at the samples of the last hour alone. After two hours without any all of them have
# the new value, and what was counted while nobody asked is no increase, now or ever. Nor is
# the 1 with which a series begins. A gap that is shorter than the range is seen.
# Who is hurt: who counts what goes wrong because a machine is away (times that were missed, starts after
# a crash) and has an alert with increase() or rate() of it: it is silent in just that case.
# "x > last_over_time(x[1w] offset 1h)" sees it for an hour.
. "$(dirname "$(readlink -f "$0")")/lib"
debian prometheus=2.42.0+ds-5+deb12u1
cat >rules.yml <<'YAML'
groups:
  - name: g
    rules:
      - alert: Increase
        expr: increase(missed_total[1h]) > 0
      - alert: Last
        expr: missed_total > last_over_time(missed_total[1w] offset 1h)
YAML
# fires SAMPLES ALERT: "yes" where it does at any time of five hours.
fires() {
  cat >test.yml <<YAML
rule_files: [rules.yml]
evaluation_interval: 5m
tests:
  - interval: 5m
    input_series: [{series: missed_total, values: "$1"}]
    alert_rule_test:
$(for at in $(seq 0 5 300); do printf '      - {eval_time: %sm, alertname: %s}\n' "$at" "$2"; done)
YAML
  root/usr/bin/promtool test rules test.yml >said 2>&1 && echo no || { grep -q "alertname: $2" said && echo yes; }
}
long='5x11 _x24 6x24' short='5x11 _x6 6x24' begins='_x11 1x24'
expect 'version' 'promtool, version 2.42.0+ds (branch: debian/sid, revision: 2.42.0+ds-5+deb12u1)' "$(root/usr/bin/promtool --version 2>&1 | head -1)"
for way in Increase Last; do
  expect "$way, six over a gap of 30 minutes" 'yes' "$(fires "$short" "$way")"
done
expect 'Increase, six over a gap of two hours' 'no' "$(fires "$long" Increase)"
expect 'Last, six over a gap of two hours' 'yes' "$(fires "$long" Last)"
expect 'Increase, a series that begins with 1' 'no' "$(fires "$begins" Increase)"
