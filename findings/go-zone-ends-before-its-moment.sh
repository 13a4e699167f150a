#!/usr/bin/env bash
# Go 1.26 (go1.26.8), package time
#
# Guess: ZoneBounds returns the stretch around a moment in which the zone's offset does
# not change, so its end lies after the moment, and whoever goes on from there gets
# forward: that is what its documentation says.
# What happens: where the moment lies past the table of the zone's file, Go goes by the
# rule behind the table, and takes a year to have 365 days. On the last day of a leap
# year the end that it returns is over already: for noon of 31 December 2040 it is
# 00:00 UTC of that day. With files of the slim kind, which is what zic writes by
# default and what Go brings along (time/tzdata), the table of Berlin ends in 1996,
# and the same day of 2028 shows it.
# Who is hurt: whoever steps from one change of the clocks to the next, as calendars
# and schedulers do: "for { _, t = t.ZoneBounds() }" stands still on that day.
. "$(dirname "$(readlink -f "$0")")/lib"
cat >main.go <<'GO'
package main

import (
	"fmt"
	"time"
	_ "time/tzdata"
)

func main() {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		panic(err)
	}
	for _, year := range []int{2039, 2040, 2041} {
		t := time.Date(year, time.December, 31, 12, 0, 0, 0, berlin)
		_, end := t.ZoneBounds()
		fmt.Println(t.Format("2006-01-02"), "ends", end.UTC().Format("2006-01-02 15:04"), end.After(t))
	}
}
GO
(go mod init probe && CGO_ENABLED=0 go build -o probe .) >build.log 2>&1 || { cat build.log >&2; exit 1; }
expect 'seen' '2039-12-31 ends 2040-01-01 00:00 true
2040-12-31 ends 2040-12-31 00:00 false
2041-12-31 ends 2042-01-01 00:00 true' "$(./probe)"
