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

// mostBeside bounds how many units beside a service are looked at.
const mostBeside = 500

// timers makes schedules of the timers in the folder of a service whose own services
// work in the same folder as the same user: they are jobs of the same app. jobs are the
// services of all of them.
func (u *unitFile) timers(a *facts.App, env map[string]string, others []*unitFile) (jobs []string) {
	names, err := facts.FolderNames(filepath.Dir(u.path))
	if err != nil {
		return nil
	}
	names = slices.DeleteFunc(names, func(name string) bool { return filepath.Ext(name) != ".timer" })
	for _, name := range names[:min(len(names), mostBeside)] {
		t, err := readUnit(filepath.Join(filepath.Dir(u.path), name))
		if err != nil {
			continue // it is nobody's that can be told
		}
		service := strings.TrimSuffix(name, ".timer") + ".service"
		if v, ok := t.last("Timer.Unit"); ok {
			service = v.text
		}
		jobs = append(jobs, filepath.Base(service))
		job, err := readBeside(filepath.Dir(u.path), filepath.Base(service))
		if errors.Is(err, os.ErrNotExist) {
			u.elsewhere(a, t, service)
			continue
		}
		if err != nil || job.path == u.path || !job.sameJob(u) || u.leaves(a, job, "schedule", others) {
			continue
		}
		u.timer(a, t, job, env)
	}
	return jobs
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
	t.timerDiffers(a, name)
	times := t.values["Timer.OnCalendar"]
	if len(times) == 0 {
		return
	}
	argv := u.commandOf(a, job, env, "schedule")
	if argv == nil {
		return
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
	u.besides(a, job, "schedule", limit)
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
		a.Add(facts.Fact{Set: facts.SetSchedule, Key: name, Value: line, List: argv, More: attributes, Was: was, At: v.at})
		if differs := facts.Nights("systemd", line, zone, time.Now(), facts.OncePerWall); differs != "" {
			a.Note(v.at, was, differs)
		}
	}
	a.Note(times[0].at, "", "the app has it as a schedule: disable "+filepath.Base(t.path)+", or it runs twice")
}

// timerDiffers names what a timer says besides its times, which a schedule has not.
func (u *unitFile) timerDiffers(a *facts.App, name string) {
	for _, key := range facts.SortedKeys(u.values) {
		word, ok := strings.CutPrefix(key, "Timer.")
		if !ok {
			continue
		}
		v, _ := u.last(key)
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
}

// runLimit is the setting that bounds how long a unit's command may run: the start of a
// oneshot is the whole of it, and of other types it bounds nothing of that.
func (u *unitFile) runLimit() string {
	if kind, _ := u.last("Service.Type"); kind.text == "oneshot" {
		return "TimeoutStartSec"
	}
	return "RuntimeMaxSec"
}
