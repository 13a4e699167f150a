package facts

import (
	"path/filepath"
	"strconv"
	"strings"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/shellwords"
)

// Command is a command line that starts something, with what surrounds it.
type Command struct {
	Argv []string
	Dir  string            // where it is started
	Env  map[string]string // what is known of its environment
	Was  string            // as it is written
	At   Position
}

// CommandName is a name for a command.
func CommandName(command string, i int) string {
	words := shellwords.Shell(command)
	if len(words) == 0 {
		return "process-" + strconv.Itoa(i+1)
	}
	return AppNameOf(filepath.Base(words[0]))
}

// CommandText is a command as it may be printed: short, and without what may be a
// password.
func CommandText(text string) string {
	text = HideSecrets(strings.Join(strings.Fields(text), " "))
	if len(text) > 120 {
		text = text[:120] + "…"
	}
	return text
}
