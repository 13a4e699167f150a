package hclspec

import (
	"errors"
	"strings"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/appspec/cron"
)

// schedules checks what schedule blocks say.
func (c *checker) schedules() {
	for i := range c.spec.Schedules {
		s := &c.spec.Schedules[i]
		named := scheduleBlock + " " + appspec.Quote(s.Name)
		c.command(scheduleBlock, i, s.Name, s.Command)
		at := appspec.IndexPath("schedule.cron", i)
		if _, said := c.spec.Ranges[at]; !said {
			c.fault(appspec.IndexPath(scheduleBlock, i), named+" has no cron, so it never runs", "write: "+appspec.Table().Attribute["schedule.cron"].Written())
		} else if _, err := cron.Parse(s.Cron); err != nil {
			reason, instead := err.Error(), ""
			if e, ok := errors.AsType[*cron.Error](err); ok {
				reason, instead = e.Reason, e.Instead
			}
			c.fault(at, "cron of "+named+": "+reason, instead)
		}
		if _, err := cron.Zone(s.Timezone); err != nil {
			c.fault(appspec.IndexPath("schedule.timezone", i), "there is no time zone "+appspec.Quote(s.Timezone), zoneAdvice(s.Timezone))
		}
	}
}

// zoneAdvice is what to write instead of a zone that there is not.
func zoneAdvice(name string) string {
	const first = "write a name of the time zone database, such as "
	parts := strings.FieldsFunc(strings.ReplaceAll(name, " ", "_"), func(r rune) bool { return r == '/' })
	for i, p := range parts {
		words := strings.Split(strings.ToLower(p), "_")
		for j, w := range words {
			if w != "" {
				words[j] = strings.ToUpper(w[:1]) + w[1:]
			}
		}
		parts[i] = strings.Join(words, "_")
	}
	for _, guess := range []string{strings.Join(parts, "/"), strings.ToUpper(name)} {
		if _, err := cron.Zone(guess); err == nil && guess != "" {
			return "write: timezone = " + appspec.Quote(guess)
		}
	}
	if strings.EqualFold(name, "local") || strings.EqualFold(name, "localtime") {
		return "leave it out: the default is the machine's"
	}
	if _, err := time.LoadLocation("Europe/Berlin"); err != nil {
		return "this machine has no time zones: install tzdata"
	}
	return first + `"Europe/Berlin", or "UTC"`
}

// scheduleHint is what a name means in a schedule block, where elsewhere it means
// something else; empty: the same as elsewhere.
func scheduleHint(name, _ string) string {
	write := func(attr string) string {
		return "here this is " + attr + ": write: " + appspec.Table().Attribute[scheduleBlock+"."+attr].Written()
	}
	switch name {
	case "cmd", "exec", "args", "program", "run", "execstart", "job", "script", "task":
		return write("command")
	case "every", "interval", "at", "when", "time", "times", "schedule", "expression", "crontab", "oncalendar", "on_calendar", "spec", "period":
		return write("cron")
	case "tz", "time_zone", "zone", "timezone_name", "cron_tz":
		return write("timezone")
	case "concurrency", "concurrency_policy", "concurrencypolicy", "allow_overlap", "parallel", "prohibit_overlap", "max_instances":
		return write("overlap")
	case "max_time", "deadline", "time_limit", "activedeadlineseconds", "runtimemaxsec", "stop_timeout":
		return write("timeout")
	case "count", "numprocs":
		return "a run is one process: leave it out"
	case "persistent", "catch_up", "catchup", "coalesce", "misfire_grace_time":
		return "leave it out: a missed run is reported in status and log, and is not made up for"
	case "environment", "environ", "envs", "env_vars", "env":
		return "env is an attribute of the app, for all its processes: write it outside of schedule: " + appspec.Table().Attribute["env"].Written()
	case "chdir", "cwd", "workdir", "working_dir", "working_directory", "directory":
		return "it is an attribute of the app, for all its processes: write it outside of schedule: " + appspec.Table().Attribute["working_directory"].Written()
	case "user", "group", "umask", "virtualenv", "python":
		return name + " is an attribute of the app, for all its processes: write it outside of schedule: " + appspec.Table().Attribute[name].Written()
	case "mailto", "log", "logfile", "stdout_logfile", "output":
		return "leave it out: its output goes into the log of the app, under its name"
	}
	return ""
}
