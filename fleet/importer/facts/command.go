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

// CommandName is a name for a command: after its script, its module, or the command of
// manage.py or celery that it runs.
func CommandName(command string, i int) string {
	words := shellwords.Shell(command)
	for len(words) > 0 && Assignment().MatchString(words[0]) {
		words = words[1:]
	}
	if len(words) == 0 {
		return "process-" + strconv.Itoa(i+1)
	}
	name, args := filepath.Base(words[0]), words[1:]
	if strings.HasPrefix(name, "python") {
		for len(args) > 0 && strings.HasPrefix(args[0], "-") && args[0] != "-m" && args[0] != "-c" {
			args = args[1:]
		}
		switch {
		case len(args) > 1 && args[0] == "-m":
			return AppNameOf(args[1])
		case len(args) > 0 && args[0] != "-c":
			name, args = filepath.Base(args[0]), args[1:]
		}
	}
	switch {
	case name == "manage.py" && len(args) > 0:
		return AppNameOf(args[0])
	case name == "celery":
		for _, what := range args {
			if what == "worker" || what == "beat" || what == "flower" {
				return "celery-" + what
			}
		}
	}
	if end := filepath.Ext(name); end == ".py" || end == ".sh" {
		name = strings.TrimSuffix(name, end)
	}
	return AppNameOf(name)
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
