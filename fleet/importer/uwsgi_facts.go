package importer

import (
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/shellwords"
)

// uwsgiTrue is a switch: everything but false, off, no and 0 turns it on.
func uwsgiTrue(value string) bool {
	switch strings.ToLower(value) {
	case "false", "off", "no", "0":
		return false
	}
	return true
}

// uwsgiFacts makes the facts of an instance from its options.
type uwsgiFacts struct {
	c    *uwsgiConfig
	app  *App
	last map[string]*option
	all  map[string][]*option
}

// uwsgiApp is the app of a configuration.
func uwsgiApp(c *uwsgiConfig, file string) *App {
	name := strings.TrimSuffix(filepath.Base(file), filepath.Ext(file))
	if folder := filepath.Base(filepath.Dir(file)); name == "uwsgi" && folder != "/" && folder != "." {
		name = folder // /etc/mailman3/uwsgi.ini is no app "uwsgi"
	}
	u := &uwsgiFacts{c: c, last: map[string]*option{}, all: map[string][]*option{},
		app: &App{Name: appNameOf(name), Source: file + " (uWSGI)"}}
	for _, o := range c.options {
		key := uwsgiNames[o.key]
		if key == "" {
			key = o.key
		}
		u.last[key] = o
		u.all[key] = append(u.all[key], o)
	}
	u.app.Facts = append(u.app.Facts, c.said...)
	if c.asked {
		u.app.note(Position{}, "", "the configuration asks the environment: what was taken is that of this shell, which may not be uWSGI's")
	}
	u.make()
	return u.app
}

// uwsgiNames are the other names of options.
var uwsgiNames = func() map[string]string {
	m := map[string]string{}
	for name, others := range map[string]string{
		"processes": "workers", "wsgi-file": "file", "module": "wsgi", "home": "virtualenv venv pyhome",
		"pythonpath": "python-path pp", "socket": "uwsgi-socket", "chmod-socket": "chmod",
		"http": "http-to", "max-requests": "", "static-map2": "", "check-static": "", "cheaper": "",
		"attach-daemon": "attach-daemon2 smart-attach-daemon smart-attach-daemon2 legion-attach-daemon",
		"logto":         "logto2 daemonize daemonize2", "log-maxsize": "log-max-size", "cron": "cron2 unique-cron legion-cron",
		"reload-on-rss": "evil-reload-on-rss", "reload-mercy": "worker-reload-mercy", "env": "",
	} {
		for other := range strings.FieldsSeq(others) {
			m[other] = name
		}
	}
	return m
}()

// uwsgiQuiet are options that need nothing here.
var uwsgiQuiet = strings.Fields(`ini include inherit xml xmlconfig yaml yml json js config set set-placeholder set-ph end endfor endif end-if end-for
	plugin plugins need-plugin need-plugins plugin-dir plugins-dir autoload master master-as-root vacuum die-on-term need-app enable-threads single-interpreter
	strict lazy lazy-apps no-orphans thunder-lock auto-procname procname procname-prefix procname-prefix-spaced procname-append procname-master pidfile pidfile2 safe-pidfile
	safe-pidfile2 buffer-size post-buffering-bufsize listen so-keepalive so-send-timeout tcp-nodelay reuse-port harakiri-verbose memory-report
	close-on-exec close-on-exec2 show-config log-date log-format log-format-strftime logformat log-4xx log-5xx log-slow log-big log-zero log-prefix log-master log-reopen log-truncate
	log-backupname logger req-logger logto max-requests-delta min-worker-lifetime manage-script-name disable-write-exception ignore-sigpipe ignore-write-errors
	py-call-osafterfork python-version http-auto-chunked http-chunked-input http-raw-body add-header-dummy no-defer-accept abstract-socket wsgi-env-behavior
	wsgi-env-behaviour wsgi-strict mimefile stats-no-cores stats-no-metrics emperor vassals-inherit vassals-include vassals-inherit-before
	vassals-include-before vassals-set vassal-set emperor-tyrant protocol callable threads-stacksize threads-stack-size http-socket-modifier1 http-modifier1 route-run-dummy
	exit-on-reload no-default-app http-auto-gzip single-threaded print iprint declare-option static-safe logfile-chown logfile-chmod chmod-socket-dummy cheaper-algo cheaper-initial cheaper-step cheaper-overload cheaper-idle reload-os-env
	for for-glob for-times for-readline if-opt if-not-opt if-env ifenv if-not-env if-reload if-not-reload if-exists ifexists if-not-exists if-file if-not-file if-dir ifdir if-directory
	if-not-dir if-plugin ifplugin if-not-plugin if-hostname if-not-hostname disable-logging processes chmod-socket chown-socket`)

