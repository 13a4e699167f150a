package apache

import (
	"os"
	"os/user"
	"strconv"
	"strings"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/facts"
)

// apacheTimes are options of WSGIDaemonProcess that have an attribute here, with the
// unit behind the number.
var numbers = map[string][2]string{
	"processes": {"workers.count", ""}, "threads": {"workers.threads", ""}, "maximum-requests": {"workers.max_requests", ""}, "umask": {"umask", ""},
	"request-timeout": {"workers.request_timeout", "s"}, "shutdown-timeout": {"workers.stop_timeout", "s"}, "startup-timeout": {"workers.start_timeout", "s"},
	"restart-interval": {"workers.max_age", "s"}, "queue-timeout": {"workers.queue_timeout", "s"}, "socket-timeout": {"request.body_timeout", "s"},
	"virtual-memory-limit": {"limits.address_space", ""},
}

// quietOptions need nothing here.
var quietOptions = facts.Words(`display-name listen-backlog socket-user deadlock-timeout connect-timeout send-buffer-size receive-buffer-size header-buffer-size
	response-buffer-size response-socket-timeout graceful-timeout eviction-timeout`)

// lostOptions are not carried over, with what to do instead.
var lostOptions = map[string]string{
	"inactivity-timeout": "a worker that has nothing to do is stopped by workers { min = 0, max = …, idle_timeout = … }",
	"chroot":             "write chroot = true, and put code and virtualenv into the app folder, which is / then",
	"memory-limit":       "write limits { memory = … }, or workers { max_memory = … }", "cpu-time-limit": "write limits { cpu = … }", "cpu-priority": "there is nothing of that kind here",
	"supplementary-groups": "workers have the groups of their user", "script-user": "the workers have one user: user", "script-group": "the workers have one group: group",
	"stack-size": "threads have the stack that Python gives them: the app may set threading.stack_size", "switch-interval": "let the app call sys.setswitchinterval",
	"server-metrics":    "numbers come by wsgid-fleet status -o json, and as metrics; there is no module mod_wsgi",
	"interrupt-timeout": "the stack of a worker that takes too long is in the log",
}

// quiet are directives that need nothing here, or were taken elsewhere.
var quiet = facts.Words(`wsgiscriptalias wsgidaemonprocess wsgiprocessgroup wsgiapplicationgroup wsgicallableobject wsgipythonhome wsgipythonpath wsgipassauthorization
	wsgichunkedrequest wsgiscriptreloading wsgisocketprefix wsgisocketrotation wsgilazyinitialization wsgirestrictembedded wsgirestrictprocess wsgirestrictstdin wsgirestrictstdout
	wsgirestrictsignal wsgiverbosedebugging wsgicasesensitivity wsgiacceptmutex wsgidestroyinterpreter wsgienablesendfile
	listen servername serveralias serveradmin sslengine sslcertificatefile sslcertificatekeyfile
	sslhonorcipherorder sslsessiontickets sslsessioncache user group documentroot loglevel allowoverride satisfy directoryindex serversignature
	servertokens maxkeepaliverequests logformat errorlogformat pidfile mutex defaultruntimedir
	accessfilename indexoptions indexignore traceenable fileetag protocols rewriteengine authname authuserfile authgroupfile authbasicprovider mimemagicfile
	typesconfig acceptpathinfo allowencodedslashes mergeslashes enablesendfile enablemmap startservers minspareservers maxspareservers minsparethreads maxsparethreads threadlimit
	threadsperchild maxrequestworkers maxconnectionsperchild namevirtualhost`)

