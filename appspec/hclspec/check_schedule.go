package hclspec

import (
	"errors"
	"strings"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/appspec/cron"
	"github.com/wsgid-fleet/wsgid-fleet/appspec/explain"
)

// schedules checks what schedule blocks say.
func (c *checker) schedules() {
	for i := range c.spec.Schedules {
		s := &c.spec.Schedules[i]
		named := explain.ScheduleBlock + " " + appspec.Quote(s.Name)
		c.command(explain.ScheduleBlock, i, s.Name, s.Command)
		at := appspec.IndexPath("schedule.cron", i)
		if _, said := c.spec.Ranges[at]; !said {
			c.fault(appspec.IndexPath(explain.ScheduleBlock, i), named+" has no cron, so it never runs", "write: "+appspec.Table().Attribute["schedule.cron"].Written())
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
