package gunicorn

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/facts"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/shellwords"
)

// Read is a gunicorn.conf.py alone, whose application may stand in it.
func Read(o facts.Options, path string) ([]*facts.App, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	dir := filepath.Dir(abs)
	a := &facts.App{Name: facts.AppNameOf(dir), Source: abs + " (gunicorn)"}
	err = Command(o, a, facts.Command{Argv: []string{"gunicorn", "-c", abs}, Dir: dir, At: facts.Position{File: abs}})
	return []*facts.App{a}, err
}

// Command reads a command line, GUNICORN_CMD_ARGS and the file that either names, or
// that lies in the working directory. A later one sets a setting anew; lists replace
// each other.
func Command(o facts.Options, a *facts.App, c facts.Command) error {
	line, rest, err := parseArgs(c.Argv[1:], c.At, "")
	if err != nil {
		return err
	}
	words, err := shellwords.Shlex(c.Env["GUNICORN_CMD_ARGS"])
	if err != nil {
		return fmt.Errorf("%s: GUNICORN_CMD_ARGS: gunicorn does not start with it: %w", c.At, err)
	}
	env, more, err := parseArgs(words, c.At, "GUNICORN_CMD_ARGS: ")
	if err != nil {
		return err
	}
	rest = append(rest, more...)
	settings := ofFile(a, c, facts.Either(line["config"].Value(), env["config"].Value()))
	for _, from := range []map[string]facts.Setting{env, line} {
		maps.Copy(settings, from)
	}
	addFacts(a, c, settings, rest)
	return nil
}

// ofFile are the settings of a configuration file: the one that is named, else the one that
// lies in the working directory.
func ofFile(a *facts.App, c facts.Command, file string) map[string]facts.Setting {
	if file == "" {
		if _, err := os.Stat(filepath.Join(c.Dir, "gunicorn.conf.py")); err == nil {
			file = "gunicorn.conf.py"
		}
	}
	if strings.HasPrefix(file, "python:") {
		a.Lost(c.At, "--config "+file, "a configuration in a module would import the app: name its file")
	} else if file != "" {
		path := facts.Rel(c.Dir, strings.TrimPrefix(file, "file:"))
		settings, err := evaluate(path, c.Env, timeLimit)
		if err == nil {
			return settings
		}
		a.Lost(facts.Position{File: path}, "", "Python cannot read it: "+err.Error())
	}
	return map[string]facts.Setting{}
}

// workingFolder is where gunicorn runs the app: what chdir says, or where it was started.
func workingFolder(a *facts.App, c facts.Command, settings map[string]facts.Setting) facts.Fact {
	if s, ok := settings["chdir"]; ok {
		return facts.Fact{Set: facts.SetDirectory, Value: facts.Rel(c.Dir, s.Value()), Was: s.Was, At: s.At}
	}
	here := facts.Fact{Set: facts.SetDirectory, Value: c.Dir, At: c.At}
	for _, f := range a.Facts { // the service's own, which says why
		if f.Set == facts.SetDirectory && f.Value == here.Value && f.Was != "" {
			here = f
		}
	}
	return here
}

// addFacts makes facts of settings.
func addFacts(a *facts.App, c facts.Command, settings map[string]facts.Setting, rest []string) {
	here := workingFolder(a, c, settings)
	dir := here.Value
	a.Add(here)
	set := func(attribute, name, value string) {
		s := settings[name]
		a.Add(facts.Fact{Set: attribute, Value: value, Was: s.Was, At: s.At})
	}
	if s, ok := settings["paste"]; ok && s.Value() != "" {
		a.PasteApp(dir, s.Value(), s.Was, s.At) // the file's logging comes with it; its server did not count
	}
	app, at, was := settings["wsgi_app"].Value(), settings["wsgi_app"].At, settings["wsgi_app"].Was
	if len(rest) > 0 {
		app, at, was = rest[0], c.At, c.Was
		if len(was) > 100 || was == "" {
			was = app
		}
	}
	if app != "" {
		a.Add(facts.Fact{Set: facts.SetModule, Value: app, Was: was, At: at})
	}
	// The last one is searched first, before the folder it works in.
	paths := strings.Split(settings["pythonpath"].Value(), ",")
	for _, p := range slices.Backward(paths) {
		if p != "" {
			set(facts.SetSearchPath, "pythonpath", facts.Rel(dir, p))
		}
	}
	a.Add(facts.Fact{Set: facts.SetSearchPath, Value: dir, At: c.At})
	sockets(a, c, settings, dir)
	numbers(a, c, settings, set)
	for _, kv := range settings["raw_env"].List {
		if key, value, ok := strings.Cut(kv, "="); ok {
			a.Add(facts.Fact{Set: facts.SetEnv, Key: key, Value: value, At: settings["raw_env"].At})
		}
	}
	mounted(a, c, settings["raw_env"])
	for name, attribute := range map[string]string{"user": "user", "group": "group"} {
		if s, ok := settings[name]; ok && s.Value() != "" {
			value := facts.UserName(s.Value())
			if name == "group" {
				value = facts.GroupName(s.Value())
			}
			set(attribute, name, value)
		}
	}
	scheme(a, c, settings)
	if s := settings["accesslog"]; s.Value() != "" {
		set("log.access", "accesslog", "true")
		if s.Value() != "-" {
			a.Note(s.At, s.Was, "its lines are among those of the log, logs/wsgid.log of the app folder")
		}
	}
	if s := settings["errorlog"]; s.Value() != "" && s.Value() != "-" {
		a.Note(s.At, s.Was, "the log is logs/wsgid.log of the app folder, rotated by log.max_size and log.keep")
	}
	others(a, settings)
}