// lostWhy are directives that are not carried over, with what to do instead.
var lostWhy = map[string]string{
	"setenv": facts.OnlyInEnviron, "passenv": facts.OnlyInEnviron, "setenvif": facts.OnlyInEnviron, "setenvifnocase": facts.OnlyInEnviron, "browsermatch": facts.OnlyInEnviron, "unsetenv": facts.OnlyInEnviron,
	"rewriterule": facts.NoRewrites, "rewritecond": facts.NoRewrites, "rewritemap": facts.NoRewrites, "redirect": facts.NoRewrites, "redirectmatch": facts.NoRewrites,
	"redirectpermanent": facts.NoRewrites, "redirecttemp": facts.NoRewrites, "proxypass": facts.NoRewrites, "proxypassmatch": facts.NoRewrites, "proxypassreverse": facts.NoRewrites,
	"header": facts.NoHeaders, "requestheader": facts.NoHeaders, "expiresactive": facts.NoHeaders, "expiresdefault": facts.NoHeaders, "expiresbytype": facts.NoHeaders,
	"require": facts.NoAccessRules, "deny": facts.NoAccessRules, "authtype": facts.NoAccessRules, "wsgiauthuserscript": facts.NoAccessRules, "wsgiauthgroupscript": facts.NoAccessRules, "wsgiaccessscript": facts.NoAccessRules,
	"sslverifyclient": "certificates of clients are a web server's in front", "sslcacertificatefile": "certificates of clients are a web server's in front",
	"sslcertificatechainfile": "tls.cert is one file: append these certificates to it, else clients do not find who signed the first one",
	"errordocument":           "a failure of the app is answered by the fleet, with no page of its own", "wsgierroroverride": "a failure of the app is answered by the fleet, with no page of its own",
	"wsgiimportscript": "a worker imports the app before it serves: nothing is named for that", "wsgidispatchscript": "no script chooses among applications: make an app of each",
	"wsgihandlerscript": "one application answers for the app: name it in wsgi_app", "wsgiscriptaliasmatch": "a pattern names many applications: make an app of each",
	"addhandler": "what an ending runs is not looked for: make an app of each script", "sethandler": "make an app of each script",
	"aliasmatch": "a static block has no pattern: write the folder's url and dir", "scriptalias": "no CGI programs are run", "scriptaliasmatch": "no CGI programs are run",
	"use":             "its macro is defined in another file: import the main file, apache2.conf or httpd.conf, or write the host out",
	"addoutputfilter": facts.NoHeaders, "addoutputfilterbytype": notCompressed, "setoutputfilter": notCompressed, "contentdigest": facts.NoHeaders,
	"wsgitrustedproxyheaders": "write request { trusted_headers = […] }", "wsgitrustedproxies": "write request { trusted_proxies = […] }",
}

// facts are those of an app.
func (c *conf) facts(a *app) {
	host := a.scopes[0]
	c.application(a, host)
	_, where := c.group(a.alias, host)
	if a.group == "" {
		a.app.Lost(where.at, where.was, "it ran in Apache's own processes, as many as its MPM says: write workers { count = …, threads = … }")
		c.process(a, directive{}, nil)
	} else if daemon, ok := c.daemon(a.group); ok {
		options := map[string]string{}
		for _, arg := range daemon.args[1:] {
			if key, value, ok := strings.Cut(arg, "="); ok {
				options[key] = strings.Trim(value, `'"`)
			}
		}
		c.process(a, daemon, options)
	} else {
		a.app.Lost(where.at, where.was, "no WSGIDaemonProcess "+a.group+" was read: say what it has in user, workers and env, or import the file that holds it as well")
		c.process(a, directive{}, map[string]string{})
	}
	c.allows(a, host)
	c.startsOfPython(a)
	c.rest(a)
}

func (c *conf) daemon(group string) (directive, bool) {
	for _, d := range c.all {
		if d.name == "wsgidaemonprocess" && d.arg(0) == group {
			return d, true
		}
	}
	return directive{}, false
}

// unused names groups of processes that no app is run by.
func (c *conf) unused(apps []*app) {
	for _, d := range c.all {
		used := false
		for _, a := range apps {
			used = used || a.group == d.arg(0)
		}
		if d.name == "wsgidaemonprocess" && !used {
			apps[0].app.Lost(d.at, "WSGIDaemonProcess "+d.arg(0), "no application that is imported here runs in it")
		}
	}
}

func (c *conf) application(a *app, host *virtualHost) {
	callable := c.setting("wsgicallableobject", host).arg(0)
	for _, arg := range a.alias.args[2:] {
		if name, ok := strings.CutPrefix(arg, "callable-object="); ok {
			callable = name
		}
	}
	file := facts.Rel(c.root, strings.TrimRight(a.alias.args[1], "/"))
	f := facts.Fact{Set: facts.SetFile, Key: callable, Value: file, Was: a.alias.was, At: a.alias.at}
	if info, err := os.Stat(file); err == nil && info.IsDir() {
		a.app.Lost(f.At, f.Was, "each file of the folder is an application of its own: make an app of each, with wsgi_app and script_name")
		return
	}
	a.app.Add(f)
	if a.url != "" {
		a.app.Add(facts.Fact{Set: "script_name", Value: a.url, Was: a.alias.was, At: a.alias.at})
		if root := c.setting("documentroot", host); root.name != "" {
			a.app.Lost(root.at, root.was, "files outside of "+a.url+" were Apache's: write a static block for those that are needed")
		}
	}
}

