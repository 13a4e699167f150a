package systemd

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/facts"
)

// services makes processes of the services in the folder of an app's that work in the same
// folder as the same user, such as its workers of a queue, but for those in jobs.
func (u *unitFile) services(o facts.Options, a *facts.App, env map[string]string, jobs []string, others []*unitFile) {
	names, err := facts.FolderNames(filepath.Dir(u.path))
	if err != nil {
		return
	}
	names = slices.DeleteFunc(names, func(name string) bool { return filepath.Ext(name) != ".service" || slices.Contains(jobs, name) })
	for _, name := range names[:min(len(names), mostBeside)] {
		job, err := readUnit(filepath.Join(filepath.Dir(u.path), name))
		if err != nil || name == filepath.Base(u.path) || name == templateOf(filepath.Base(u.path)) {
			continue
		}
		if kind, _ := job.last("Service.Type"); kind.text == "oneshot" || !job.sameJob(u) && !job.stopsWith(u) {
			continue
		}
		if job.isWeb(o) || u.leaves(a, job, "process", others) {
			continue // an app of its own, or another app's
		}
		u.service(a, job, env)
	}
}

// stopsWith tells whether a unit is stopped when another one is.
func (u *unitFile) stopsWith(other *unitFile) bool {
	for _, key := range []string{"Unit.PartOf", "Unit.BindsTo"} {
		for _, v := range u.values[key] {
			if slices.Contains(strings.Fields(u.specifiers(v.text)), filepath.Base(other.path)) {
				return true
			}
		}
	}
	return false
}

// service makes a process of one service.
func (u *unitFile) service(a *facts.App, job *unitFile, env map[string]string) {
	file := filepath.Base(job.path)
	at := facts.Position{File: job.path}
	if v, ok := job.last("Service.ExecStart"); ok {
		at = v.at
	}
	switch {
	case !job.sameJob(u):
		a.Lost(at, file, "it stops with the app, but has another user or another WorkingDirectory than it, and a process has the app's: leave it to systemd, or write a process that does without")
		return
	case strings.Contains(file, "@."):
		a.Lost(at, file, "it is a template: write a process for what its instances run, with count where they are alike")
		return
	}
	argv := u.commandOf(a, job, env, "process")
	if argv == nil {
		return
	}
	more := map[string]string{}
	if v, ok := job.last("Service.KillSignal"); ok {
		more["stop_signal"] = strings.TrimPrefix(v.text, "SIG")
	}
	if v, ok := job.last("Service.TimeoutStopSec"); ok {
		if n := facts.LeadingInt(v.text); n > 0 && strings.Trim(v.text, "0123456789s") == "" {
			more["stop_timeout"] = fmt.Sprintf("%ds", n)
		} else {
			a.Lost(v.at, "TimeoutStopSec="+v.text+" of "+file, "write it as the stop_timeout of the process")
		}
	}
	if v, ok := job.last("Service.Restart"); !ok || v.text == "no" || v.text == "on-success" {
		a.Note(facts.Position{File: job.path, Line: v.at.Line}, "Restart="+facts.Either(v.text, "no")+" of "+file, "a process is started again whenever it ends")
	}
	u.besides(a, job, "process", "")
	a.Add(facts.Fact{Set: facts.SetProcess, Key: strings.TrimSuffix(file, ".service"), List: argv, More: more, Was: "ExecStart of " + file, At: at})
	a.Note(at, "", "the app has it as a process: disable "+file+", or it runs twice")
}

