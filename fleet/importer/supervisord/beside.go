package supervisord

import (
	"strconv"
	"strings"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/facts"
)

// beside makes a program that is no web server a process of an app. What it had for
// itself and an app has for all that runs of it is named, unless both say the same.
func (c *conf) beside(home *facts.App, p *program, all []*program, web map[string]*facts.App) {
	count := ""
	if p.processes > 1 {
		count = strconv.Itoa(p.processes)
	}
	if v := p.values["autostart"]; v.text != "" && !facts.IsTrue(v.text) {
		count = "0"
		home.Note(v.at, "autostart of program "+p.name, "count is 0: write how many are to run")
	}
	if v := p.values["autorestart"]; v.text != "" && !isRestarted(v.text) {
		home.Lost(v.at, "autorestart = "+v.text+" of program "+p.name, "a process is started again whenever it ends: write a schedule for what runs now and then, a stage of deploy for what runs once")
	} else if v := p.values["exitcodes"]; v.text != "" {
		home.Lost(v.at, "exitcodes = "+v.text+" of program "+p.name, "a process is started again however it ends, ever later where it ends soon")
	}
	more := map[string]string{}
	if text := p.values["stopsignal"].text; text != "" {
		more["stop_signal"] = strings.TrimPrefix(strings.ToUpper(text), "SIG")
	}
	if text := p.values["stopwaitsecs"].text; text != "" {
		more["stop_timeout"] = strconv.Itoa(max(facts.LeadingInt(text), 1)) + "s"
	}
	if p.differ() {
		one := ""
		if count == "0" {
			one = count
		}
		for _, i := range p.instances { // each has a command of its own
			home.Add(facts.Fact{Set: facts.SetProcess, Key: i.name, List: i.argv, Value: one, More: more, Was: "command = " + facts.CommandText(i.command), At: p.command.At})
		}
	} else {
		home.Add(facts.Fact{Set: facts.SetProcess, Key: p.name, List: p.command.Argv, Value: count, More: more, Was: p.command.Was, At: p.command.At})
	}
	var main *program
	for _, other := range all {
		if web[other.name] == home {
			main = other
			break
		}
	}
	for _, key := range []string{"environment", "user", "umask", "directory"} {
		v := p.values[key]
		if v.text == "" || main != nil && main.values[key].text == v.text {
			continue
		}
		was := key
		if key == "environment" && main != nil {
			var differ []string
			for _, name := range facts.SortedKeys(p.command.Env) {
				if value, ok := main.command.Env[name]; !ok || value != p.command.Env[name] {
					differ = append(differ, name)
				}
			}
			if len(differ) == 0 {
				continue
			}
			was = strings.Join(differ, ", ") + " in environment"
		}
		home.Lost(v.at, was+" of program "+p.name, "all that runs of an app has the app's: write what it needs there, or make an app of its own for it")
	}
}
