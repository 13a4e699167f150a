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
		if o.key == "smart-attach-daemon" || o.key == "smart-attach-daemon2" {
			_, command, _ = strings.Cut(command, " ")
		}
		line := shellwords.Line(command, u.env()) // uWSGI hands it to a shell
		if len(line.Commands) == 0 {
			u.lose(o, "it has no command")
			continue
		}
		u.app.OfShell(o.at, was(o), line, ": put it into a script of the app")
		u.app.Add(facts.Fact{Set: facts.SetProcess, Key: facts.CommandName(command, i), List: line.Commands[0], Was: was(o), At: o.at})
	}
	u.crons()
}
