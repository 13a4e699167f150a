package apache

import (
	"fmt"
	"strings"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/facts"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/gunicorn"
)

// expressSwitches are options of mod_wsgi-express without a value.
var expressSwitches = facts.Words(`--http2 --ssl-environment --https-only --allow-localhost --enable-sendfile --disable-reloading --reload-on-changes --directory-listing
	--error-override --compress-responses --server-metrics --enable-telemetry --free-threading --server-status --access-log --startup-log --verbose-debugging
	--log-to-terminal --chunked-request --with-php5 --with-cgi --orphan-interpreter --embedded-mode --enable-docs --debug-mode --enable-coverage --enable-profiler
	--enable-recorder --enable-gdb --setup-only --rotate-logs --enable-debugger --debugger-startup`)

// expressPairs are options with two values.
var expressPairs = facts.Words(`--url-alias --error-document --proxy-mount-point --proxy-url-alias --proxy-virtual-host --setenv --add-handler --service-script --service-user
	--service-group --service-log-file`)

// expressQuiet need nothing here.
var expressQuiet = facts.Words(`--access-log-format --error-log-format --error-log-name --access-log-name --startup-log-name --rotate-logs --rotatelogs-executable --log-level
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
	"--setenv": facts.OnlyInEnviron, "--passenv": facts.OnlyInEnviron, "--reload-on-changes": "after a change of code run: wsgid-fleet reload APP",
	"--rewrite-rules": facts.NoRewrites, "--proxy-mount-point": facts.NoRewrites, "--proxy-url-alias": facts.NoRewrites, "--proxy-virtual-host": facts.NoRewrites,
	"--auth-user-script": facts.NoAccessRules, "--auth-group-script": facts.NoAccessRules, "--host-access-script": facts.NoAccessRules, "--hsts-policy": facts.NoHeaders,
	"--compress-responses": "answers are not compressed: a filter of the app, or a web server in front, does it", "--https-only": "write redirect = true into a gate's http block",
	"--include-file": "what Apache's directives in it do is not carried over: import that file as well", "--document-root": "write a static block for the folder",
	"--envvars-script":     "what the shell sets there is not known here: write the variables into env",
	"--inactivity-timeout": lostOptions["inactivity-timeout"], "--cpu-time-limit": lostOptions["cpu-time-limit"], "--interrupt-timeout": lostOptions["interrupt-timeout"],
	"--embedded-mode": "workers are processes of their own here",
}

// Express reads a command of mod_wsgi-express, which writes a configuration of Apache
// and starts it: the working directory comes first on the path, and its defaults are
// not those of mod_wsgi.
func Express(o facts.Options, a *facts.App, c facts.Command) error {
	given := map[string]facts.Setting{}
	var rest []string
	args := c.Argv[1:]
	if len(args) == 0 || args[0] != "start-server" && args[0] != "setup-server" {
		return fmt.Errorf("%s: %s starts no server: its command is start-server or setup-server", c.At, facts.CommandText(strings.Join(c.Argv, " ")))
	}
	for i := 1; i < len(args); i++ {
		name, value, has := strings.Cut(args[i], "=")
		if !strings.HasPrefix(name, "--") {
			rest = append(rest, args[i])
			continue
		}
		s := facts.Setting{List: given[name].List, Was: args[i], At: c.At}
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
				return fmt.Errorf("%s: mod_wsgi-express's option %s wants a value", c.At, name)
			}
			words = append(words, args[i])
		}
		if !expressSwitches[name] {
			s.Was = name + " " + strings.Join(words, " ")
		}
		s.List = append(s.List, strings.Join(words, "\x00"))
		given[name] = s
	}
	express(a, c, given, rest)
	return nil
}

func express(a *facts.App, c facts.Command, given map[string]facts.Setting, rest []string) {
	set := func(attribute, name, value string) {
		a.Add(facts.Fact{Set: attribute, Value: value, Was: given[name].Was, At: c.At})
	}
	byDefault := func(attribute, name, value string) {
		if _, ok := given[name]; !ok {
			a.Add(facts.Fact{Set: attribute, Value: value, Was: "mod_wsgi-express's default", At: c.At})
		}
	}
	dir := facts.Rel(c.Dir, facts.Either(given["--working-directory"].Value(), c.Dir))
	a.Add(facts.Fact{Set: facts.SetDirectory, Value: dir, Was: facts.Either(given["--working-directory"].Was, "where it was started"), At: c.At})
	a.Add(facts.Fact{Set: facts.SetSearchPath, Value: dir, At: c.At})
	for _, one := range given["--python-path"].List {
		set(facts.SetSearchPath, "--python-path", facts.Rel(c.Dir, one))
	}
	entry := given["--entry-point"].Value()
	if entry == "" && len(rest) > 0 {
		entry = rest[0]
	}
	callable := facts.Either(given["--callable-object"].Value(), "application")
	switch kind := facts.Either(given["--application-type"].Value(), "script"); {
	case entry == "":
	case kind == "script":
		a.Add(facts.Fact{Set: facts.SetFile, Key: callable, Value: facts.Rel(c.Dir, entry), Was: entry, At: c.At})
	case kind == "module":
		a.Add(facts.Fact{Set: facts.SetModule, Key: callable, Value: entry, Was: entry, At: c.At})
	default:
		a.Lost(c.At, "--application-type "+kind, "an application is a module here: write a module that makes it, and name it in wsgi_app")
	}
	if prefix := strings.TrimRight(given["--mount-point"].Value(), "/"); prefix != "" {
		set("script_name", "--mount-point", prefix)
	}
	expressSockets(a, c, given)
	for _, pair := range given["--url-alias"].List {
		url, folder, _ := strings.Cut(pair, "\x00")
		a.Add(facts.Fact{Set: facts.SetStatic, Key: url, Value: facts.Rel(c.Dir, folder), Was: "--url-alias " + url + " " + folder, At: c.At})
	}
	if s, ok := given["--user"]; ok {
		set("user", "--user", facts.UserName(strings.TrimPrefix(s.Value(), "#")))
	}
	if s, ok := given["--group"]; ok {
		set("group", "--group", facts.GroupName(strings.TrimPrefix(s.Value(), "#")))
	}
	if s, ok := given["--lang"]; ok {
		a.Add(facts.Fact{Set: facts.SetEnv, Key: "LANG", Value: s.Value(), Was: s.Was, At: c.At})
	}
	if s, ok := given["--locale"]; ok {
		a.Add(facts.Fact{Set: facts.SetEnv, Key: "LC_ALL", Value: s.Value(), Was: s.Was, At: c.At})
	}
	for _, pair := range given["--service-script"].List {
		name, script, _ := strings.Cut(pair, "\x00")
		a.Add(facts.Fact{Set: facts.SetProcess, Key: name, List: []string{"python3", facts.Rel(c.Dir, script)}, Was: "--service-script " + name + " " + script, At: c.At})
	}
	if given["--access-log"].Value() != "" {
		set("log.access", "--access-log", "true")
	}
	if s, ok := given["--trust-proxy"]; ok {
		s.List = []string{strings.Join(s.List, ",")}
		gunicorn.Trust(a, s)
	}
	if s, ok := given["--trust-proxy-header"]; ok {
		a.Add(facts.Fact{Set: "request.trusted_headers", List: strings.Fields(strings.ToLower(strings.Join(s.List, " "))), Was: s.Was, At: c.At})
	}
	byDefault("workers.threads", "--threads", "5")
	if _, ok := given["--request-timeout"]; !ok {
		limit := meanOf("60", facts.Either(given["--threads"].Value(), "5"))
		a.Add(facts.Fact{Set: "workers.request_timeout", Value: limit.value + "s", Was: "mod_wsgi-express's default of 60 s" + limit.why, At: c.At})
	}
	byDefault("request.max_body", "--limit-request-body", "10485760")
	if given["--chunked-request"].Value() == "" {
		a.Note(c.At, "", "bodies of unknown length (chunked) were refused with 411 without --chunked-request; they reach the app here")
	}
	a.Note(c.At, "", cleaned)
	expressNames(a, given)
	expressRest(a, given)
}

// expressNames says what became of requests for other names: mod_wsgi-express makes a
// virtual host of the name, and one that is closed of all others.
func expressNames(a *facts.App, given map[string]facts.Setting) {
	s, ok := given["--server-name"]
	if !ok {
		return
	}
	a.Note(s.At, s.Was, "Apache answered 403 to requests for other names; here they reach the app, as by ALLOWED_HOSTS of Django it checks them: or write hosts, and a gate")
	if parent, is := strings.CutPrefix(strings.ToLower(s.Value()), "www."); is {
		a.Lost(s.At, s.Was, "requests for "+parent+" were redirected to it: do it in the app, or in a web server in front")
	}
}

func expressSockets(a *facts.App, c facts.Command, given map[string]facts.Setting) {
	host := given["--host"].Value()
	port := given["--port"]
	if port.Value() == "" {
		port = facts.Setting{List: []string{"8000"}, Was: "mod_wsgi-express's default", At: c.At}
	}
	a.Add(facts.Fact{Set: facts.SetListen, Value: host + ":" + port.Value(), Was: port.Was, At: c.At})
	https := given["--https-port"]
	if https.Value() == "" {
		https = given["--ssl-port"]
	}
	if https.Value() == "" {
		return
	}
	cert, key := given["--ssl-certificate-file"].Value(), given["--ssl-certificate-key-file"].Value()
	if base := given["--ssl-certificate"].Value(); base != "" {
		cert, key = base+".crt", base+".key"
	}
	a.Add(facts.Fact{Set: facts.SetListen, Value: host + ":" + https.Value(), List: []string{facts.Rel(c.Dir, cert), facts.Rel(c.Dir, facts.Either(key, cert))}, Was: https.Was, At: c.At})
}

func expressRest(a *facts.App, given map[string]facts.Setting) {
	for _, name := range facts.SortedKeys(given) {
		s := given[name]
		to, isNumber := expressNumbers[name]
		switch {
		case isNumber && s.Value() == "0" && name == "--request-timeout":
			a.Add(facts.Fact{Set: to[0], Value: "24h", Was: s.Was, At: s.At})
		case isNumber && s.Value() == "0" && name != "--umask":
		case name == "--request-timeout":
			limit := meanOf(s.Value(), facts.Either(given["--threads"].Value(), "5"))
			a.Add(facts.Fact{Set: to[0], Value: limit.value + to[1], Was: s.Was + limit.why, At: s.At})
		case isNumber:
			a.Add(facts.Fact{Set: to[0], Value: s.Value() + to[1], Was: s.Was, At: s.At})
		case expressLost[name] != "":
			for _, one := range s.List {
				first, _, _ := strings.Cut(one, "\x00")
				a.Lost(s.At, strings.TrimSuffix(name+" "+first, " true"), expressLost[name])
			}
		case expressQuiet[name] || name == "--url-alias" || name == "--service-script" || name == "--user" || name == "--group" || name == "--access-log" || strings.HasPrefix(name, "--trust-proxy"):
		default:
			a.Lost(s.At, facts.CommandText(strings.ReplaceAll(s.Was, "\x00", " ")), "no counterpart of it is known here")
		}
	}
}