// uwsgiNumbers are options of one number that have an attribute here, with the unit
// behind the number.
var uwsgiNumbers = map[string][2]string{
	"harakiri": {"workers.request_timeout", "s"}, "max-requests": {"workers.max_requests", ""}, "threads": {"workers.threads", ""},
	"max-worker-lifetime": {"workers.max_age", "s"}, "reload-on-rss": {"workers.max_memory", "MiB"}, "limit-as": {"limits.address_space", "MiB"},
	"reload-mercy": {"workers.stop_timeout", "s"}, "max-fd": {"limits.open_files", ""}, "limit-nproc": {"limits.processes", ""},
	"limit-post": {"request.max_body", ""}, "socket-timeout": {"request.body_timeout", "s"}, "log-maxsize": {"log.max_size", ""},
	"idle": {"workers.idle_timeout", "s"},
}

// uwsgiLost are options that are not carried over, with what to do instead.
var uwsgiLost = []struct{ names, why string }{
	{"touch-reload touch-workers-reload touch-chain-reload touch-mules-reload fs-reload py-autoreload py-auto-reload python-autoreload python-auto-reload", "after a change of code run: wsgid-fleet reload APP"},
	{"spooler spooler-external spooler-processes mule mules farm queue cache cache2 sharedarea locks snmp legion subscribe-to subscribe2 metric rpc", "the module uwsgi is not there: use a queue of jobs such as celery or rq, or a cache such as redis"},
	{"gevent gevent-monkey-patch async asyncio ugreen greenlet tornado loop", "a worker is one process: write workers { threads = 8 } for more requests at a time"},
	{"hook-asap hook-pre-jail hook-post-jail hook-in-jail hook-as-root hook-as-user hook-pre-app hook-post-app hook-accepting hook-accepting1 hook-as-user-atexit hook-as-emperor hook-as-vassal exec-asap exec-pre-jail exec-post-jail exec-in-jail exec-as-root exec-as-user exec-as-user-atexit exec-pre-app exec-post-app hook-post-fork hook-touch", "nothing is run around an app: commands of a release are stages of a deploy"},
	{"route route-run route-uri route-host route-if route-label route-final final-route response-route error-route", "requests are not rewritten: do it in the app, or in a web server in front"},
	{"chroot", "write chroot = true, and put code and virtualenv into the app folder, which is / then"},
	{"stats stats-server", "numbers come by wsgid-fleet status -o json, and as metrics"},
	{"ssl-sessions-use-cache hsts add-header del-header rem-header collect-header response-header-limit", "headers of answers are the app's, or a web server's in front"},
	{"cap unshare cgroup namespace private-mnt pivot-root setns setns-socket", "limits of resources are the block limits; write chroot = true for a root of its own"},
	{"paste ini-paste ini-paste-logged web3 pump wsgi-lite pecan python-raw eval", "an application is a module here: write a module that makes it, and name it in wsgi_app"},
	{"import pyimport py-import python-import shared-import shared-pyimport shared-python-import spooler-import", "import it in the module of the application"},
	{"static-index static-skip-ext static-gzip static-gzip-all static-gzip-dir static-gzip-ext", "static blocks serve .gz, .br and .zst files beside a file, and no index of a folder"},
	{"static-expires static-expires-mtime static-expires-type static-expires-uri", "write max_age into the static block"},
	{"offload-threads cpu-affinity cpu-cores nice reload-on-as evil-reload-on-as cheaper-rss-limit-soft cheaper-rss-limit-hard vassal-sos vassal-sos-backlog", "there is nothing of that kind here"},
	{"paste-logger paste-config-logging log-encoder log-req-encoder log-route log-req-route", "configure logging in the application"},
	{"apparmor-profile apparmor selinux", "write it into the unit of wsgid-fleet, for all apps"},
	{"py-tracebacker profiler python-worker-override", "the stack of a worker that takes too long is in the log"},
	{"http-timeout http-connect-timeout http-keepalive", "see request.header_timeout, body_timeout and keep_alive_timeout"},
	{"exec fork-server emperor-wrapper emperor-on-demand-extension emperor-stats vassals-start-hook vassals-stop-hook", "vassals are apps of the fleet; one of workers.min = 0 is started by its first request"},
	{"fastcgi-socket scgi-socket http-socket-https shared-socket zerg zeromq mongrel2", "the fleet speaks HTTP and mongrel2: write a socket into the block sockets"},
	{"envdir early-envdir", "write the variables into env, secret ones as NAME = trimspace(file(\"/path\"))"},
	{"chdir2", "workers start in their app folder: the app should find its files by __file__"},
	{"remap-modifier modifier1 modifier2", "only Python is run"},
}