// mounted makes the prefix of the app of the variable SCRIPT_NAME: gunicorn takes it off
// the path of each request, and answers 500 to one that does not have it (20.1.0;
// findings/gunicorn-takes-its-prefix-from-a-variable.sh).
func mounted(a *facts.App, c facts.Command, env facts.Setting) {
	f := facts.Fact{Set: "script_name", Value: c.Env["SCRIPT_NAME"], Was: "the variable SCRIPT_NAME", At: c.At}
	for _, kv := range env.List {
		if value, ok := strings.CutPrefix(kv, "SCRIPT_NAME="); ok {
			f.Value, f.At = value, env.At
		}
	}
	if f.Value = strings.TrimRight(f.Value, "/"); f.Value != "" {
		a.Add(f)
	}
}

func sockets(a *facts.App, c facts.Command, settings map[string]facts.Setting, dir string) {
	bind, ok := settings["bind"]
	if !ok {
		bind = facts.Setting{List: []string{"127.0.0.1:8000"}, Was: "gunicorn's default", At: c.At}
		if port := c.Env["PORT"]; port != "" {
			bind.List, bind.Was = []string{"0.0.0.0:" + port}, "PORT"
		}
	}
	mask := int64(0)
	if s, ok := settings["umask"]; ok {
		mask, _ = strconv.ParseInt(s.Value(), 0, 32)
	}
	var tls []string
	if cert, key := settings["certfile"].Value(), settings["keyfile"].Value(); cert != "" {
		tls = []string{facts.Rel(dir, cert), facts.Rel(dir, facts.Either(key, cert))}
	}
	for _, address := range bind.List {
		for one := range strings.SplitSeq(address, ",") {
			f := facts.Fact{Set: facts.SetListen, Value: addressOf(strings.TrimSpace(one)), List: tls, Was: bind.Was, At: bind.At}
			if strings.HasPrefix(f.Value, "fd:") {
				a.Lost(bind.At, bind.Was, "write the socket of systemd as systemd:NAME, or its address")
				continue
			}
			if path, ok := strings.CutPrefix(f.Value, "unix:"); ok {
				f.Value = "unix:" + facts.Rel(c.Dir, path)
				a.Add(facts.Fact{Set: facts.SetSocketMode, Value: strconv.FormatInt(0o777&^mask, 8), Was: "gunicorn's umask for sockets", At: bind.At})
			}
			a.Add(f)
		}
	}
}

// addressOf is an address as our listen has it: without a port it is 8000.
func addressOf(text string) string {
	text = strings.TrimPrefix(strings.TrimPrefix(text, "tcp://"), "http://")
	switch {
	case strings.HasPrefix(text, "unix://"):
		return "unix:" + strings.TrimPrefix(text, "unix://")
	case strings.HasPrefix(text, "unix:"), strings.HasPrefix(text, "fd://"):
		return strings.Replace(text, "fd://", "fd:", 1)
	case strings.HasPrefix(text, "[") && !strings.Contains(text, "]:"), !strings.Contains(text, ":"):
		return text + ":8000"
	}
	return text
}

// numbered are the settings that gunicorn does not start without a number for.
var numbered = []string{"workers", "threads", "timeout", "graceful_timeout", "max_requests", "limit_request_line", "limit_request_fields"}

