package systemd

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/facts"
)

// mostTimers bounds how many timers beside a service are looked at.
const mostTimers = 500

// timers makes schedules of the timers in the folder of a service whose own services
// work in the same folder as the same user: they are jobs of the same app.
func (u *unitFile) timers(a *facts.App, env map[string]string) {
	names, err := facts.FolderNames(filepath.Dir(u.path))
	if err != nil {
		return
	}
	names = slices.DeleteFunc(names, func(name string) bool { return filepath.Ext(name) != ".timer" })
	for _, name := range names[:min(len(names), mostTimers)] {
		t, err := readUnit(filepath.Join(filepath.Dir(u.path), name))
		if err != nil {
			continue // it is nobody's that can be told
		}
		service := strings.TrimSuffix(name, ".timer") + ".service"
		if v, ok := t.last("Timer.Unit"); ok {
			service = v.text
		}
		job, err := readBeside(filepath.Dir(u.path), filepath.Base(service))
		if errors.Is(err, os.ErrNotExist) {
			u.elsewhere(a, t, service)
			continue
		}
		if err != nil || job.path == u.path || !job.sameJob(u) {
			continue
		}
		u.timer(a, t, job, env)
	}
}

// unitFolders are where systemd looks for units, in that order.
var unitFolders = []string{"/etc/systemd/system", "/run/systemd/system", "/usr/local/lib/systemd/system", "/lib/systemd/system", "/usr/lib/systemd/system"}

// readBeside reads a unit of a folder; where that is one of systemd's, of the first of
// those that has it.
func readBeside(folder, name string) (*unitFile, error) {
	if slices.Contains(unitFolders, folder) {
		for _, f := range unitFolders {
			if job, err := readUnit(filepath.Join(f, name)); !errors.Is(err, os.ErrNotExist) {
				return job, err
			}
		}
	}
	return readUnit(filepath.Join(folder, name))
}

// elsewhere names a timer whose service is not to be found: what it runs cannot be told.
func (u *unitFile) elsewhere(a *facts.App, t *unitFile, service string) {
	at := facts.Position{File: t.path}
	if times := t.values["Timer.OnCalendar"]; len(times) > 0 {
		at = times[0].at
	}
	a.Note(at, filepath.Base(t.path), "its service "+service+" does not lie beside it: if it is a job of this app, put both into one folder and import again, or write the schedule by hand")
}

// sameJob tells whether what a unit runs is of the app of another one.
func (u *unitFile) sameJob(other *unitFile) bool {
	dir, ok := u.last("Service.WorkingDirectory")
	theirs, _ := other.last("Service.WorkingDirectory")
	user, _ := u.last("Service.User")
	theirUser, _ := other.last("Service.User")
	return ok && dir.text != "/" && filepath.Clean(dir.text) == filepath.Clean(theirs.text) && user.text == theirUser.text
}

