package appspec

// The rows of what runs at times. A change of them touches no run that is under way:
// that is why they are live.

// scheduleField is an attribute of one schedule block.
func scheduleField[T any](field func(*Schedule) *T) func(*Spec, int) any {
	return func(s *Spec, i int) any {
		if i >= len(s.Schedules) {
			return nil
		}
		return field(&s.Schedules[i])
	}
}

var scheduleAttributes = []Attribute{
	{Path: "schedule.cron", Type: TypeString, Required: true, Disruption: Live, Example: `"0 3 * * *"`,
		Form: "minute, hour, day of month, month and day of week, or `@hourly`, `@daily`, `@weekly`, `@monthly`, `@yearly`",
		Doc:  "when it is run",
		at:   scheduleField(func(s *Schedule) *string { return &s.Cron })},
	{Path: "schedule.command", Type: TypeList, Required: true, Disruption: Live, Example: `["python", "manage.py", "clearsessions"]`,
		Form: "a program and its arguments; no shell reads them", check: checkText,
		Doc: "what is run; `python` is the interpreter of the app, a program without `/` is looked for in the virtualenv, then in PATH",
		at:  scheduleField(func(s *Schedule) *[]string { return &s.Command })},
	{Path: "schedule.timeout", Type: TypeDuration, Default: `"1h"`, Disruption: Live, Min: ms, Max: 7 * day,
		Doc: "time for a run; one that takes longer is told to stop by TERM, and 30 seconds later what is left of it is killed",
		at:  scheduleField(func(s *Schedule) *Duration { return &s.Timeout })},
	{Path: "schedule.overlap", Type: TypeBool, Default: "false", Disruption: Live,
		Doc: "run it also while a run of before is still under way; false: that one is skipped, and said so",
		at:  scheduleField(func(s *Schedule) *bool { return &s.Overlap })},
	{Path: "schedule.timezone", Type: TypeString, Default: `""`, Disruption: Live, Example: `"Europe/Berlin"`,
		Form: "a name of the time zone database, or `UTC`",
		Doc:  "the zone of `cron`; default: the machine's, as it is when the master of the app starts",
		at:   scheduleField(func(s *Schedule) *string { return &s.Timezone })},
}

var scheduleBlocks = []Block{
	{Path: "schedule", Many: true, Named: true, NoDefaults: true,
		Doc: "a program that is run at times, as cron does: see *Schedules*. One in an environment with the name of one of the app block changes what it says of it",
		open: func(s *Spec, i int) {
			if i == len(s.Schedules) {
				s.Schedules = append(s.Schedules, Schedule{})
			}
		}},
}