func numbers(a *facts.App, c facts.Command, settings map[string]facts.Setting, set func(attribute, name, value string)) {
	for _, name := range numbered {
		s, ok := settings[name]
		if _, err := strconv.ParseInt(s.Value(), 0, 64); ok && err != nil {
			a.Lost(s.At, s.Was, "it is no number, and gunicorn does not start with it")
			delete(settings, name)
		}
	}
	if s, ok := settings["workers"]; ok {
		set("workers.count", "workers", s.Value())
	} else if n := c.Env["WEB_CONCURRENCY"]; n != "" {
		a.Add(facts.Fact{Set: "workers.count", Value: n, Was: "WEB_CONCURRENCY", At: c.At})
	}
	for name, to := range map[string][2]string{"threads": {"workers.threads", ""}, "timeout": {"workers.request_timeout", "s"}, "graceful_timeout": {"workers.stop_timeout", "s"},
		"max_requests": {"workers.max_requests", ""}, "limit_request_line": {"request.max_line", ""}, "limit_request_fields": {"request.max_headers", ""}} {
		switch s, ok := settings[name]; {
		case ok && s.Value() != "0":
			set(to[0], name, s.Value()+to[1])
		case ok && strings.HasPrefix(name, "limit_"):
			a.Note(s.At, s.Was, "it was without a limit; here "+to[0]+" says it")
		}
	}
	if s, ok := settings["limit_request_field_size"]; ok {
		if n, err := strconv.ParseInt(s.Value(), 0, 64); err != nil || n <= 0 || n > 80<<10 {
			a.Note(s.At, s.Was, "the head of a request may be as large as request.max_head says")
		}
	}
	with := threaded(settings)
	keepAlive(a, settings, with, set)
	switch s, ok := settings["timeout"]; {
	case with:
		if !ok {
			s = facts.Setting{Was: "gunicorn's timeout of 30 s", At: c.At}
		}
		a.Add(facts.Fact{Set: "workers.request_timeout", Value: "24h", Was: s.Was + "; with threads gunicorn ends no request by it, however long it takes", At: s.At})
	case !ok:
		a.Add(facts.Fact{Set: "workers.request_timeout", Value: "30s", Was: "gunicorn's default", At: c.At})
	case s.Value() == "0":
		set("workers.request_timeout", "timeout", "24h")
	}
	if s := settings["preload_app"]; s.Value() == "true" {
		set("workers.preload", "preload_app", "true")
	}
	switch class := settings["worker_class"]; class.Value() {
	case "", "sync", "gthread":
	default:
		a.Lost(class.At, class.Was, "a worker is one process: write workers { threads = 8 } for more requests at a time; an ASGI application needs an ASGI server")
	}
}

// threaded tells whether a worker answers its requests in threads: then gunicorn watches
// the one that hands them out, which is never late, and timeout ends no request (20.1.0;
// findings/gunicorn-threads-know-no-timeout.sh).
func threaded(settings map[string]facts.Setting) bool {
	switch settings["worker_class"].Value() {
	case "gthread":
		return true
	case "", "sync":
		n, err := strconv.ParseInt(settings["threads"].Value(), 0, 64)
		return err == nil && n > 1
	}
	return false
}

// keepAlive carries over how long a connection waits for its next request: workers of one
// thread close each.
func keepAlive(a *facts.App, settings map[string]facts.Setting, threads bool, set func(attribute, name, value string)) {
	switch s, ok := settings["keepalive"]; {
	case !ok:
	case threads && s.Value() != "0":
		set("request.keep_alive_timeout", "keepalive", s.Value()+"s")
	default:
		a.Note(s.At, s.Was, "gunicorn closed each connection after its answer; here it waits for request.keep_alive_timeout")
	}
}

// others names what is left.
func others(a *facts.App, settings map[string]facts.Setting) {
	known := strings.Fields(`chdir wsgi_app paste pythonpath raw_env user group forwarded_allow_ips accesslog errorlog bind umask certfile keyfile workers threads timeout
		graceful_timeout max_requests limit_request_line limit_request_fields limit_request_field_size preload_app worker_class secure_scheme_headers keepalive`)
	for _, name := range facts.SortedKeys(settings) {
		s := settings[name]
		switch {
		case slices.Contains(known, name) || slices.Contains(quiet, name) || s.Value() == "false" || s.Value() == "":
		case name == "access_log_format" && settings["accesslog"].Value() == "":
		case told[name] != "":
			a.Note(s.At, s.Was, told[name])
		case name == "logger_class" && strings.HasSuffix(s.Value(), "glogging.Logger"):
		case lostWhy[name] != "":
			a.Lost(s.At, s.Was, lostWhy[name])
		case s.Value() == "<function>":
			a.Lost(s.At, name, "no function is called around an app: wsgid.postfork and wsgid.prefork take functions of the app, see the README")
		default:
			a.Lost(s.At, s.Was, "no counterpart of it is known here")
		}
	}
}

// parse reads what the child printed of a file.
func parse(path string, out []byte) (map[string]facts.Setting, error) {
	var got struct {
		Error  string
		Values map[string][]string
		Lines  map[string]int
	}
	if err := json.Unmarshal(out, &got); err != nil {
		return nil, fmt.Errorf("it ended before it was through")
	}
	if got.Error != "" {
		return nil, fmt.Errorf("%s", got.Error)
	}
	settings := map[string]facts.Setting{}
	for name, list := range got.Values {
		if !known[name] {
			continue
		}
		was := name + " = " + strings.Join(list, ", ")
		if name == "raw_env" || facts.IsSecretName(name) || len(was) > 120 {
			was = name
		}
		settings[name] = facts.Setting{List: list, Was: was, At: facts.Position{File: path, Line: got.Lines[name]}}
	}
	return settings, nil
}
