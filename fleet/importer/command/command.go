package command

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/apache"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/facts"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/gunicorn"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/uwsgi"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/shellwords"
)

// web puts the facts of a command into an app, if it starts a WSGI server; server is
// which one it seems to be.
func web(o facts.Options, a *facts.App, c facts.Command) (server string, err error) {
	argv := c.Argv
	for len(argv) > 0 { // what only stands before it
		name := filepath.Base(argv[0])
		switch {
		case name == "env" || name == "exec" || name == "nohup" || name == "sudo" || name == "newrelic-admin":
			argv = argv[1:]
		case name == "run-program" || (name == "run" && len(argv) > 1):
			argv = argv[1:]
		case (name == "pipenv" || name == "poetry" || name == "uv" || name == "honcho") && len(argv) > 1:
			argv = argv[1:]
		case facts.Assignment().MatchString(argv[0]):
			key, value, _ := strings.Cut(argv[0], "=")
			a.Add(facts.Fact{Set: facts.SetEnv, Key: key, Value: value, At: c.At})
			argv = argv[1:]
		case strings.HasPrefix(name, "python") && len(argv) > 2 && argv[1] == "-m":
			interpreter(a, argv[0], c)
			argv = argv[2:]
		case strings.HasPrefix(name, "python") && len(argv) > 1 && isServer(filepath.Base(argv[1])):
			interpreter(a, argv[0], c)
			argv = argv[1:]
		default:
			if server = filepath.Base(argv[0]); !isServer(server) {
				return "", nil
			}
			if strings.Contains(argv[0], "/") {
				interpreter(a, argv[0], c)
			}
			c.Argv = argv
			if strings.HasPrefix(server, "uwsgi") {
				return server, uwsgi.Command(o, a, c)
			}
			if strings.HasPrefix(server, "mod_wsgi-express") {
				return server, apache.Express(o, a, c)
			}
			return server, gunicorn.Command(o, a, c)
		}
	}
	return "", nil
}

// KnownServers is what isServer knows, for people.
const KnownServers = "gunicorn, uwsgi, mod_wsgi-express"

func isServer(name string) bool {
	return strings.HasPrefix(name, "mod_wsgi-express") || name == "gunicorn" || name == "gunicorn3" || name == "uwsgi" || name == "uwsgi_python3" || name == "uwsgi-core"
}

// interpreter takes the virtualenv of a program in it.
func interpreter(a *facts.App, program string, c facts.Command) {
	bin := filepath.Dir(facts.Rel(c.Dir, program))
	if filepath.Base(bin) != "bin" || strings.HasPrefix(bin, "/usr/") || bin == "/bin" {
		return
	}
	a.Add(facts.Fact{Set: "virtualenv", Value: filepath.Dir(bin), Was: program, At: c.At})
}

// OfShell is what a shell starts by a line: the command of it that starts a server, or
// the first one, and the folder that it changed into before. What it did besides, and
// what it took from elsewhere, is said of the app.
func OfShell(a *facts.App, c facts.Command, text, instead string) facts.Command {
	line := shellwords.Line(text, c.Env)
	c.Argv = nil
	for _, words := range line.Commands {
		if len(words) == 2 && words[0] == "cd" {
			c.Dir = facts.Rel(c.Dir, words[1])
			a.Add(facts.Fact{Set: facts.SetDirectory, Value: c.Dir, Was: "cd " + words[1], At: c.At})
			continue
		}
		if c.Argv == nil || slices.ContainsFunc(words, func(w string) bool { return isServer(filepath.Base(w)) }) {
			c.Argv = words
		}
	}
	a.OfShell(c.At, c.Was, line, instead)
	return c
}

// unshell unwraps sh -c "…".
func unshell(argv []string) (string, bool) {
	if len(argv) < 3 {
		return "", false
	}
	switch filepath.Base(argv[0]) {
	case "sh", "bash", "dash", "ash", "zsh":
		for i, word := range argv[1:] {
			if strings.HasPrefix(word, "-") && strings.Contains(word, "c") && i+2 < len(argv) {
				return argv[i+2], true
			}
		}
	}
	return "", false
}

// Service puts a command into an app whatever it is: a shell's is unwrapped.
func Service(o facts.Options, a *facts.App, c facts.Command) (string, error) {
	if inner, ok := unshell(c.Argv); ok {
		c = OfShell(a, c, inner, ": make it a stage of a deploy, or part of the app")
	}
	if isInitStart(c.Argv) {
		var err error
		if c.Argv, err = initCommand(a, facts.Rel(c.Dir, c.Argv[0]), c); err != nil {
			return "", err
		}
	}
	return web(o, a, c)
}

// Read is a command line in place of a path, with the variables of this shell.
func Read(o facts.Options, text string) ([]*facts.App, error) {
	dir, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	env := map[string]string{}
	for _, name := range []string{"GUNICORN_CMD_ARGS", "WEB_CONCURRENCY", "PORT", "FORWARDED_ALLOW_IPS"} {
		if v, ok := o.Env(name); ok {
			env[name] = v
		}
	}
	a := &facts.App{Name: "app", Source: "a command line"}
	server, err := Service(o, a, facts.Command{Argv: shellwords.Shell(text), Dir: dir, Env: env, At: facts.Position{File: "command"}})
	if err != nil {
		return nil, err
	}
	if server == "" {
		return nil, errors.New("it starts no WSGI server that is known here (" + KnownServers + ")")
	}
	for _, f := range a.Facts {
		if f.Set == facts.SetFile {
			a.Name = facts.AppNameOf(strings.TrimSuffix(filepath.Base(f.Value), filepath.Ext(f.Value)))
		}
		if f.Set == facts.SetModule {
			name, _, _ := strings.Cut(f.Value, ":")
			name, _, _ = strings.Cut(name, ".")
			a.Name = facts.AppNameOf(name)
		}
	}
	return []*facts.App{a}, nil
}