var uwsgiLostWhy = func() map[string]string {
	m := map[string]string{}
	for _, l := range uwsgiLost {
		for name := range strings.FieldsSeq(l.names) {
			m[name] = l.why
		}
	}
	return m
}()

// was is an option as it is written, without what may be secret.
func was(o *option) string {
	if isSecretName(o.key) || o.key == "env" {
		name, _, _ := strings.Cut(o.value, "=")
		if o.key != "env" {
			name = "…"
		}
		return o.key + " = " + name
	}
	value := o.value
	if len(value) > 120 {
		value = value[:120] + "…"
	}
	return o.key + " = " + value
}

func (u *uwsgiFacts) fact(set string, o *option, value string) {
	u.app.add(Fact{Set: set, Value: value, Was: was(o), At: o.at})
}

func (u *uwsgiFacts) lose(o *option, why string) { u.app.lost(o.at, was(o), why) }

// on is a switch that stands in the configuration and is on.
func (u *uwsgiFacts) on(key string) bool {
	o := u.last[key]
	return o != nil && uwsgiTrue(o.value)
}

func (u *uwsgiFacts) make() {
	cwd := &option{value: u.c.cwd}
	if o := u.last["chdir"]; o != nil {
		cwd = o
	}
	dir := u.c.abs(cwd.value)
	f := Fact{Set: setDirectory, Value: dir, At: cwd.at}
	if cwd.key != "" {
		f.Was = was(cwd)
	}
	u.app.add(f)
	u.application(dir)
	u.sockets(dir)
	u.workers()
	u.user()
	u.environment()
	u.statics(dir)
	u.logs()
	u.beside()
	u.rest()
}

// rel is a path as it was meant in the working directory.
func rel(dir, path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}

func (u *uwsgiFacts) application(dir string) {
	callable := ""
	if o := u.last["callable"]; o != nil {
		callable = o.value
	}
	// The last one is put first.
	paths := u.all["pythonpath"]
	for _, o := range slices.Backward(paths) {
		u.fact(setSearchPath, o, rel(dir, o.value))
	}
	u.app.add(Fact{Set: setSearchPath, Value: dir, At: u.lastAt("chdir")})
	if o := u.last["home"]; o != nil && o.value != "" {
		u.fact("virtualenv", o, rel(dir, o.value))
	}
	named := 0
	for _, key := range []string{"module", "wsgi-file"} {
		if o := u.last[key]; o != nil && o.value != "" {
			set := setModule
			if key == "wsgi-file" {
				set = setFile
			}
			f := Fact{Set: set, Key: callable, Value: o.value, Was: was(o), At: o.at}
			if set == setFile {
				f.Value = rel(dir, o.value)
			}
			if named++; named == 1 {
				u.app.add(f)
			} else {
				u.lose(o, "an app has one application: the other one is wsgi_app; make an app of its own for it")
			}
		}
	}
	for _, o := range u.all["mount"] {
		u.mount(o, dir, callable, named == 0)
		named++
	}
}

