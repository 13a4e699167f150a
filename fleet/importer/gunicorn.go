package importer

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/shellwords"
)

// gunicornFlags are gunicorn's options: those with an argument, and switches (with !).
var gunicornFlags = func() map[string]string {
	m := map[string]string{}
	for flag := range strings.FieldsSeq(`-c=config --config=config -b=bind --bind=bind --backlog=backlog -w=workers --workers=workers -k=worker_class
		--worker-class=worker_class --threads=threads --worker-connections=worker_connections --max-requests=max_requests
		--max-requests-jitter=max_requests_jitter -t=timeout --timeout=timeout --graceful-timeout=graceful_timeout --keep-alive=keepalive
		--limit-request-line=limit_request_line --limit-request-fields=limit_request_fields --limit-request-field_size=limit_request_field_size
		--reload=!reload --reload-engine=reload_engine --reload-extra-file=reload_extra_files --spew=!spew --check-config=!check_config
		--print-config=!print_config --preload=!preload_app --no-sendfile=!no_sendfile --reuse-port=!reuse_port --chdir=chdir -D=!daemon --daemon=!daemon
		-e=raw_env --env=raw_env -p=pidfile --pid=pidfile --worker-tmp-dir=worker_tmp_dir -u=user --user=user -g=group --group=group -m=umask --umask=umask
		--initgroups=!initgroups --forwarded-allow-ips=forwarded_allow_ips --access-logfile=accesslog --disable-redirect-access-to-syslog=!x
		--access-logformat=access_log_format --error-logfile=errorlog --log-file=errorlog --log-level=loglevel --capture-output=!capture_output
		--logger-class=logger_class --log-config=logconfig --log-syslog-to=syslog_addr --log-syslog=!syslog --log-syslog-prefix=syslog_prefix
		--log-syslog-facility=syslog_facility -R=!enable_stdio_inheritance --enable-stdio-inheritance=!enable_stdio_inheritance --statsd-host=statsd_host
		--dogstatsd-tags=dogstatsd_tags --statsd-prefix=statsd_prefix -n=proc_name --name=proc_name --pythonpath=pythonpath --paste=paste
		--paster=paste --proxy-protocol=!proxy_protocol --proxy-allow-from=proxy_allow_ips --keyfile=keyfile --certfile=certfile --ssl-version=ssl_version
		--cert-reqs=cert_reqs --ca-certs=ca_certs --suppress-ragged-eofs=!x --do-handshake-on-connect=!x --ciphers=ciphers
		--paste-global=raw_paste_global_conf --strip-header-spaces=!strip_header_spaces`) {
		name, setting, _ := strings.Cut(flag, "=")
		m[name] = setting
	}
	return m
}()

// gunicornQuiet are settings that need nothing here.
var gunicornQuiet = strings.Fields(`backlog reload_engine spew check_config print_config no_sendfile sendfile reuse_port daemon pidfile worker_tmp_dir initgroups
	disable_redirect_access_to_syslog access_log_format loglevel capture_output enable_stdio_inheritance proc_name default_proc_name max_requests_jitter x config
	secure_scheme_headers strip_header_spaces suppress_ragged_eofs do_handshake_on_connect tmp_upload_dir worker_connections logger_class keepalive`)

var gunicornLost = map[string]string{
	"reload": "after a change of code run: wsgid-fleet reload APP", "reload_extra_files": "after a change of code run: wsgid-fleet reload APP",
	"statsd_host": "numbers come by the daemon's metrics", "proxy_protocol": "write proxy_protocol into the block gate",
	"logconfig": "configure logging in the application", "logconfig_dict": "configure logging in the application",
	"syslog": "write log { target = \"journal\" }", "syslog_addr": "write log { target = \"journal\" }",
	"paste":       "an application is a module here: write a module that makes it, and name it in wsgi_app",
	"ssl_version": "TLS is chosen by the fleet", "ciphers": "TLS is chosen by the fleet", "cert_reqs": "certificates of clients are a web server's in front",
	"ca_certs": "certificates of clients are a web server's in front",
}

