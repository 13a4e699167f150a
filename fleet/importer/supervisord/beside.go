package supervisord

import (
	"slices"
	"strconv"
	"strings"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/facts"
)

// beside makes a program that is no web server a process of an app, whose own program is
// main. What it had for itself and an app has for all that runs of it is named, unless
// both say the same.
func (p *program) beside(home *facts.App, main *program) {
	autostart := p.values["autostart"]
	stopped := autostart.text != "" && !facts.IsTrue(autostart.text)
	if stopped {
		home.Note(autostart.at, "autostart of program "+p.name, "count is 0: write how many are to run")
	}
	p.tellRestarts(home)
	p.addProcesses(home, stopped)
	p.tellOwn(home, main)
}

// tellRestarts tells of a program that supervisord does not start again whenever it ends.
func (p *program) tellRestarts(home *facts.App) {
	if v := p.values["autorestart"]; v.text != "" && !isRestarted(v.text) {
		home.Lost(v.at, "autorestart = "+v.text+" of program "+p.name, "a process is started again whenever it ends: write a schedule for what runs now and then, a stage of deploy for what runs once")
	} else if v := p.values["exitcodes"]; v.text != "" {
		home.Lost(v.at, "exitcodes = "+v.text+" of program "+p.name, "a process is started again however it ends, ever later where it ends soon")
	}
}

// addProcesses makes a process of the program, or of each of its commands where they differ.
func (p *program) addProcesses(home *facts.App, stopped bool) {
	process := facts.Fact{Set: facts.SetProcess, More: map[string]string{}, At: p.command.At}
	if text := p.values["stopsignal"].text; text != "" {
		process.More["stop_signal"] = strings.TrimPrefix(strings.ToUpper(text), "SIG")
	}
	if text := p.values["stopwaitsecs"].text; text != "" {
		process.More["stop_timeout"] = strconv.Itoa(max(facts.LeadingInt(text), 1)) + "s"
	}
	if stopped {
		process.Value = "0"
	}
	if p.differ() {
		for _, i := range p.instances {
			process.Key, process.List, process.Was = i.name, i.argv, "command = "+facts.CommandText(i.command)
			home.Add(process)
		}
		return
	}
	if p.processes > 1 && !stopped {
		process.Value = strconv.Itoa(p.processes)
	}
	process.Key, process.List, process.Was = p.name, p.command.Argv, p.command.Was
	home.Add(process)
}

// tellOwn names what the program had for itself, unless the app's has the same.
func (p *program) tellOwn(home *facts.App, main *program) {
	for _, key := range []string{"environment", "user", "umask", "directory"} {
		v := p.values[key]
		if v.text == "" || v.text == main.values[key].text {
			continue
		}
		was := key
		if key == "environment" {
			names := p.ownVariables(main)
			if len(names) == 0 {
				continue
			}
			was = strings.Join(names, ", ") + " in environment"
		}
		home.Lost(v.at, was+" of program "+p.name, "all that runs of an app has the app's: write what it needs there, or make an app of its own for it")
	}
}

// ownVariables are the names of the variables that the app's program does not have so.
func (p *program) ownVariables(main *program) []string {
	return slices.DeleteFunc(facts.SortedKeys(p.command.Env), func(name string) bool {
		value, ok := main.command.Env[name]
		return ok && value == p.command.Env[name]
	})
}
