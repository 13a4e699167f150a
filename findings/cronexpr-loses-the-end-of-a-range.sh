#!/usr/bin/env bash
# github.com/hashicorp/cronexpr v1.1.3
#
# Guess: it knows 7 as Sunday (it does, alone), so 5-7 is Friday to Sunday; and a range
# that runs backwards, "22-2", is either a night or an error.
# What happens: 5-7 is Friday and Saturday; Sunday is lost. "0 22-2 * * *" and
# "fri-mon" are parsed without an error and never come: Next is the zero time.
# Who is hurt: whoever takes crontab lines from users, as Nomad's periodic jobs do:
# what cron runs on Sunday does not run, and a scheduler that sleeps "until Next"
# gets the year 1, which is past, at once and for ever.
. "$(dirname "$(readlink -f "$0")")/lib"
cat >main.go <<'GO'
package main

import (
	"fmt"
	"time"

	"github.com/hashicorp/cronexpr"
)

func main() {
	for _, line := range []string{"0 0 * * 7", "0 0 * * 5-7", "0 22-2 * * *", "0 0 * * fri-mon"} {
		e, err := cronexpr.Parse(line)
		fmt.Printf("%s:", line)
		if err != nil {
			fmt.Println(" error:", err)
			continue
		}
		for _, t := range e.NextN(time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC), 3) {
			fmt.Print(t.Format(" Mon 02"))
		}
		fmt.Println(" next:", e.Next(time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)).Year())
	}
}
GO
modules github.com/hashicorp/cronexpr@v1.1.3
expect 'seen' '0 0 * * 7: Sun 06 Sun 13 Sun 20 next: 2026
0 0 * * 5-7: Fri 04 Sat 05 Fri 11 next: 2026
0 22-2 * * *: next: 1
0 0 * * fri-mon: next: 1' "$(./probe)"
