package importer

import (
	"fmt"
	"strings"
)

// expressSwitches are options of mod_wsgi-express without a value.
var expressSwitches = words(`--http2 --ssl-environment --https-only --allow-localhost --enable-sendfile --disable-reloading --reload-on-changes --directory-listing
	--error-override --compress-responses --server-metrics --enable-telemetry --free-threading --server-status --access-log --startup-log --verbose-debugging
	--log-to-terminal --chunked-request --with-php5 --with-cgi --orphan-interpreter --embedded-mode --enable-docs --debug-mode --enable-coverage --enable-profiler
	--enable-recorder --enable-gdb --setup-only --rotate-logs --enable-debugger --debugger-startup`)

// expressPairs are options with two values.
var expressPairs = words(`--url-alias --error-document --proxy-mount-point --proxy-url-alias --proxy-virtual-host --setenv --add-handler --service-script --service-user
	--service-group --service-log-file`)

// expressQuiet need nothing here.
var expressQuiet = words(`--access-log-format --error-log-format --error-log-name --access-log-name --startup-log-name --rotate-logs --rotatelogs-executable --log-level
	--log-to-terminal --startup-log --verbose-debugging --server-root --log-directory --pid-file --socket-prefix --modules-directory --httpd-executable --shell-executable
	--mime-types --process-name --python-eggs --application-group --process-group --max-clients --minimum-spare-workers --maximum-spare-workers --initial-workers
	--server-backlog --daemon-backlog --send-buffer-size --receive-buffer-size --header-buffer-size --response-buffer-size --response-socket-timeout --response-flush-delay
	--connect-timeout --deadlock-timeout --graceful-timeout --eviction-timeout --enable-sendfile --disable-reloading --server-mpm --map-head-to-get --http2 --server-name
	--server-alias --allow-localhost --log-directory --lang --locale --service-user --service-group --service-log-file --header-max-timeout --header-min-rate
	--body-max-timeout --body-min-rate --chunked-request --setup-only --application-type --entry-point --callable-object --host --port --https-port --ssl-port
	--ssl-certificate-file --ssl-certificate-key-file --ssl-certificate --ssl-certificate-chain-file --working-directory --python-path --mount-point`)

// expressNumbers have an attribute here, with the unit behind the number.
var expressNumbers = map[string][2]string{
	"--processes": {"workers.count", ""}, "--threads": {"workers.threads", ""}, "--maximum-requests": {"workers.max_requests", ""},
	"--request-timeout": {"workers.request_timeout", "s"}, "--shutdown-timeout": {"workers.stop_timeout", "s"}, "--startup-timeout": {"workers.start_timeout", "s"},
	"--restart-interval": {"workers.max_age", "s"}, "--queue-timeout": {"workers.queue_timeout", "s"}, "--header-timeout": {"request.header_timeout", "s"},
	"--body-timeout": {"request.body_timeout", "s"}, "--keep-alive-timeout": {"request.keep_alive_timeout", "s"}, "--limit-request-body": {"request.max_body", ""},
	"--max-log-size": {"log.max_size", "MB"}, "--umask": {"umask", ""},
}

// expressLost are not carried over, with what to do instead.
var expressLost = map[string]string{
	"--setenv": apacheEnviron, "--passenv": apacheEnviron, "--reload-on-changes": "after a change of code run: wsgid-fleet reload APP",
	"--rewrite-rules": apacheRewrite, "--proxy-mount-point": apacheRewrite, "--proxy-url-alias": apacheRewrite, "--proxy-virtual-host": apacheRewrite,
	"--auth-user-script": apacheAccess, "--auth-group-script": apacheAccess, "--host-access-script": apacheAccess, "--hsts-policy": apacheHeaders,
	"--compress-responses": "answers are not compressed: a filter of the app, or a web server in front, does it", "--https-only": "write redirect = true into a gate's http block",
	"--include-file": "what Apache's directives in it do is not carried over: import that file as well", "--document-root": "write a static block for the folder",
	"--envvars-script":     "what the shell sets there is not known here: write the variables into env",
	"--inactivity-timeout": apacheLostOptions["inactivity-timeout"], "--cpu-time-limit": apacheLostOptions["cpu-time-limit"], "--interrupt-timeout": apacheLostOptions["interrupt-timeout"],
	"--embedded-mode": "workers are processes of their own here",
}

