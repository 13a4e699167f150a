package importer

import (
	"strconv"
	"strings"
)

// beside makes a program that is no web server a process of an app. What it had for
// itself and an app has for all that runs of it is named, unless both say the same.
func (c *supervisorConf) beside(home *App, p *program, all []*program, web map[string]*App) {
	count := ""
	if p.processes > 1 {
		count = strconv.Itoa(p.processes)
	}
	if v := p.values["autostart"]; v.text != "" && !uwsgiTrue(v.text) {
		count = "0"
		home.note(v.at, "autostart of program "+p.name, "count is 0: write how many are to run")
	}
	more := map[string]string{}
	if text := p.values["stopsignal"].text; text != "" {
		more["stop_signal"] = strings.TrimPrefix(strings.ToUpper(text), "SIG")
	}
	if text := p.values["stopwaitsecs"].text; text != "" {
		more["stop_timeout"] = strconv.Itoa(max(leadingInt(text), 1)) + "s"
	}
	home.add(Fact{Set: setProcess, Key: p.name, List: p.command.argv, Value: count, More: more, Was: p.command.was, At: p.command.at})
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
		home.lost(v.at, key+" of program "+p.name, "all that runs of an app has the app's: write what it needs there, or make an app of its own for it")
	}
}