// userHome is the folder of a user who is named by user=; empty: there is none.
func userHome(name string) string {
	u, err := user.Lookup(name)
	if err != nil {
		return ""
	}
	if info, err := os.Stat(u.HomeDir); err != nil || !info.IsDir() {
		return ""
	}
	return u.HomeDir
}

// process are the facts of the processes; options is nil in Apache's own.
func (c *conf) process(a *app, daemon directive, options map[string]string) {
	shown := "WSGIDaemonProcess " + a.group
	at := daemon.at
	set := func(attribute, key, value string) {
		a.app.Add(facts.Fact{Set: attribute, Value: value, Was: shown + " " + key + "=" + options[key], At: at})
	}
	home := options["python-home"]
	if home != "" {
		set("virtualenv", "python-home", facts.Rel(c.root, home))
	} else if d := c.setting("wsgipythonhome", nil); d.name != "" {
		a.app.Add(facts.Fact{Set: "virtualenv", Value: facts.Rel(c.root, d.arg(0)), Was: d.was, At: d.at})
	}
	// The folder of the script is not on the path; home= is, before python-path.
	if dir := options["home"]; dir != "" {
		set(facts.SetDirectory, "home", dir)
		set(facts.SetSearchPath, "home", dir)
	} else if dir := userHome(options["user"]); dir != "" {
		a.app.Add(facts.Fact{Set: facts.SetDirectory, Value: dir, Was: "no home=, so it was that of user=" + options["user"], At: at})
	} else {
		a.app.Add(facts.Fact{Set: facts.SetDirectory, Value: "/", Was: "no home=, so it was Apache's own", At: at})
	}
	path, from := options["python-path"], at
	if d := c.setting("wsgipythonpath", nil); options == nil && d.name != "" {
		path, from = d.arg(0), d.at
	}
	for one := range strings.SplitSeq(path, ":") {
		if one != "" {
			a.app.Add(facts.Fact{Set: facts.SetSearchPath, Value: one, Was: "python-path", At: from})
		}
	}
	for _, attribute := range []string{"user", "group"} {
		name := func(text string) string {
			text = strings.TrimPrefix(text, "#")
			if attribute == "group" {
				return facts.GroupName(text)
			}
			return facts.UserName(text)
		}
		d := c.setting(attribute, nil)
		switch own := options[attribute]; {
		case own != "":
			set(attribute, attribute, name(own))
		case attribute == "group" && options["user"] != "": // the user's own
		case d.name != "" && !strings.Contains(d.arg(0), "${"):
			a.app.Add(facts.Fact{Set: attribute, Value: name(d.arg(0)), Was: d.was, At: d.at})
		case c.defined["APACHE_RUN_"+strings.ToUpper(attribute)] != "":
			a.app.Add(facts.Fact{Set: attribute, Value: c.defined["APACHE_RUN_"+strings.ToUpper(attribute)], Was: "envvars", At: facts.Position{File: "envvars"}})
		}
	}
	for _, key := range facts.SortedKeys(options) {
		value := options[key]
		switch to := numbers[key]; {
		case key == "user" || key == "group" || key == "home" || key == "python-path" || key == "python-home" || quietOptions[key]:
		case key == "lang" || key == "locale":
			name := map[string]string{"lang": "LANG", "locale": "LC_ALL"}[key]
			a.app.Add(facts.Fact{Set: facts.SetEnv, Key: name, Value: value, Was: key, At: at})
		case key == "python-eggs":
			a.app.Add(facts.Fact{Set: facts.SetEnv, Key: "PYTHON_EGG_CACHE", Value: value, Was: key, At: at})
		case to[0] != "" && (value == "0" && key != "umask" || value == ""):
		case key == "request-timeout":
			limit := meanOf(value, facts.Either(options["threads"], "15"))
			a.app.Add(facts.Fact{Set: to[0], Value: limit.value + to[1], Was: shown + " request-timeout=" + value + limit.why, At: at})
		case to[0] != "":
			set(to[0], key, value+to[1])
		default:
			a.app.Lost(at, shown+" "+key+"="+value, facts.Either(lostOptions[key], "no counterpart of it is known here"))
		}
	}
	if options != nil && options["threads"] == "" {
		a.app.Add(facts.Fact{Set: "workers.threads", Value: "15", Was: "mod_wsgi's default", At: at})
	}
	if n := options["request-timeout"]; n == "" || n == "0" {
		a.app.Add(facts.Fact{Set: "workers.request_timeout", Value: "24h", Was: "no request-timeout, so no limit", At: facts.Position{File: "mod_wsgi"}})
	}
}