// mount is an application below a prefix.
func (u *uwsgiFacts) mount(o *option, dir, callable string, first bool) {
	prefix, app, ok := strings.Cut(o.value, "=")
	if !ok {
		u.lose(o, "uWSGI does not start with it: it wants /PREFIX=APPLICATION")
		return
	}
	if !first {
		u.lose(o, "an app has one application: make an app of its own for "+prefix)
		return
	}
	f := Fact{Set: setModule, Key: callable, Value: app, Was: was(o), At: o.at}
	if strings.HasSuffix(app, ".py") || strings.HasSuffix(app, ".wsgi") {
		f.Set, f.Value = setFile, rel(dir, app)
	}
	u.app.add(f)
	if p := strings.TrimSuffix(prefix, "/"); p != "" {
		if u.on("manage-script-name") {
			u.fact("script_name", o, p)
		} else {
			u.app.note(o.at, was(o), "the application sees the whole path, as under uWSGI without manage-script-name; requests outside of "+p+" reach it here too")
		}
	}
}

func (u *uwsgiFacts) lastAt(key string) Position {
	if o := u.last[key]; o != nil {
		return o.at
	}
	return Position{}
}

func (u *uwsgiFacts) sockets(dir string) {
	for _, key := range []string{"http-socket", "http", "https", "https-socket", "socket"} {
		for _, o := range u.all[key] {
			f := Fact{Set: setListen, Was: was(o), At: o.at}
			address := o.value
			if strings.HasPrefix(key, "https") {
				parts := strings.Split(o.value, ",")
				if len(parts) < 3 {
					u.lose(o, "it names no certificate and key")
					continue
				}
				address = parts[0]
				f.List = []string{rel(dir, parts[1]), rel(dir, parts[2])}
			}
			f.Value = uwsgiAddress(address, dir)
			if f.Value == "" {
				u.lose(o, "it is no address that an app listens on here")
				continue
			}
			proto := u.last["protocol"]
			if key == "socket" && (proto == nil || proto.value != "http") {
				front := strings.TrimPrefix(f.Value, "unix:")
				if front != f.Value {
					front = "http://unix:" + front
				} else {
					front = "http://" + front
				}
				f.Key = "it spoke uWSGI's protocol and speaks HTTP now: in nginx write proxy_pass " + front +
					"; and proxy_set_header Host $host; in place of uwsgi_pass"
			}
			u.app.add(f)
		}
	}
	mode, haveMode := u.last["chmod-socket"], u.last["chmod-socket"] != nil
	if haveMode {
		switch value := mode.value; value {
		case "", "1":
			u.fact(setSocketMode, mode, "666")
		default:
			u.fact(setSocketMode, mode, value)
		}
	}
	if o := u.last["chown-socket"]; o != nil {
		owner, group, _ := strings.Cut(o.value, ":")
		if owner != "" {
			u.fact(setSocketUser, o, userName(owner))
		}
		if group != "" {
			u.fact(setSocketGrp, o, groupName(group))
		}
	}
}

// uwsgiAddress is an address as our listen has it: what has no colon is a unix socket.
func uwsgiAddress(address, dir string) string {
	if strings.HasPrefix(address, "=") || strings.HasPrefix(address, "@") || address == "" {
		return ""
	}
	host, port, ok := strings.Cut(address, ":")
	if i := strings.LastIndexByte(address, ':'); i >= 0 {
		host, port = address[:i], address[i+1:]
	}
	if !ok {
		return "unix:" + rel(dir, address)
	}
	if strings.HasPrefix(address, "unix:") {
		return ""
	}
	return net.JoinHostPort(strings.Trim(host, "[]"), port)
}

