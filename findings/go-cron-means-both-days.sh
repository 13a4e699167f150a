#!/usr/bin/env bash
# github.com/netresearch/go-cron v0.9.1, beside github.com/robfig/cron/v3 v3.0.1
#
# Guess: go-cron goes on where robfig/cron stopped, same functions and same
# ParseStandard, so a table of jobs means the same in both.
# What happens: "0 0 13 * 5" is the 13th and every Friday in robfig/cron, as crontab(5)
# has it; in go-cron it is a 13th that is a Friday: from 28 November 2026 the first
# is in August 2027. A job at 02:30 of the night in spring when that hour does not
# exist is left out by robfig/cron and run at 03:30 by go-cron.
# Who is hurt: whoever changes the import path to get a library that is maintained:
# a job of every Friday falls silent for months, and nothing says so.
. "$(dirname "$(readlink -f "$0")")/lib"
cat >main.go <<'GO'
package main

import (
	"fmt"
	"time"

	fork "github.com/netresearch/go-cron"
	old "github.com/robfig/cron/v3"
)

func main() {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		panic(err)
	}
	for _, job := range []struct {
		line string
		from time.Time
	}{
		{"0 0 13 * 5", time.Date(2026, 11, 28, 0, 0, 0, 0, berlin)},
		{"30 2 * * *", time.Date(2027, 3, 27, 12, 0, 0, 0, berlin)},
	} {
		a, err1 := old.ParseStandard(job.line)
		b, err2 := fork.ParseStandard(job.line)
		if err1 != nil || err2 != nil {
			panic(fmt.Sprint(err1, err2))
		}
		const form = "Mon 2006-01-02 15:04"
		fmt.Printf("%s: %s / %s\n", job.line, a.Next(job.from).Format(form), b.Next(job.from).Format(form))
	}
}
GO
modules github.com/netresearch/go-cron@v0.9.1 github.com/robfig/cron/v3@v3.0.1
expect 'robfig / go-cron' '0 0 13 * 5: Fri 2026-12-04 00:00 / Fri 2027-08-13 00:00
30 2 * * *: Mon 2027-03-29 02:30 / Sun 2027-03-28 03:30' "$(./probe)"