// timer makes schedules of one timer and the service that it starts.
func (u *unitFile) timer(a *facts.App, t, job *unitFile, env map[string]string) {
	name := strings.TrimSuffix(filepath.Base(t.path), ".timer")
	for _, key := range facts.SortedKeys(t.values) {
		word, ok := strings.CutPrefix(key, "Timer.")
		if !ok {
			continue
		}
		v, _ := t.last(key)
		was := word + "=" + v.text
		switch word {
		case "OnBootSec", "OnStartupSec", "OnActiveSec", "OnUnitActiveSec", "OnUnitInactiveSec":
			a.Lost(v.at, was, "it counts from a moment, where a schedule goes by the clock: write cron = \"*/10 * * * *\" or the like")
		case "Persistent":
			if facts.IsTrue(v.text) {
				a.Lost(v.at, was, "a time at which the app was down is missed, and told in status, not made up for: then run wsgid-fleet trigger "+a.Name+" "+facts.AppNameOf(name))
			}
		case "RandomizedDelaySec":
			a.Lost(v.at, was, "a schedule begins at its time: spread the times over the minutes")
		case "WakeSystem", "OnClockChange", "OnTimezoneChange":
			if facts.IsTrue(v.text) {
				a.Lost(v.at, was, "there is nothing of that kind here")
			}
		}
	}
	times := t.values["Timer.OnCalendar"]
	if len(times) == 0 {
		return
	}
	var starts []unitCommand
	for _, v := range job.values["Service.ExecStart"] {
		more, err := job.commands(v.text)
		if err != nil {
			a.Lost(v.at, "ExecStart="+facts.CommandText(v.text), "systemd does not load the unit: "+err.Error())
			return
		}
		starts = append(starts, more...)
	}
	if len(starts) != 1 {
		a.Lost(times[0].at, filepath.Base(t.path), fmt.Sprintf("%s runs %d commands, a schedule one: put them into a script", filepath.Base(job.path), len(starts)))
		return
	}
	own := &facts.App{}
	vars := job.environment(own)
	for _, f := range own.Facts {
		if f.Set == facts.SetLost {
			a.Add(f)
		}
		if value, ok := env[f.Key]; (f.Set == facts.SetEnv || f.Set == facts.SetSecretEnv) && (!ok || value != f.Value) {
			a.Lost(f.At, f.Key+" of "+filepath.Base(job.path), "all that runs of an app has the app's variables: write it there, or make an app of its own for the job")
		}
	}
	start, _ := job.last("Service.ExecStart")
	for _, f := range own.Facts {
		if (f.Set == facts.SetSecretEnv || f.Set == facts.SetEnv && facts.IsSecretName(f.Key)) && (strings.Contains(start.text, "${"+f.Key+"}") || slices.Contains(strings.Fields(start.text), "$"+f.Key)) {
			a.Lost(start.at, "ExecStart="+facts.CommandText(start.text), f.Key+" may be a secret, and a spec would show it: write the schedule by hand, where a shell puts the variable in: command = [\"/bin/sh\", \"-c\", \"exec …\"]")
			return
		}
	}
	prefix := starts[0].prefix
	if strings.ContainsAny(prefix, "@+!") {
		a.Lost(start.at, "ExecStart="+facts.CommandText(start.text), "what "+prefix+" before it asks for (another name, other rights) a schedule does not have: write it by hand, or leave it to systemd")
		return
	}
	if strings.Contains(prefix, "-") {
		a.Note(start.at, "ExecStart="+facts.CommandText(start.text), "that it fails is told here; systemd was told to pass over it")
	}
	limit := job.runLimit()
	more := map[string]string{"timeout": "168h"} // the most, as systemd has none
	if v, ok := job.last("Service." + limit); ok {
		if n := facts.LeadingInt(v.text); n > 0 && strings.Trim(v.text, "0123456789s") == "" {
			more["timeout"] = fmt.Sprintf("%ds", n)
		} else if v.text != "infinity" && v.text != "0" {
			a.Lost(v.at, limit+"="+v.text, "write it as the timeout of the schedule")
		}
	}
	u.besides(a, job, limit)
	for _, v := range times {
		was := "OnCalendar=" + v.text
		line, zone, err := calendarCron(t.specifiers(v.text))
		if err != nil {
			a.Lost(v.at, was, err.Error()+": write the schedule by hand, or leave it to systemd")
			continue
		}
		attributes := map[string]string{}
		maps.Copy(attributes, more)
		if zone != "" {
			attributes["timezone"] = zone
		}
		a.Add(facts.Fact{Set: facts.SetSchedule, Key: name, Value: line, List: starts[0].with(a, v.at, vars), More: attributes, Was: was, At: v.at})
		if differs := nights(line, zone, time.Now()); differs != "" {
			a.Note(v.at, was, differs)
		}
	}
	a.Note(times[0].at, "", "the app has it as a schedule: disable "+filepath.Base(t.path)+", or it runs twice")
}

// runLimit is the setting that bounds how long a unit's command may run: the start of a
// oneshot is the whole of it, and of other types it bounds nothing of that.
func (u *unitFile) runLimit() string {
	if kind, _ := u.last("Service.Type"); kind.text == "oneshot" {
		return "TimeoutStartSec"
	}
	return "RuntimeMaxSec"
}

// timerQuiet are settings of a job's service that a schedule has by itself, or that
// change nothing of what runs.
var timerQuiet = map[string]bool{"Type": true, "ExecStart": true, "User": true, "WorkingDirectory": true, "Environment": true, "EnvironmentFile": true,
	"RemainAfterExit": true, "StandardOutput": true, "StandardError": true, "StandardInput": true, "SyslogIdentifier": true, "TimeoutStartSec": true, "TimeoutSec": true,
	"TimeoutStopSec": true, "KillMode": true, "GuessMainPID": true, "SyslogLevel": true, "SyslogFacility": true}

// besides names what the service of a job says and a schedule of the app does not have.
func (u *unitFile) besides(a *facts.App, job *unitFile, limit string) {
	of := " of " + filepath.Base(job.path)
	for _, key := range facts.SortedKeys(job.values) {
		section, name, _ := strings.Cut(key, ".")
		v, _ := job.last(key)
		theirs, _ := u.last(key)
		switch {
		case section == "Unit" && (name == "OnFailure" || name == "OnSuccess" || strings.HasPrefix(name, "Condition") || strings.HasPrefix(name, "Assert")),
			section == "Service" && strings.HasPrefix(name, "Exec") && !timerQuiet[name]:
			for _, one := range job.values[key] {
				a.Lost(one.at, name+"="+facts.CommandText(one.text)+of, "a schedule has one command: put what is to happen before, behind or instead into a script")
			}
		case section != "Service" || timerQuiet[name] || name == limit || v.text == theirs.text:
		default:
			a.Lost(v.at, name+"="+facts.CommandText(v.text)+of, "all that runs of an app has the app's settings: write it there, or make an app of its own for the job")
		}
	}
}
