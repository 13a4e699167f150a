package importer

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/shellwords"
)

// command is a command line that starts something, with what surrounds it.
type command struct {
	argv []string
	dir  string            // where it is started
	env  map[string]string // what is known of its environment
	was  string            // as it is written
	at   Position
}

// web puts the facts of a command into an app, if it starts a WSGI server; server is
// which one it seems to be.
func (o Options) web(a *App, c command) (server string, err error) {
	argv := c.argv
	for len(argv) > 0 { // what only stands before it
		name := filepath.Base(argv[0])
		switch {
		case name == "env" || name == "exec" || name == "nohup" || name == "sudo" || name == "newrelic-admin":
			argv = argv[1:]
		case name == "run-program" || (name == "run" && len(argv) > 1):
			argv = argv[1:]
		case (name == "pipenv" || name == "poetry" || name == "uv" || name == "honcho") && len(argv) > 1:
			argv = argv[1:]
		case assignment().MatchString(argv[0]):
			key, value, _ := strings.Cut(argv[0], "=")
			a.add(Fact{Set: setEnv, Key: key, Value: value, At: c.at})
			argv = argv[1:]
		case strings.HasPrefix(name, "python") && len(argv) > 2 && argv[1] == "-m":
			a.interpreter(argv[0], c)
			argv = argv[2:]
		case strings.HasPrefix(name, "python") && len(argv) > 1 && isServer(filepath.Base(argv[1])):
			a.interpreter(argv[0], c)
			argv = argv[1:]
		default:
			if server = filepath.Base(argv[0]); !isServer(server) {
				return "", nil
			}
			if strings.Contains(argv[0], "/") {
				a.interpreter(argv[0], c)
			}
			c.argv = argv
			if strings.HasPrefix(server, "uwsgi") {
				return server, o.uwsgiCommand(a, c)
			}
			if strings.HasPrefix(server, "mod_wsgi-express") {
				return server, o.express(a, c)
			}
			return server, o.gunicorn(a, c)
		}
	}
	return "", nil
}

// knownServers is what isServer knows, for people.
const knownServers = "gunicorn, uwsgi, mod_wsgi-express"

func isServer(name string) bool {
	return strings.HasPrefix(name, "mod_wsgi-express") || name == "gunicorn" || name == "gunicorn3" || name == "uwsgi" || name == "uwsgi_python3" || name == "uwsgi-core"
}

// interpreter takes the virtualenv of a program in it.
func (a *App) interpreter(program string, c command) {
	bin := filepath.Dir(rel(c.dir, program))
	if filepath.Base(bin) != "bin" || strings.HasPrefix(bin, "/usr/") || bin == "/bin" {
		return
	}
	a.add(Fact{Set: "virtualenv", Value: filepath.Dir(bin), Was: program, At: c.at})
}