// express reads a command of mod_wsgi-express, which writes a configuration of Apache
// and starts it: the working directory comes first on the path, and its defaults are
// not those of mod_wsgi.
func (o Options) express(a *App, c command) error {
	given := map[string]setting{}
	var rest []string
	args := c.argv[1:]
	if len(args) == 0 || args[0] != "start-server" && args[0] != "setup-server" {
		return fmt.Errorf("%s: %s starts no server: its command is start-server or setup-server", c.at, commandText(strings.Join(c.argv, " ")))
	}
	for i := 1; i < len(args); i++ {
		name, value, has := strings.Cut(args[i], "=")
		if !strings.HasPrefix(name, "--") {
			rest = append(rest, args[i])
			continue
		}
		s := setting{list: given[name].list, was: args[i], at: c.at}
		count := 1
		switch {
		case expressSwitches[name]:
			count, value = 0, "true"
		case expressPairs[name]:
			count = 2
		}
		var words []string
		if has || count == 0 {
			words = append(words, value)
			count--
		}
		for ; count > 0; count-- {
			if i++; i >= len(args) {
				return fmt.Errorf("%s: mod_wsgi-express's option %s wants a value", c.at, name)
			}
			words = append(words, args[i])
		}
		if !expressSwitches[name] {
			s.was = name + " " + strings.Join(words, " ")
		}
		s.list = append(s.list, strings.Join(words, "\x00"))
		given[name] = s
	}
	a.express(c, given, rest)
	return nil
}

func (a *App) express(c command, given map[string]setting, rest []string) {
	set := func(attribute, name, value string) {
		a.add(Fact{Set: attribute, Value: value, Was: given[name].was, At: c.at})
	}
	byDefault := func(attribute, name, value string) {
		if _, ok := given[name]; !ok {
			a.add(Fact{Set: attribute, Value: value, Was: "mod_wsgi-express's default", At: c.at})
		}
	}
	dir := rel(c.dir, either(given["--working-directory"].value(), c.dir))
	a.add(Fact{Set: setDirectory, Value: dir, Was: either(given["--working-directory"].was, "where it was started"), At: c.at})
	a.add(Fact{Set: setSearchPath, Value: dir, At: c.at})
	for _, one := range given["--python-path"].list {
		set(setSearchPath, "--python-path", rel(c.dir, one))
	}
	entry := given["--entry-point"].value()
	if entry == "" && len(rest) > 0 {
		entry = rest[0]
	}
	callable := either(given["--callable-object"].value(), "application")
	switch kind := either(given["--application-type"].value(), "script"); {
	case entry == "":
	case kind == "script":
		a.add(Fact{Set: setFile, Key: callable, Value: rel(c.dir, entry), Was: entry, At: c.at})
	case kind == "module":
		a.add(Fact{Set: setModule, Key: callable, Value: entry, Was: entry, At: c.at})
	default:
		a.lost(c.at, "--application-type "+kind, "an application is a module here: write a module that makes it, and name it in wsgi_app")
	}
	if prefix := strings.TrimRight(given["--mount-point"].value(), "/"); prefix != "" {
		set("script_name", "--mount-point", prefix)
	}
	a.expressSockets(c, given)
	for _, pair := range given["--url-alias"].list {
		url, folder, _ := strings.Cut(pair, "\x00")
		a.add(Fact{Set: setStatic, Key: url, Value: rel(c.dir, folder), Was: "--url-alias " + url + " " + folder, At: c.at})
	}
	if s, ok := given["--user"]; ok {
		set("user", "--user", userName(strings.TrimPrefix(s.value(), "#")))
	}
	if s, ok := given["--group"]; ok {
		set("group", "--group", groupName(strings.TrimPrefix(s.value(), "#")))
	}
	if s, ok := given["--lang"]; ok {
		a.add(Fact{Set: setEnv, Key: "LANG", Value: s.value(), Was: s.was, At: c.at})
	}
	if s, ok := given["--locale"]; ok {
		a.add(Fact{Set: setEnv, Key: "LC_ALL", Value: s.value(), Was: s.was, At: c.at})
	}
	for _, pair := range given["--service-script"].list {
		name, script, _ := strings.Cut(pair, "\x00")
		a.add(Fact{Set: setProcess, Key: name, List: []string{"python3", rel(c.dir, script)}, Was: "--service-script " + name + " " + script, At: c.at})
	}
	if given["--access-log"].value() != "" {
		set("log.access", "--access-log", "true")
	}
	if s, ok := given["--trust-proxy"]; ok {
		s.list = []string{strings.Join(s.list, ",")}
		a.gunicornTrust(s)
	}
	if s, ok := given["--trust-proxy-header"]; ok {
		a.add(Fact{Set: "request.trusted_headers", List: strings.Fields(strings.ToLower(strings.Join(s.list, " "))), Was: s.was, At: c.at})
	}
	byDefault("workers.threads", "--threads", "5")
	byDefault("workers.request_timeout", "--request-timeout", "60s")
	byDefault("request.max_body", "--limit-request-body", "10485760")
	if given["--chunked-request"].value() == "" {
		a.note(c.at, "", "bodies of unknown length (chunked) were refused with 411 without --chunked-request; they reach the app here")
	}
	a.expressRest(given)
}