// commandOf is the command of a service beside an app, where a schedule or a process can
// have it; nil: it cannot, and that is said.
func (u *unitFile) commandOf(a *facts.App, job *unitFile, env map[string]string, kind string) []string {
	var starts []unitCommand
	for _, v := range job.values["Service.ExecStart"] {
		more, err := job.commands(v.text)
		if err != nil {
			a.Lost(v.at, "ExecStart="+facts.CommandText(v.text), "systemd does not load the unit: "+err.Error())
			return nil
		}
		starts = append(starts, more...)
	}
	start, _ := job.last("Service.ExecStart")
	if len(starts) != 1 {
		a.Lost(facts.Position{File: job.path, Line: start.at.Line}, filepath.Base(job.path), fmt.Sprintf("it runs %d commands, a %s one: put them into a script", len(starts), kind))
		return nil
	}
	own := &facts.App{}
	vars := job.environment(own)
	var all []facts.Fact
	for _, f := range own.Facts {
		all = append(all, f.Each()...)
	}
	for _, f := range all {
		if f.Set == facts.SetLost {
			a.Add(f)
		}
		if value, ok := env[f.Key]; (f.Set == facts.SetEnv || f.Set == facts.SetSecretEnv) && vars[f.Key] == f.Value && (!ok || value != f.Value) {
			a.Lost(f.At, f.Key+" of "+filepath.Base(job.path), "all that runs of an app has the app's variables: write it there, or make an app of its own for the job")
		}
	}
	was := "ExecStart=" + facts.CommandText(start.text)
	for _, f := range all {
		if (f.Set == facts.SetSecretEnv || f.Set == facts.SetEnv && facts.IsSecretName(f.Key)) && (strings.Contains(start.text, "${"+f.Key+"}") || slices.Contains(strings.Fields(start.text), "$"+f.Key)) {
			a.Lost(start.at, was, f.Key+" may be a secret, and a spec would show it: write the "+kind+" by hand, where a shell puts the variable in: command = [\"/bin/sh\", \"-c\", \"exec …\"]")
			return nil
		}
	}
	prefix := starts[0].prefix
	if strings.ContainsAny(prefix, "@+!") {
		a.Lost(start.at, was, "what "+prefix+" before it asks for (another name, other rights) a "+kind+" does not have: write it by hand, or leave it to systemd")
		return nil
	}
	if strings.Contains(prefix, "-") {
		a.Note(start.at, was, "that it fails is told here; systemd was told to pass over it")
	}
	return starts[0].with(a, start.at, vars)
}

// quietBeside are settings of a job's service that a schedule or a process has by itself, or that
// change nothing of what runs.
var quietBeside = map[string]bool{"Type": true, "ExecStart": true, "User": true, "WorkingDirectory": true, "Environment": true, "EnvironmentFile": true,
	"RemainAfterExit": true, "StandardOutput": true, "StandardError": true, "StandardInput": true, "SyslogIdentifier": true, "TimeoutStartSec": true, "TimeoutSec": true,
	"TimeoutStopSec": true, "KillMode": true, "GuessMainPID": true, "SyslogLevel": true, "SyslogFacility": true}

// processOwn are settings of a service that a process has in its own way.
var processOwn = map[string]bool{"Restart": true, "RestartSec": true, "KillSignal": true, "ExecReload": true, "PIDFile": true, "NotifyAccess": true}

// besides names what the service of a job says and a schedule, or a process, of the app
// does not have.
func (u *unitFile) besides(a *facts.App, job *unitFile, kind, limit string) {
	of := " of " + filepath.Base(job.path)
	for _, key := range facts.SortedKeys(job.values) {
		section, name, _ := strings.Cut(key, ".")
		v, _ := job.last(key)
		theirs, _ := u.last(key)
		switch {
		case section == "Unit" && (name == "OnFailure" || name == "OnSuccess" || strings.HasPrefix(name, "Condition") || strings.HasPrefix(name, "Assert")),
			section == "Service" && strings.HasPrefix(name, "Exec") && !quietBeside[name]:
			for _, one := range job.values[key] {
				a.Lost(one.at, name+"="+facts.CommandText(one.text)+of, "a "+kind+" has one command: put what is to happen before, behind or instead into a script")
			}
		case section != "Service" || quietBeside[name] || kind == "process" && processOwn[name] || name == limit || v.text == theirs.text:
		default:
			a.Lost(v.at, name+"="+facts.CommandText(v.text)+of, "all that runs of an app has the app's settings: write it there, or make an app of its own for the job")
		}
	}
}