var (
	assignment = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*=`) })
	variable   = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`\$(?:\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}|([A-Za-z_][A-Za-z0-9_]*))`)
	})
)

// shellCommand is a command line that a shell ran: the part of it that starts a
// server, or the last one. lost names what the shell did besides.
func shellCommand(text string, env map[string]string) (argv []string, dir string, lost bool) {
	expanded := variable().ReplaceAllStringFunc(text, func(m string) string {
		parts := variable().FindStringSubmatch(m)
		name := parts[1] + parts[3]
		if v, ok := env[name]; ok && v != "" {
			return v
		}
		return parts[2]
	})
	parts := regexp.MustCompile(`\s*(?:&&|\|\||;|\||&)\s*`).Split(expanded, -1)
	lost = len(parts) > 1 || strings.ContainsAny(text, "`<>(){}*?~") && strings.ContainsAny(variable().ReplaceAllString(text, ""), "`<>*?~")
	for _, part := range parts {
		words := shellwords.Split(part)
		if len(words) == 2 && words[0] == "cd" {
			dir = words[1]
			continue
		}
		if argv == nil || slices.ContainsFunc(words, func(w string) bool { return isServer(filepath.Base(w)) }) {
			argv = words
		}
	}
	return argv, dir, lost
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

// commandName is a name for a command.
func commandName(command string, i int) string {
	words := shellwords.Split(command)
	if len(words) == 0 {
		return "process-" + strconv.Itoa(i+1)
	}
	return appNameOf(filepath.Base(words[0]))
}

// service puts a command into an app whatever it is: a shell's is unwrapped.
func (o Options) service(a *App, c command) (string, error) {
	if inner, ok := unshell(c.argv); ok {
		argv, dir, lost := shellCommand(inner, c.env)
		if lost {
			a.lost(c.at, c.was, "a shell ran it, and what it did besides starting a program is not done: make it a stage of a deploy, or part of the app")
		}
		c.argv = argv
		if dir != "" {
			c.dir = rel(c.dir, dir)
			a.add(Fact{Set: setDirectory, Value: c.dir, Was: "cd " + dir, At: c.at})
		}
	}
	if isInitStart(c.argv) {
		var err error
		if c.argv, err = a.initCommand(rel(c.dir, c.argv[0]), c); err != nil {
			return "", err
		}
	}
	return o.web(a, c)
}

// commandLine is a command line in place of a path, with the variables of this shell.
func (o Options) commandLine(text string) ([]*App, error) {
	dir, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	env := map[string]string{}
	for _, name := range []string{"GUNICORN_CMD_ARGS", "WEB_CONCURRENCY", "PORT"} {
		if v, ok := o.lookupEnv(name); ok {
			env[name] = v
		}
	}
	a := &App{Name: "app", Source: "a command line"}
	server, err := o.service(a, command{argv: shellwords.Split(text), dir: dir, env: env, at: Position{File: "command"}})
	if err != nil {
		return nil, err
	}
	if server == "" {
		return nil, errors.New("it starts no WSGI server that is known here (" + knownServers + ")")
	}
	for _, f := range a.Facts {
		if f.Set == setFile {
			a.Name = appNameOf(strings.TrimSuffix(filepath.Base(f.Value), filepath.Ext(f.Value)))
		}
		if f.Set == setModule {
			name, _, _ := strings.Cut(f.Value, ":")
			name, _, _ = strings.Cut(name, ".")
			a.Name = appNameOf(name)
		}
	}
	return []*App{a}, nil
}

// uwsgiCommand is a command line of uWSGI.
func (o Options) uwsgiCommand(a *App, c command) error {
	conf := &uwsgiConfig{o: o, cwd: c.dir}
	conf.magic.start(c.dir)
	short := map[byte]string{'s': "socket", 'p': "processes", 'w': "module", 'H': "home", 'M': "master", 't': "harakiri", 'x': "xml", 'y': "yaml", 'j': "json",
		'C': "chmod-socket", 'R': "max-requests", 'b': "buffer-size", 'l': "listen", 'L': "disable-logging", 'i': "single-interpreter", 'S': "set", 'd': "daemonize"}
	args := c.argv[1:]
	for i := 0; i < len(args); i++ {
		key, value, has := strings.Cut(strings.TrimPrefix(args[i], "--"), "=")
		switch {
		case strings.HasPrefix(args[i], "--"):
		case strings.HasPrefix(args[i], "-") && len(args[i]) > 1:
			key, has = short[args[i][1]], len(args[i]) > 2
			value = args[i][2:]
			if key == "" {
				a.lost(c.at, args[i], "no counterpart of it is known here")
				continue
			}
		default: // a file, an address, a module
			switch {
			case isVassal(args[i]):
				key, value, has = "include", args[i], true
			case strings.Contains(args[i], ":"):
				key, value, has = "socket", args[i], true
			default:
				continue
			}
		}
		if !has && i+1 < len(args) && !strings.HasPrefix(args[i+1], "-") && !uwsgiSwitch(key) {
			i++
			value = args[i]
		}
		if err := conf.add(key, value, c.at); err != nil {
			return err
		}
	}
	if err := conf.resolve(); err != nil {
		return err
	}
	a.Facts = append(a.Facts, uwsgiApp(conf, a.Name+".ini").Facts...)
	return nil
}

// uwsgiSwitch are options without a value.
func uwsgiSwitch(key string) bool {
	switch key {
	case "master", "vacuum", "need-app", "lazy", "lazy-apps", "die-on-term", "enable-threads", "single-interpreter", "disable-logging",
		"manage-script-name", "thunder-lock", "strict", "no-orphans", "auto-procname", "show-config", "no-site", "log-master":
		return true
	}
	return false
}