// setting is a gunicorn setting with where it stands.
type setting struct {
	list []string
	was  string
	at   Position
}

func (s setting) value() string {
	if len(s.list) == 0 {
		return ""
	}
	return s.list[len(s.list)-1]
}

// gunicornFile is a gunicorn.conf.py alone, whose application may stand in it.
func (o Options) gunicornFile(path string) ([]*App, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	dir := filepath.Dir(abs)
	a := &App{Name: appNameOf(dir), Source: abs + " (gunicorn)"}
	err = o.gunicorn(a, command{argv: []string{"gunicorn", "-c", abs}, dir: dir, at: Position{File: abs}})
	return []*App{a}, err
}

// gunicorn reads a command line, GUNICORN_CMD_ARGS and the file that either names, or
// that lies in the working directory. A later one sets a setting anew; lists replace
// each other.
func (o Options) gunicorn(a *App, c command) error {
	line, rest, err := gunicornArgs(c.argv[1:], c.at, "")
	if err != nil {
		return err
	}
	env, more, err := gunicornArgs(shellwords.Split(c.env["GUNICORN_CMD_ARGS"]), c.at, "GUNICORN_CMD_ARGS: ")
	if err != nil {
		return err
	}
	rest = append(rest, more...)
	settings := map[string]setting{}
	file := line["config"].value()
	if file == "" {
		file = env["config"].value()
	}
	if file == "" {
		if _, err := os.Stat(filepath.Join(c.dir, "gunicorn.conf.py")); err == nil {
			file = "gunicorn.conf.py"
		}
	}
	if strings.HasPrefix(file, "python:") {
		a.lost(c.at, "--config "+file, "a configuration in a module would import the app: name its file")
	} else if file != "" {
		path := rel(c.dir, strings.TrimPrefix(file, "file:"))
		settings, err = gunicornConfig(path, c.env, gunicornTime)
		if err != nil {
			settings = map[string]setting{}
			a.lost(Position{File: path}, "", "Python cannot read it: "+err.Error())
		}
	}
	for _, from := range []map[string]setting{env, line} {
		maps.Copy(settings, from)
	}
	gunicornFacts(a, c, settings, rest)
	return nil
}

// gunicornArgs reads arguments; rest are those that are no options.
func gunicornArgs(args []string, at Position, prefix string) (map[string]setting, []string, error) {
	settings := map[string]setting{}
	var rest []string
	for i := 0; i < len(args); i++ {
		arg := args[i]
		if !strings.HasPrefix(arg, "-") || arg == "-" {
			rest = append(rest, arg)
			continue
		}
		name, value, has := strings.Cut(arg, "=")
		if !strings.HasPrefix(arg, "--") && len(arg) > 2 {
			name, value, has = arg[:2], strings.TrimPrefix(arg[2:], "="), true
		}
		key := gunicornFlags[name]
		if key == "" && strings.HasPrefix(name, "--") { // argparse takes what begins one name alone
			var found []string
			for flag := range gunicornFlags {
				if strings.HasPrefix(flag, name) {
					found = append(found, flag)
				}
			}
			if len(found) == 1 {
				key = gunicornFlags[found[0]]
			}
		}
		switch {
		case key == "":
			return nil, nil, fmt.Errorf("%s: gunicorn has no option %s, and does not start with it", at, name)
		case key[0] == '!':
			settings[key[1:]] = setting{list: []string{"true"}, was: prefix + arg, at: at}
			continue
		case !has:
			if i++; i >= len(args) {
				return nil, nil, fmt.Errorf("%s: gunicorn's option %s wants a value", at, name)
			}
			value = args[i]
		}
		s := settings[key]
		s.list, s.was, s.at = append(s.list, value), prefix+name+" "+value, at
		if key == "raw_env" {
			s.was = prefix + name
		}
		settings[key] = s
	}
	return settings, rest, nil
}