// cleaned is what Apache did to paths (2.4.71 with mod_wsgi 4.9.4, measured).
const cleaned = "Apache took . and .. out of the path of a request, made one of several slashes, and answered 404 to %2F; the app gets the path as the client sent it: one that opens files by it has to check it"

// allows says what Apache kept from the app, and the fleet does not.
func (c *conf) allows(a *app, host *virtualHost) {
	on := func(name string) bool { return strings.EqualFold(c.setting(name, host).arg(0), "on") }
	if !on("wsgipassauthorization") {
		a.app.Note(facts.Position{}, "", "mod_wsgi withheld the header Authorization from the app without WSGIPassAuthorization On; the app gets it here")
	}
	if a.group != "" && !strings.EqualFold(c.setting("wsgiscriptreloading", host).arg(0), "off") {
		a.app.Note(facts.Position{}, "", "mod_wsgi started the app anew when the file of WSGIScriptAlias was touched; here run, after a change of code: wsgid-fleet reload APP")
	}
	a.app.Note(facts.Position{}, "", cleaned)
	if !on("wsgichunkedrequest") {
		a.app.Note(facts.Position{}, "", "mod_wsgi refused bodies of unknown length (chunked) with 411 without WSGIChunkedRequest On; they reach the app here, with their length as CONTENT_LENGTH")
	}
}

// rest takes or names all other directives that count for an app.
func (c *conf) rest(a *app) {
	statics := false
	for _, d := range c.all {
		mine := d.host == nil
		for _, s := range a.scopes {
			mine = mine || d.host == s
		}
		if !mine {
			continue
		}
		set := func(attribute, value string) {
			a.app.Add(facts.Fact{Set: attribute, Value: value, Was: d.was, At: d.at})
		}
		was := strings.Join(append(append([]string(nil), d.within...), d.was), " ")
		switch why := lostWhy[d.name]; {
		case d.name == "alias" && len(d.args) > 1:
			a.app.Add(facts.Fact{Set: facts.SetStatic, Key: d.args[0], Value: facts.Rel(c.root, d.args[1]), Was: d.was, At: d.at})
			statics = true
		case d.name == "require" && len(d.args) == 2 && strings.EqualFold(d.args[0]+d.args[1], "allgranted"),
			d.name == "require" && d.host == nil && len(d.within) > 0 && strings.Contains(d.within[len(d.within)-1], "Files"):
		case d.name == "require" && d.host == nil && len(d.within) > 0 && strings.HasSuffix(d.within[len(d.within)-1], " />"): // the default of all
		case d.name == "sethandler" && (strings.EqualFold(d.arg(0), "none") || strings.EqualFold(d.arg(0), "default-handler")): // files, as below an Alias
		case d.name == "customlog":
			if !facts.HasFact(a.app, "log.access") {
				set("log.access", "true")
			}
		case d.name == "limitrequestbody" && d.arg(0) != "0":
			set("request.max_body", d.arg(0))
		case d.name == "limitrequestline":
			set("request.max_line", d.arg(0))
		case d.name == "limitrequestfields" && d.arg(0) != "0":
			set("request.max_headers", d.arg(0))
		case d.name == "keepalivetimeout":
			set("request.keep_alive_timeout", d.arg(0)+"s")
		case d.name == "timeout":
			set("request.body_timeout", d.arg(0)+"s")
		case d.name == "setenv" || d.name == "passenv" || d.name == "setenvif":
			a.app.Lost(d.at, strings.SplitN(d.was, " ", 2)[0]+" "+d.arg(0), why)
		case why != "":
			a.app.Lost(d.at, facts.CommandText(was), why)
		case c.differs(a, d, facts.CommandText(was)):
		case quiet[d.name] || d.host == nil:
		default:
			a.app.Lost(d.at, facts.CommandText(was), "no counterpart of it is known here")
		}
	}
	if statics {
		a.app.Note(facts.Position{}, "", "for a file that is not there Apache answered 404 below an Alias, and for a folder its index.html; the app is asked here")
	}
	if n, err := strconv.Atoi(c.setting("limitrequestfieldsize", nil).arg(0)); err == nil && n > 80<<10 {
		a.app.Note(c.setting("limitrequestfieldsize", nil).at, "LimitRequestFieldSize", "the head of a request may be as large as request.max_head says")
	}
}
