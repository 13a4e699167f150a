package command

import (
	"errors"
	"os"
	"path/filepath"
	"strings"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/apache"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/facts"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/gunicorn"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/paste"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/uwsgi"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/waitress"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/shellwords"
)

// Service puts a command into an app, if it starts a WSGI server, be it by a shell or
// another program; server is which one it seems to be.
func Service(o facts.Options, a *facts.App, c facts.Command) (server string, err error) {
	if inner, ok := unshell(c.Argv); ok {
		c = OfShell(a, c, inner, ": make it a stage of a deploy, or part of the app")
	}
	if isInitStart(c.Argv) {
		if c.Argv, err = initCommand(a, facts.Rel(c.Dir, c.Argv[0]), c); err != nil {
			return "", err
		}
	} else if script, text := scriptOf(c); script != "" {
		c.At, c.Was = facts.Position{File: script}, ""
		c = OfShell(a, c, text, ": make it a stage of a deploy, or part of the app")
	}
	return web(o, a, c)
}

// web puts the facts of a program into an app.
func web(o facts.Options, a *facts.App, c facts.Command) (server string, err error) {
	c.Argv = unwrapped(a, c)
	if len(c.Argv) == 0 {
		return "", nil
	}
	program := c.Argv[0]
	if server = filepath.Base(program); !isServer(server) {
		return "", nil
	}
	if strings.Contains(program, "/") {
		interpreter(a, program, c)
	}
	switch {
	case strings.HasPrefix(server, "uwsgi"):
		return server, uwsgi.Command(o, a, c)
	case paste.IsServer(server):
		return server, paste.Command(o, a, c)
	case server == "waitress-serve":
		return server, waitress.Command(a, c)
	case strings.HasPrefix(server, "mod_wsgi-express"):
		return server, apache.Express(o, a, c)
	}
	return server, gunicorn.Command(o, a, c)
}

// KnownServers is what isServer knows, for people.
const KnownServers = "gunicorn, uwsgi, mod_wsgi-express, waitress-serve, pserve"

func isServer(name string) bool {
	return strings.HasPrefix(name, "mod_wsgi-express") || name == "gunicorn" || name == "gunicorn3" || name == "uwsgi" || name == "uwsgi_python3" || name == "uwsgi-core" || name == "waitress-serve" || paste.IsServer(name)
}

// interpreter takes the virtualenv of a program in it.
func interpreter(a *facts.App, program string, c facts.Command) {
	bin := filepath.Dir(facts.Rel(c.Dir, program))
	if filepath.Base(bin) != "bin" || strings.HasPrefix(bin, "/usr/") || bin == "/bin" {
		return
	}
	a.Add(facts.Fact{Set: "virtualenv", Value: filepath.Dir(bin), Was: program, At: c.At})
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
			a.Name = facts.NameOfFile(facts.Rel(dir, f.Value))
		}
		if f.Set == facts.SetModule {
			name, _, _ := strings.Cut(f.Value, ":")
			name, _, _ = strings.Cut(name, ".")
			a.Name = facts.AppNameOf(name)
		}
	}
	return []*facts.App{a}, nil
}