// gunicornFacts makes facts of settings.
func gunicornFacts(a *App, c command, settings map[string]setting, rest []string) {
	dir := c.dir
	here := Fact{Set: setDirectory, Value: dir, At: c.at}
	if s, ok := settings["chdir"]; ok {
		dir = rel(c.dir, s.value())
		here = Fact{Set: setDirectory, Value: dir, Was: s.was, At: s.at}
	} else {
		for _, f := range a.Facts { // the service's own, which says why
			if f.Set == setDirectory && f.Value == dir && f.Was != "" {
				here = f
			}
		}
	}
	a.add(here)
	set := func(attribute, name, value string) {
		s := settings[name]
		a.add(Fact{Set: attribute, Value: value, Was: s.was, At: s.at})
	}
	app, at, was := settings["wsgi_app"].value(), settings["wsgi_app"].at, settings["wsgi_app"].was
	if len(rest) > 0 {
		app, at, was = rest[0], c.at, c.was
		if len(was) > 100 || was == "" {
			was = app
		}
	}
	if app != "" {
		a.add(Fact{Set: setModule, Value: app, Was: was, At: at})
	}
	// The last one is searched first, before the folder it works in.
	paths := strings.Split(settings["pythonpath"].value(), ",")
	for _, p := range slices.Backward(paths) {
		if p != "" {
			set(setSearchPath, "pythonpath", rel(dir, p))
		}
	}
	a.add(Fact{Set: setSearchPath, Value: dir, At: c.at})
	a.gunicornSockets(c, settings, dir)
	gunicornNumbers(a, c, settings, set)
	for _, kv := range settings["raw_env"].list {
		if key, value, ok := strings.Cut(kv, "="); ok {
			a.add(Fact{Set: setEnv, Key: key, Value: value, At: settings["raw_env"].at})
		}
	}
	for name, attribute := range map[string]string{"user": "user", "group": "group"} {
		if s, ok := settings[name]; ok && s.value() != "" {
			value := userName(s.value())
			if name == "group" {
				value = groupName(s.value())
			}
			set(attribute, name, value)
		}
	}
	if s, ok := settings["forwarded_allow_ips"]; ok {
		a.gunicornTrust(s)
	}
	if s := settings["accesslog"]; s.value() != "" {
		set("log.access", "accesslog", "true")
	}
	if s := settings["errorlog"]; s.value() != "" && s.value() != "-" {
		a.note(s.at, s.was, "the log is logs/wsgid.log of the app folder, rotated by log.max_size and log.keep")
	}
	a.gunicornRest(settings)
}

func (a *App) gunicornTrust(s setting) {
	f := Fact{Set: "request.trusted_proxies", Was: s.was, At: s.at}
	for ip := range strings.SplitSeq(s.value(), ",") {
		switch ip = strings.TrimSpace(ip); {
		case ip == "*":
			f.List = []string{"0.0.0.0/0", "::/0", "unix"}
		case strings.Contains(ip, ":"):
			f.List = append(f.List, ip+"/128")
		case ip != "":
			f.List = append(f.List, ip+"/32")
		}
	}
	a.add(f)
}

func (a *App) gunicornSockets(c command, settings map[string]setting, dir string) {
	bind, ok := settings["bind"]
	if !ok {
		bind = setting{list: []string{"127.0.0.1:8000"}, was: "gunicorn's default", at: c.at}
		if port := c.env["PORT"]; port != "" {
			bind.list, bind.was = []string{"0.0.0.0:" + port}, "PORT"
		}
	}
	mask := int64(0)
	if s, ok := settings["umask"]; ok {
		mask, _ = strconv.ParseInt(s.value(), 0, 32)
	}
	var tls []string
	if cert, key := settings["certfile"].value(), settings["keyfile"].value(); cert != "" {
		tls = []string{rel(dir, cert), rel(dir, either(key, cert))}
	}
	for _, address := range bind.list {
		for one := range strings.SplitSeq(address, ",") {
			f := Fact{Set: setListen, Value: gunicornAddress(strings.TrimSpace(one)), List: tls, Was: bind.was, At: bind.at}
			if strings.HasPrefix(f.Value, "fd:") {
				a.lost(bind.at, bind.was, "write the socket of systemd as systemd:NAME, or its address")
				continue
			}
			if path, ok := strings.CutPrefix(f.Value, "unix:"); ok {
				f.Value = "unix:" + rel(c.dir, path)
				a.add(Fact{Set: setSocketMode, Value: strconv.FormatInt(0o777&^mask, 8), Was: "gunicorn's umask for sockets", At: bind.at})
			}
			a.add(f)
		}
	}
}

