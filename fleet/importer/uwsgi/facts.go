package uwsgi

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/facts"
)

// reader makes the facts of an instance from its options.
type reader struct {
	c    *config
	app  *facts.App
	last map[string]*option
	all  map[string][]*option

	pasted bool // the application is one that PasteDeploy makes
}

// appOf is the app of a configuration.
func appOf(c *config, file string) *facts.App {
	name := strings.TrimSuffix(filepath.Base(file), filepath.Ext(file))
	if folder := filepath.Base(filepath.Dir(file)); name == "uwsgi" && folder != "/" && folder != "." {
		name = folder // /etc/mailman3/uwsgi.ini is no app "uwsgi"
	}
	u := &reader{c: c, last: map[string]*option{}, all: map[string][]*option{},
		app: &facts.App{Name: facts.AppNameOf(name), Source: file + " (uWSGI)"}}
	for _, o := range c.options {
		key := otherNames[o.key]
		if key == "" {
			key = o.key
		}
		u.last[key] = o
		u.all[key] = append(u.all[key], o)
	}
	u.app.Facts = append(u.app.Facts, c.said...)
	u.asked()
	u.make()
	return u.app
}

func (u *reader) fact(set string, o *option, value string) {
	u.app.Add(facts.Fact{Set: set, Value: value, Was: was(o), At: o.at})
}

func (u *reader) lose(o *option, why string) { u.app.Lost(o.at, was(o), why) }

// on is a switch that stands in the configuration and is on.
func (u *reader) on(key string) bool {
	o := u.last[key]
	return o != nil && facts.IsTrue(o.value)
}

func (u *reader) make() {
	cwd := &option{value: u.c.cwd}
	if o := u.last["chdir"]; o != nil {
		cwd = o
	}
	dir := u.c.abs(cwd.value)
	f := facts.Fact{Set: facts.SetDirectory, Value: dir, At: cwd.at}
	if cwd.key != "" {
		f.Was = was(cwd)
	} else if u.c.place != "" {
		f.Was = u.c.place
	}
	u.app.Add(f)
	u.application(dir)
	u.python2()
	u.sockets(dir)
	u.workers()
	u.withoutMaster()
	u.user()
	u.environment()
	u.statics(dir)
	u.logs()
	u.beside()
	u.rest()
	if o := u.last["chdir2"]; o != nil && o.value != "" {
		f := facts.Fact{Set: facts.SetDirectory, Value: facts.Rel(dir, o.value), Was: was(o) + ", where uWSGI went when the app was loaded", At: o.at}
		u.app.Add(f)
	}
}

