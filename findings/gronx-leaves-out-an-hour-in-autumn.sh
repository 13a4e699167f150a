#!/usr/bin/env bash
# github.com/adhocore/gronx v1.20.4
#
# Guess: an hourly job runs every hour of the night in autumn that has two hours
# called two, or leaves the second of them out.
# What happens: NextTickAfter leaves the first out: after 01:30 summer time "0 * * * *"
# is next due at 02:00 winter time, ninety minutes later, and "*/15 * * * *" pauses
# for more than an hour. And with a year in the expression ("0 0 1 1 * 2030") the next
# tick after that moment is that same moment, again and again.
# Who is hurt: whoever sleeps until NextTickAfter on a machine with local time:
# queues that are emptied every quarter of an hour stand still once a year.
. "$(dirname "$(readlink -f "$0")")/lib"
cat >main.go <<'GO'
package main

import (
	"fmt"
	"time"

	"github.com/adhocore/gronx"
)

func main() {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		panic(err)
	}
	summer := time.Date(2026, 10, 25, 1, 50, 0, 0, berlin)
	for _, line := range []string{"0 * * * *", "*/15 * * * *"} {
		next, err := gronx.NextTickAfter(line, summer, false)
		fmt.Println(line, next.Format("15:04 MST"), next.Sub(summer), err)
	}
	day := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	next, err := gronx.NextTickAfter("0 0 1 1 * 2030", day, false)
	fmt.Println("after itself:", next.Sub(day), err)
}
GO
modules github.com/adhocore/gronx@v1.20.4
expect 'seen' '0 * * * * 02:00 CET 1h10m0s <nil>
*/15 * * * * 02:00 CET 1h10m0s <nil>
after itself: 0s <nil>' "$(./probe)"