// gunicornAddress is an address as our listen has it: without a port it is 8000.
func gunicornAddress(text string) string {
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

func gunicornNumbers(a *App, c command, settings map[string]setting, set func(attribute, name, value string)) {
	if s, ok := settings["workers"]; ok {
		set("workers.count", "workers", s.value())
	} else if n := c.env["WEB_CONCURRENCY"]; n != "" {
		a.add(Fact{Set: "workers.count", Value: n, Was: "WEB_CONCURRENCY", At: c.at})
	}
	for name, to := range map[string][2]string{"threads": {"workers.threads", ""}, "timeout": {"workers.request_timeout", "s"}, "graceful_timeout": {"workers.stop_timeout", "s"},
		"max_requests": {"workers.max_requests", ""}, "limit_request_line": {"request.max_line", ""}, "limit_request_fields": {"request.max_headers", ""}} {
		if s, ok := settings[name]; ok && s.value() != "0" {
			set(to[0], name, s.value()+to[1])
		}
	}
	switch s, ok := settings["timeout"]; {
	case !ok:
		a.add(Fact{Set: "workers.request_timeout", Value: "30s", Was: "gunicorn's default", At: c.at})
	case s.value() == "0":
		set("workers.request_timeout", "timeout", "24h")
	}
	if s := settings["preload_app"]; s.value() == "true" {
		set("workers.preload", "preload_app", "true")
	}
	switch class := settings["worker_class"]; class.value() {
	case "", "sync", "gthread":
	default:
		a.lost(class.at, class.was, "a worker is one process: write workers { threads = 8 } for more requests at a time; an ASGI application needs an ASGI server")
	}
}

// gunicornRest names what is left.
func (a *App) gunicornRest(settings map[string]setting) {
	known := strings.Fields(`chdir wsgi_app pythonpath raw_env user group forwarded_allow_ips accesslog errorlog bind umask certfile keyfile workers threads timeout
		graceful_timeout max_requests limit_request_line limit_request_fields limit_request_field_size preload_app worker_class`)
	for _, name := range sortedKeysOf(settings) {
		s := settings[name]
		switch {
		case slices.Contains(known, name) || slices.Contains(gunicornQuiet, name) || s.value() == "false" || s.value() == "":
		case gunicornLost[name] != "":
			a.lost(s.at, s.was, gunicornLost[name])
		case s.value() == "<function>":
			a.lost(s.at, name, "no function is called around an app: wsgid.postfork and wsgid.prefork take functions of the app, see the README")
		default:
			a.lost(s.at, s.was, "no counterpart of it is known here")
		}
	}
}

// gunicornSettings are the names that a configuration file may set.
var gunicornSettings = func() map[string]bool {
	m := map[string]bool{}
	for _, name := range gunicornFlags {
		m[strings.TrimPrefix(name, "!")] = true
	}
	for name := range strings.FieldsSeq(`wsgi_app logconfig_dict secure_scheme_headers sendfile default_proc_name on_starting on_reload when_ready pre_fork post_fork
		post_worker_init worker_int worker_abort pre_exec pre_request post_request child_exit worker_exit nworkers_changed on_exit ssl_context`) {
		m[name] = true
	}
	return m
}()

// parseGunicorn reads what the child printed of a file.
func parseGunicorn(path string, out []byte) (map[string]setting, error) {
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
	settings := map[string]setting{}
	for name, list := range got.Values {
		if !gunicornSettings[name] {
			continue
		}
		was := name + " = " + strings.Join(list, ", ")
		if name == "raw_env" || isSecretName(name) || len(was) > 120 {
			was = name
		}
		settings[name] = setting{list: list, was: was, at: Position{path, got.Lines[name]}}
	}
	return settings, nil
}