func (u *uwsgiFacts) workers() {
	processes := u.last["processes"]
	cheaper := u.last["cheaper"]
	n := 1
	if processes != nil {
		n = max(1, leadingInt(processes.value))
	}
	switch {
	case cheaper != nil && leadingInt(cheaper.value) > 0 && leadingInt(cheaper.value) < n:
		u.fact("workers.min", cheaper, strconv.Itoa(leadingInt(cheaper.value)))
		u.fact("workers.max", processes, strconv.Itoa(n))
	case processes != nil && leadingInt(processes.value) == 0 && strings.TrimSpace(processes.value) != "0":
		u.app.note(processes.at, was(processes), "uWSGI reads 0 of it and runs no worker; here one runs")
	case processes != nil:
		u.app.add(Fact{Set: "workers.count", Value: strconv.Itoa(n), Was: was(processes) + onlyDigits(processes), At: processes.at})
	}
	for key, to := range uwsgiNumbers {
		o := u.last[key]
		if o == nil {
			continue
		}
		n := leadingInt(o.value)
		if n <= 0 || key == "idle" {
			continue
		}
		f := Fact{Set: to[0], Value: strconv.Itoa(n) + to[1], Was: was(o) + onlyDigits(o), At: o.at}
		if key == "max-requests" {
			f.Was += u.youngest()
		}
		u.app.add(f)
	}
	if o := u.last["harakiri"]; o == nil || leadingInt(o.value) <= 0 {
		u.app.add(Fact{Set: "workers.request_timeout", Value: "24h", Was: "no harakiri, so no limit", At: Position{File: "uWSGI"}})
	}
	u.buffering()
	if o := u.last["umask"]; o != nil {
		u.fact("umask", o, o.value)
	}
	if o := u.last["buffer-size"]; o != nil {
		if leadingInt(o.value) > 80<<10 {
			u.app.note(o.at, was(o), "the head of a request may be as large as request.max_head says")
		} else if dropped := onlyDigits(o); dropped != "" {
			u.app.note(o.at, was(o), "the head of a request may be as large as request.max_head says"+dropped)
		}
	}
}

// onlyDigits says what uWSGI made of a number with something behind it: it drops that
// without a word (2.0.21; findings/uwsgi-numbers-lose-their-units.sh).
func onlyDigits(o *option) string {
	n := leadingInt(o.value)
	if rest := strings.TrimLeft(strings.TrimSpace(o.value), "+-0123456789"); rest != "" && n > 0 {
		return fmt.Sprintf("; uWSGI reads %d and drops the rest", n)
	}
	return ""
}

// buffering says how bodies are read. uWSGI reads none first unless post-buffering says
// so, as gunicorn does; an app that counts on it shows that by these two options only.
func (u *uwsgiFacts) buffering() {
	post := u.last["post-buffering"]
	chunked := u.last["wsgi-manage-chunked-input"]
	switch {
	case post != nil && leadingInt(post.value) > 0:
		// As here, whatever the size.
	case post != nil:
		u.fact("request.buffering", post, "false")
	case u.on("wsgi-manage-chunked-input"):
		u.fact("request.buffering", chunked, "false")
	}
}

// youngest says from which age on uWSGI replaces a worker that has served max-requests:
// 60 s where nothing is written (2.0.21; findings/uwsgi-max-requests-waits-a-minute.sh).
// Here it is replaced at once, for a busy app much more often.
func (u *uwsgiFacts) youngest() string {
	age := 60
	if o := u.last["min-worker-lifetime"]; o != nil {
		age = leadingInt(o.value)
	}
	if age <= 0 {
		return ""
	}
	return fmt.Sprintf("; uWSGI did it to workers older than %d s only", age)
}

func (u *uwsgiFacts) user() {
	if o := u.last["uid"]; o != nil {
		u.fact("user", o, userName(o.value))
	}
	if o := u.last["gid"]; o != nil {
		u.fact("group", o, groupName(o.value))
	}
}

func (u *uwsgiFacts) environment() {
	values := map[string]*option{}
	var order []string
	for _, o := range u.c.options {
		name := o.value
		switch o.key {
		case "env":
			name, _, _ = strings.Cut(o.value, "=")
		case "unenv":
		default:
			continue
		}
		if _, ok := values[name]; !ok {
			order = append(order, name)
		}
		values[name] = o
	}
	for _, name := range order {
		o := values[name]
		if _, value, ok := strings.Cut(o.value, "="); ok && o.key == "env" {
			u.app.add(Fact{Set: setEnv, Key: name, Value: value, Was: was(o), At: o.at})
		}
	}
}