func (a *App) expressSockets(c command, given map[string]setting) {
	host := given["--host"].value()
	port := given["--port"]
	if port.value() == "" {
		port = setting{list: []string{"8000"}, was: "mod_wsgi-express's default", at: c.at}
	}
	a.add(Fact{Set: setListen, Value: host + ":" + port.value(), Was: port.was, At: c.at})
	https := given["--https-port"]
	if https.value() == "" {
		https = given["--ssl-port"]
	}
	if https.value() == "" {
		return
	}
	cert, key := given["--ssl-certificate-file"].value(), given["--ssl-certificate-key-file"].value()
	if base := given["--ssl-certificate"].value(); base != "" {
		cert, key = base+".crt", base+".key"
	}
	a.add(Fact{Set: setListen, Value: host + ":" + https.value(), List: []string{rel(c.dir, cert), rel(c.dir, either(key, cert))}, Was: https.was, At: c.at})
}

func (a *App) expressRest(given map[string]setting) {
	for _, name := range sortedKeysOf(given) {
		s := given[name]
		to, isNumber := expressNumbers[name]
		switch {
		case isNumber && s.value() == "0" && name == "--request-timeout":
			a.add(Fact{Set: to[0], Value: "24h", Was: s.was, At: s.at})
		case isNumber && s.value() == "0" && name != "--umask":
		case isNumber:
			a.add(Fact{Set: to[0], Value: s.value() + to[1], Was: s.was, At: s.at})
		case expressLost[name] != "":
			for _, one := range s.list {
				first, _, _ := strings.Cut(one, "\x00")
				a.lost(s.at, strings.TrimSuffix(name+" "+first, " true"), expressLost[name])
			}
		case expressQuiet[name] || name == "--url-alias" || name == "--service-script" || name == "--user" || name == "--group" || name == "--access-log" || strings.HasPrefix(name, "--trust-proxy"):
		default:
			a.lost(s.at, commandText(strings.ReplaceAll(s.was, "\x00", " ")), "no counterpart of it is known here")
		}
	}
}