func (u *reader) application(dir string) {
	callable := ""
	if o := u.last["callable"]; o != nil {
		callable = o.value
	}
	// The last one is put first.
	paths := u.all["pythonpath"]
	for _, o := range slices.Backward(paths) {
		for _, one := range slices.Backward(globbed(u.c, o.value)) {
			u.fact(facts.SetSearchPath, o, facts.Rel(dir, strings.TrimSuffix(one, "/")))
		}
	}
	u.app.Add(facts.Fact{Set: facts.SetSearchPath, Value: dir, At: u.lastAt("chdir")})
	if o := u.last["home"]; o != nil && o.value != "" {
		u.fact("virtualenv", o, facts.Rel(dir, o.value))
	}
	named := 0
	for _, key := range []string{"module", "wsgi-file", "paste", "ini-paste", "ini-paste-logged"} {
		if o := u.last[key]; o != nil && o.value != "" {
			if strings.Contains(key, "paste") && named == 0 {
				u.app.PasteApp(dir, o.value, was(o), o.at)
				u.pasted = true
				named++
				continue
			}
			set := facts.SetModule
			if key == "wsgi-file" {
				set = facts.SetFile
			}
			f := facts.Fact{Set: set, Key: callable, Value: o.value, Was: was(o), At: o.at}
			if set == facts.SetFile {
				f.Value = facts.Rel(dir, o.value)
			}
			if named++; named == 1 {
				u.app.Add(f)
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
func (u *reader) mount(o *option, dir, callable string, first bool) {
	prefix, app, ok := strings.Cut(o.value, "=")
	if !ok {
		u.lose(o, "uWSGI does not start with it: it wants /PREFIX=APPLICATION")
		return
	}
	if !first {
		u.lose(o, "an app has one application: make an app of its own for "+prefix)
		return
	}
	f := facts.Fact{Set: facts.SetModule, Key: callable, Value: app, Was: was(o), At: o.at}
	if strings.HasSuffix(app, ".py") || strings.HasSuffix(app, ".wsgi") {
		f.Set, f.Value = facts.SetFile, facts.Rel(dir, app)
	}
	u.app.Add(f)
	if p := strings.TrimSuffix(prefix, "/"); p != "" {
		if u.on("manage-script-name") {
			u.fact("script_name", o, p)
			before := "uWSGI gave the app paths outside of " + p + " too, without SCRIPT_NAME"
			if u.on("no-default-app") {
				before = "uWSGI answered 500 to paths outside of " + p
			}
			u.app.Note(o.at, was(o), before+"; here all requests have it")
		} else {
			u.app.Note(o.at, was(o), "the application sees the whole path, as under uWSGI without manage-script-name; requests outside of "+p+" reach it here too")
		}
	}
}

func (u *reader) lastAt(key string) facts.Position {
	if o := u.last[key]; o != nil {
		return o.at
	}
	return facts.Position{}
}

func (u *reader) workers() {
	processes := u.last["processes"]
	cheaper := u.last["cheaper"]
	n := 1
	if processes != nil {
		n = max(1, facts.LeadingInt(processes.value))
	}
	switch {
	case cheaper != nil && facts.LeadingInt(cheaper.value) > 0 && facts.LeadingInt(cheaper.value) < n:
		u.fact("workers.min", cheaper, strconv.Itoa(facts.LeadingInt(cheaper.value)))
		u.fact("workers.max", processes, strconv.Itoa(n))
	case processes != nil && facts.LeadingInt(processes.value) == 0 && strings.TrimSpace(processes.value) != "0":
		u.app.Note(processes.at, was(processes), "uWSGI reads 0 of it and runs no worker; here one runs")
	case processes != nil:
		u.app.Add(facts.Fact{Set: "workers.count", Value: strconv.Itoa(n), Was: was(processes) + onlyDigits(processes), At: processes.at})
	}
	u.idle(n)
	for key, to := range numbers {
		o := u.last[key]
		if o == nil {
			continue
		}
		n := facts.LeadingInt(o.value)
		if n <= 0 {
			continue
		}
		f := facts.Fact{Set: to[0], Value: strconv.Itoa(n) + to[1], Was: was(o) + onlyDigits(o), At: o.at}
		if key == "max-requests" || o.key == "reload-on-rss" {
			f.Was += u.youngest()
		}
		if threads := u.last["threads"]; key == "harakiri" && threads != nil && facts.LeadingInt(threads.value) > 1 {
			u.app.Note(o.at, was(o), "uWSGI forgot the limit of a request as soon as another thread of its worker ended one; here each request has it: raise workers.request_timeout where longer ones were answered")
		}
		u.app.Add(f)
	}
	if o := u.last["harakiri"]; o == nil || facts.LeadingInt(o.value) <= 0 {
		u.app.Add(facts.Fact{Set: "workers.request_timeout", Value: "24h", Was: "no harakiri, so no limit", At: facts.Position{File: "uWSGI"}})
	}
	u.router()
	u.loaded(n)
	u.buffering()
	if o := u.last["umask"]; o != nil {
		u.fact("umask", o, o.value)
	}
	if o := u.last["buffer-size"]; o != nil {
		if facts.LeadingInt(o.value) > 80<<10 {
			u.app.Note(o.at, was(o), "the head of a request may be as large as request.max_head says")
		} else if dropped := onlyDigits(o); dropped != "" {
			u.app.Note(o.at, was(o), "the head of a request may be as large as request.max_head says"+dropped)
		}
	}
}

// onlyDigits says what uWSGI made of a number with something behind it: it drops that
// without a word (2.0.21; findings/uwsgi-numbers-lose-their-units.sh).
func onlyDigits(o *option) string {
	n := facts.LeadingInt(o.value)
	if rest := strings.TrimLeft(strings.TrimSpace(o.value), "+-0123456789"); rest != "" && n > 0 {
		return fmt.Sprintf("; uWSGI reads %d and drops the rest", n)
	}
	return ""
}

// buffering says how bodies are read. uWSGI reads none first unless post-buffering says
// so, as gunicorn does; an app that counts on it shows that by these two options only.
func (u *reader) buffering() {
	post := u.last["post-buffering"]
	chunked := u.last["wsgi-manage-chunked-input"]
	switch {
	case post != nil && facts.LeadingInt(post.value) > 0:
		// As here, whatever the size.
	case post != nil:
		u.fact("request.buffering", post, "false")
	case u.on("wsgi-manage-chunked-input"):
		u.fact("request.buffering", chunked, "false")
	}
}

func (u *reader) user() {
	if o := u.account("uid"); o != nil {
		u.fact("user", o, facts.UserName(o.value))
	}
	if o := u.account("gid"); o != nil {
		u.fact("group", o, facts.GroupName(o.value))
	}
}

// account is the option that counts of several that name a user or a group: a name is not
// taken behind a number, and one that was taken wins, also over a number behind it (2.0.21;
// findings/uwsgi-takes-no-user-name-behind-a-number.sh).
func (u *reader) account(key string) *option {
	var number, name *option
	for _, o := range u.all[key] {
		switch {
		case facts.LeadingInt(o.value) > 0:
			number = o
		case number == nil:
			name = o
		}
	}
	if name != nil {
		return name
	}
	return number
}

func (u *reader) statics(dir string) {
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
			f := facts.Fact{Set: facts.SetStatic, Key: url, Value: facts.Rel(dir, folder), Was: was(o), At: o.at}
			if !strings.HasSuffix(url, "/") && filepath.Ext(url) == "" {
				f.Was += "; uWSGI went by bytes, and took " + url + "x for its file x"
			}
			u.app.Add(f)
		case "check-static", "check-static-docroot":
			u.app.Add(facts.Fact{Set: facts.SetStatic, Key: "/", Value: facts.Rel(dir, o.value), Was: was(o), At: o.at})
		}
	}
}

func (u *reader) logs() {
	if !u.on("disable-logging") {
		u.app.Add(facts.Fact{Set: "log.access", Value: "true", Was: "each request is logged", At: facts.Position{File: "uWSGI"}})
	}
	if !u.on("disable-logging") {
		// What they ask for is among all.
	} else if o := u.first(strings.Fields("log-4xx log-5xx log-slow log-big log-zero log-sendfile log-ioerror")); o != nil {
		u.app.Note(o.at, was(o), "uWSGI logged some requests and no others; log.access writes each, or none, as here")
	}
	if o := u.last["logto"]; o != nil {
		u.app.Note(o.at, was(o), "the log is logs/wsgid.log of the app folder, rotated by log.max_size and log.keep")
	}
}

// first is the first option of some that is on.
func (u *reader) first(names []string) *option {
	for _, name := range names {
		if u.on(name) {
			return u.last[name]
		}
	}
	return nil
}

// rest names what is left.
func (u *reader) rest() {
	known := maps.Clone(taken)
	for _, name := range quiet {
		known[name] = true
	}
	for name := range numbers {
		known[name] = true
	}
	if u.pasted { // the logging of the file comes with it
		known["paste-logger"], known["paste-config-logging"] = true, true
	}
	placeholders := u.c.asks
	said := map[string]bool{}
	for _, o := range u.c.options {
		key := o.key
		if to := otherNames[key]; to != "" {
			key = to
		}
		if known[key] || said[o.key+"="+o.value] {
			continue
		}
		said[o.key+"="+o.value] = true
		if instead := told[key]; instead != "" {
			u.app.Note(o.at, was(o), instead)
			continue
		}
		if why := lostWhy[key]; why != "" {
			if !facts.IsTrue(o.value) && o.value != "" {
				continue
			}
			u.lose(o, why)
			continue
		}
		switch {
		case o.done || placeholders[o.key] && !asPlaceholders[o.key]:
			continue
		case placeholders[o.key]:
			u.lose(o, "%("+o.key+") has its value, and uWSGI has an option of the name too, which did something there and nothing here: where the placeholder alone is meant write set-ph = "+o.key+"=…")
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
