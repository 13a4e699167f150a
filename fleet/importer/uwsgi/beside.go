package uwsgi

import (
	"strings"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/facts"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/shellwords"
)

// beside are the programs that uWSGI keeps running, and its jobs.
func (u *reader) beside() {
	for i, o := range u.all["attach-daemon"] {
		command := o.value
		switch o.key {
		case "smart-attach-daemon", "smart-attach-daemon2", "legion-attach-daemon": // behind a pid file, or a legion
			_, command, _ = strings.Cut(command, " ")
		case "attach-daemon2":
			command = u.keyedDaemon(o)
		}
		line := shellwords.Line(command, u.env()) // uWSGI hands it to a shell
		if len(line.Commands) == 0 || command == "" {
			u.lose(o, "it has no command")
			continue
		}
		var did []string
		for _, words := range line.Commands[1:] {
			did = append(did, strings.Join(words, " "))
		}
		u.app.OfShell(o.at, was(o), line, did, ": put it into a script of the app")
		u.app.Add(facts.Fact{Set: facts.SetProcess, Key: facts.CommandName(command, i), List: line.Commands[0], Was: was(o), At: o.at})
	}
	u.crons()
}

// keyedDaemon is the command of an attach-daemon2, which is a list of NAME=VALUE. What
// else it says is told.
func (u *reader) keyedDaemon(o *option) (command string) {
	for _, item := range keyed(o.value) {
		name, value, _ := strings.Cut(item, "=")
		switch name {
		case "cmd", "command", "exec":
			command = value
		case "freq", "":
		default:
			u.app.Lost(o.at, "attach-daemon2: "+item, "all that runs of an app has the app's, is told to stop by TERM and stays in the foreground")
		}
	}
	return command
}

// keyed cuts a list of NAME=VALUE at its commas, but for those behind a backslash. Quotes
// keep none of them, and belong to the value.
func keyed(text string) (items []string) {
	var item strings.Builder
	escaped := false
	for _, c := range text {
		switch {
		case escaped:
			escaped = false
			item.WriteRune(c)
		case c == '\\':
			escaped = true
		case c == ',':
			items = append(items, item.String())
			item.Reset()
		default:
			item.WriteRune(c)
		}
	}
	return append(items, item.String())
}