func (u *uwsgiFacts) statics(dir string) {
	for _, o := range u.c.options {
		switch o.key {
		case "static-map", "static-map2":
			url, folder, ok := strings.Cut(o.value, "=")
			if !ok {
				u.lose(o, "uWSGI does not start with it: it wants /URL=FOLDER")
				continue
			}
			if o.key == "static-map2" {
				folder = filepath.Join(folder, url)
			}
			u.app.add(Fact{Set: setStatic, Key: url, Value: rel(dir, folder), Was: was(o), At: o.at})
		case "check-static", "check-static-docroot":
			u.app.add(Fact{Set: setStatic, Key: "/", Value: rel(dir, o.value), Was: was(o), At: o.at})
		}
	}
}

func (u *uwsgiFacts) logs() {
	if !u.on("disable-logging") {
		u.app.add(Fact{Set: "log.access", Value: "true", Was: "each request is logged", At: Position{File: "uWSGI"}})
	}
	if o := u.last["logto"]; o != nil {
		u.app.note(o.at, was(o), "the log is logs/wsgid.log of the app folder, rotated by log.max_size and log.keep")
	}
}

func (u *uwsgiFacts) beside() {
	for i, o := range u.all["attach-daemon"] {
		command := o.value
		if o.key == "smart-attach-daemon" || o.key == "smart-attach-daemon2" {
			_, command, _ = strings.Cut(command, " ")
		}
		u.app.add(Fact{Set: setProcess, Key: commandName(command, i), List: shellwords.Split(command), Was: was(o), At: o.at})
	}
	u.crons()
}

// rest names what is left.
func (u *uwsgiFacts) rest() {
	known := map[string]bool{"chdir": true, "pythonpath": true, "home": true, "module": true, "wsgi-file": true, "mount": true, "http-socket": true,
		"http": true, "https": true, "https-socket": true, "socket": true, "cheaper": true, "umask": true, "uid": true, "gid": true, "env": true, "unenv": true,
		"post-buffering": true, "wsgi-manage-chunked-input": true, "static-map": true, "static-map2": true, "check-static": true, "check-static-docroot": true, "attach-daemon": true, "cron": true}
	for _, name := range uwsgiQuiet {
		known[name] = true
	}
	for name := range uwsgiNumbers {
		known[name] = true
	}
	placeholders := u.c.asks
	said := map[string]bool{}
	for _, o := range u.c.options {
		key := o.key
		if to := uwsgiNames[key]; to != "" {
			key = to
		}
		if known[key] || said[o.key+"="+o.value] {
			continue
		}
		said[o.key+"="+o.value] = true
		if why := uwsgiLostWhy[key]; why != "" {
			if !uwsgiTrue(o.value) && o.value != "" {
				continue
			}
			u.lose(o, why)
			continue
		}
		if placeholders[o.key] || o.done {
			continue
		}
		why := "no counterpart of it is known here"
		var names []string
		for name := range known {
			names = append(names, name)
		}
		slices.Sort(names)
		if name, value, ok := strings.Cut(o.key, " "); ok && o.value == "" && known[name] {
			why = "without = the whole line is the name of an option, which uWSGI does not have, so it did nothing; was " + name + " = " + strings.TrimSpace(value) + " meant?"
		} else if near := nearestOption(o.key, names); near != "" {
			why = "uWSGI has no such option, and completes no names in files, so it did nothing; was " + near + " meant?"
		}
		u.lose(o, why)
	}
}

// nearestOption is an option that a name begins, or nearly is.
func nearestOption(key string, names []string) string {
	for _, name := range names {
		if len(key) > 3 && strings.HasPrefix(name, key) {
			return name
		}
	}
	if len(key) < 6 { // nearly every short word is near to another
		return ""
	}
	return appspec.Nearest(key, names)
}
