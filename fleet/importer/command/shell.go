package command

import (
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/facts"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/shellwords"
)

// OfShell is what a shell starts by a line or a script: the command of it that starts a
// server, or the first one, with the folder, the virtualenv and the variables that it has
// by then. What the shell did besides, and what it took from elsewhere, is said of the app.
func OfShell(a *facts.App, c facts.Command, text, instead string) facts.Command {
	line := shellwords.Line(text, c.Env)
	c.Argv = nil
	s := shell{app: a, c: c}
	web := slices.ContainsFunc(line.Commands, startsServer)
	var did []string
	for _, words := range line.Commands {
		for len(words) > 0 && slices.Contains(around, words[0]) {
			words = words[1:]
		}
		if len(words) == 0 {
			continue
		}
		switch {
		case s.prepares(words):
			if !web && !slices.Contains(quietly, words[0]) { // a process has no folder and no variables of its own
				did = append(did, strings.Join(words, " "))
			}
		case startsServer(words) || s.c.Argv == nil && !web:
			s.c.Argv = words
		default:
			did = append(did, strings.Join(words, " "))
		}
	}
	a.OfShell(c.At, c.Was, line, did, instead)
	return s.c
}

// Whole is a line of a shell as a command: its words where it starts one program and does
// nothing else, else the shell with the line.
func Whole(text string, env map[string]string) []string {
	line := shellwords.Line(text, env)
	if len(line.Commands) == 1 && !line.Besides && len(line.Unknown) == 0 && !slices.Contains(around, line.Commands[0][0]) && !facts.Assignment().MatchString(line.Commands[0][0]) {
		return line.Commands[0]
	}
	return []string{"sh", "-c", text}
}

// around are words of a shell around commands.
var around = strings.Fields("if then else elif fi do done while until ! { }")

// startsServer tells of a command that may start a server.
func startsServer(words []string) bool {
	return words[0] != "echo" && slices.ContainsFunc(words, func(w string) bool { return isServer(filepath.Base(w)) })
}

// shell is what one does before it starts a program.
type shell struct {
	app *facts.App
	c   facts.Command
}

// quietly are commands that change nothing for a program that is started later.
var quietly = strings.Fields("echo printf : true set test [ [[ unset shift wait pwd whoami")

// prepares takes a command that only prepares for the one that starts the server.
func (s *shell) prepares(words []string) bool {
	name := words[0]
	switch {
	case name == "cd" && len(words) == 2 && !strings.ContainsAny(words[1], "$`"):
		s.c.Dir = facts.Rel(s.c.Dir, words[1])
		s.app.Add(facts.Fact{Set: facts.SetDirectory, Value: s.c.Dir, Was: "cd " + words[1], At: s.c.At})
	case name == "cd":
		s.app.Lost(s.c.At, strings.Join(words, " "), "which folder that is only the shell knows: write it into working_directory")
	case (name == "source" || name == ".") && len(words) > 1:
		s.sources(words[1])
	case name == "umask" && len(words) == 2:
		s.app.StartedAs(facts.Fact{Set: "umask", Value: words[1], Was: "umask " + words[1], At: s.c.At})
	case name == "ulimit" && len(words) == 3 && words[1] == "-n":
		s.app.Add(facts.Fact{Set: "limits.open_files", Value: words[2], Was: "ulimit -n " + words[2], At: s.c.At})
	case name == "export":
		s.exports(words[1:])
	case slices.Contains(quietly, name):
	default:
		return !slices.ContainsFunc(words, func(w string) bool { return !facts.Assignment().MatchString(w) })
	}
	return true
}

// sources takes the virtualenv that a shell activates.
func (s *shell) sources(file string) {
	bin, name := filepath.Split(facts.Rel(s.c.Dir, file))
	if name == "activate" && filepath.Base(bin) == "bin" {
		s.app.Add(facts.Fact{Set: "virtualenv", Value: filepath.Dir(filepath.Clean(bin)), Was: "source " + file, At: s.c.At})
		return
	}
	s.app.Lost(s.c.At, "source "+file, "what it sets is not known here: write the variables into env, or name the file in env_file if it holds nothing but lines NAME=value")
}

// exports takes variables that a shell hands on.
func (s *shell) exports(words []string) {
	env := maps.Clone(s.c.Env)
	if env == nil {
		env = map[string]string{}
	}
	for _, word := range words {
		if name, value, ok := strings.Cut(word, "="); ok {
			env[name] = value
			s.app.Add(facts.Fact{Set: facts.SetEnv, Key: name, Value: value, Was: "export " + name, At: s.c.At})
		}
	}
	s.c.Env = env
}

// isShell tells of the name of a shell.
func isShell(name string) bool {
	return slices.Contains([]string{"sh", "bash", "dash", "ash", "zsh"}, name)
}

// unshell unwraps sh -c "…".
func unshell(argv []string) (string, bool) {
	if len(argv) < 3 || !isShell(filepath.Base(argv[0])) {
		return "", false
	}
	for i, word := range argv[1:] {
		if strings.HasPrefix(word, "-") && strings.Contains(word, "c") && i+2 < len(argv) {
			return argv[i+2], true
		}
	}
	return "", false
}

// shebang is the first line of a script for a shell.
var shebang = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^#! */(?:\S*/)?(?:env +)?(?:sh|bash|dash|ash|zsh)\b`)
})

// scriptOf is the script of a shell that a command runs, and its text; empty: it runs none
// that can be read.
func scriptOf(c facts.Command) (path, text string) {
	argv := c.Argv
	if len(argv) > 0 && slices.Contains([]string{"exec", "env"}, filepath.Base(argv[0])) {
		argv = argv[1:]
	}
	byShell := len(argv) > 1 && isShell(filepath.Base(argv[0]))
	if byShell {
		argv = argv[1:]
	}
	if len(argv) == 0 || !byShell && !strings.Contains(argv[0], "/") || isServer(filepath.Base(argv[0])) { // pip may begin one so, too
		return "", ""
	}
	path = facts.Rel(c.Dir, argv[0])
	read, err := facts.ReadFile(path)
	if err != nil || !byShell && !shebang().Match(read) {
		return "", ""
	}
	return path, string(read)
}
