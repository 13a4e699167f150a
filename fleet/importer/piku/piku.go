package piku

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/command"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/facts"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/uwsgi"
)

// IsRoot tells whether a folder is piku's own, ~/.piku, the home that holds it, or that of its
// apps; root is it.
func IsRoot(path string) (root string, ok bool) {
	places := []string{path, filepath.Join(path, ".piku")}
	if filepath.Base(path) == "apps" {
		places = append(places, filepath.Dir(path))
	}
	for _, root := range places {
		if facts.IsFolder(filepath.Join(root, "apps")) && facts.IsFolder(filepath.Join(root, "envs")) {
			return root, true
		}
	}
	return "", false
}

// IsApp tells whether the folder of a Procfile is one that piku runs.
func IsApp(dir string) bool {
	if _, ok := rootOf(dir); ok {
		return true
	}
	text, err := facts.ReadFile(filepath.Join(dir, "Procfile"))
	return err == nil && IsProcfile(text)
}

// rootOf is the ~/.piku among whose apps a folder is.
func rootOf(dir string) (string, bool) {
	abs, err := filepath.Abs(dir)
	if err != nil || filepath.Base(filepath.Dir(abs)) != "apps" {
		return "", false
	}
	root := filepath.Dir(filepath.Dir(abs))
	return root, facts.IsFolder(filepath.Join(root, "envs"))
}

// Read reads a ~/.piku with all of its apps, one app of it, or the checkout of one.
func Read(o facts.Options, path string) ([]*facts.App, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	if root, ok := IsRoot(abs); ok {
		return readAll(o, root)
	}
	if !facts.IsFolder(abs) {
		abs = filepath.Dir(abs)
	}
	root, ok := rootOf(abs)
	if !ok {
		root = ""
	}
	a, err := readApp(o, root, abs)
	if err != nil {
		return nil, err
	}
	return []*facts.App{a}, nil
}

func readAll(o facts.Options, root string) ([]*facts.App, error) {
	names, err := facts.FolderNames(filepath.Join(root, "apps"))
	if err != nil {
		return nil, err
	}
	var all []*facts.App
	var errs []error
	for _, name := range names {
		dir := filepath.Join(root, "apps", name)
		if !facts.IsFolder(dir) {
			continue
		}
		a, err := readApp(o, root, dir)
		if err != nil {
			errs = append(errs, fmt.Errorf("app %s: %w", name, err))
			continue
		}
		all = append(all, a)
	}
	if len(all) == 0 && len(errs) == 0 {
		errs = append(errs, errors.New("piku has no app there"))
	}
	return all, errors.Join(errs...)
}

// reader makes the facts of an app.
type reader struct {
	o     facts.Options
	app   *facts.App
	name  string // piku's, which may be none of ours
	root  string // ~/.piku; empty: it is not known
	dir   string // the checkout
	lines []line
	set   settings
	base  map[string]string // variables that piku sets itself
	count map[string]int    // by ps:scale
}

// envs is a path beside the virtualenv of the app.
func (r *reader) envs(name string) string { return filepath.Join(r.root, "envs", r.name, name) }

func readApp(o facts.Options, root, dir string) (*facts.App, error) {
	r := &reader{o: o, root: root, dir: dir, name: filepath.Base(dir), set: settings{}, base: map[string]string{}, count: map[string]int{}}
	r.app = &facts.App{Name: facts.AppNameOf(r.name), Source: dir + " (piku)"}
	lines, notes, err := readProcfile(filepath.Join(dir, "Procfile"))
	if err != nil {
		return nil, fmt.Errorf("cannot read its Procfile: %w", err)
	}
	r.lines = lines
	if root == "" {
		r.app.Note(facts.Position{}, "", "what config:set and ps:scale have set, and the virtualenv, are in ~/.piku of the machine that runs it: import ~/.piku there, or write them in")
	} else {
		r.base = map[string]string{"APP": r.name, "LOG_ROOT": filepath.Join(root, "logs"), "DATA_ROOT": filepath.Join(root, "data", r.name)}
	}
	if err := r.settings(); err != nil {
		return nil, err
	}
	if err := r.application(); err != nil {
		return nil, err
	}
	r.app.Facts = append(r.app.Facts, notes...)
	r.environment()
	r.front()
	r.others()
	r.deploys()
	return r.app, nil
}

// settings reads what is set for the app, and how many of its processes there are.
func (r *reader) settings() error {
	files := []string{filepath.Join(r.dir, "ENV")}
	if r.root != "" {
		files = append(files, r.envs("ENV"))
	}
	for i, file := range files {
		fault, err := r.set.read(file, r.base, i > 0)
		if err != nil {
			return fmt.Errorf("cannot read %s: %w", file, err)
		}
		if fault != nil {
			r.app.Lost(fault.At, fault.Was, fault.Value)
		}
	}
	if r.root == "" {
		return nil
	}
	if _, ok := r.set["PORT"]; !ok { // piku took a free one, and wrote it down
		live := settings{}
		if _, err := live.read(r.envs("LIVE_ENV"), nil, false); err == nil && live["PORT"].value != "" {
			r.set["PORT"] = live["PORT"]
		}
	}
	scaled, _, err := readProcfile(r.envs("SCALING"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("cannot read %s: %w", r.envs("SCALING"), err)
	}
	for _, l := range scaled {
		r.count[l.kind] = facts.LeadingInt(l.command)
	}
	return nil
}

// find is the line of a kind.
func (r *reader) find(kind string) (line, bool) {
	i := slices.IndexFunc(r.lines, func(l line) bool { return l.kind == kind })
	if i < 0 {
		return line{}, false
	}
	return r.lines[i], true
}

// application is what answers requests: wsgi, which uWSGI runs, or a server that web starts.
func (r *reader) application() error {
	if l, ok := r.find("wsgi"); ok {
		return r.wsgi(l)
	}
	l, ok := r.find("web")
	if !ok {
		return errors.New("its Procfile has no line wsgi or web, so no application of Python answers requests: " + r.kindsText())
	}
	return r.web(l)
}

func (r *reader) kindsText() string {
	var names []string
	for _, l := range r.lines {
		names = append(names, l.kind)
	}
	if len(names) == 0 {
		return "it holds nothing"
	}
	return "it has " + strings.Join(names, ", ")
}

// fromSettings are settings that piku hands to uWSGI, with what it gives where they are not there.
var fromSettings = []struct{ name, key, otherwise string }{
	{"UWSGI_MAX_REQUESTS", "max-requests", "1024"},
	{"UWSGI_LISTEN", "listen", "48"},
	{"UWSGI_PROCESSES", "processes", "2"},
	{"UWSGI_THREADS", "threads", "4"},
	{"UWSGI_LOG_MAXSIZE", "log-maxsize", "1048576"},
	{"UWSGI_IDLE", "idle", ""},
	{"UWSGI_GEVENT", "gevent", ""},
	{"UWSGI_ASYNCIO", "async", ""},
}

// wsgi is the application that piku gives to uWSGI.
func (r *reader) wsgi(l line) error {
	given := []uwsgi.Option{
		{Key: "chdir", Value: r.dir, Was: "piku runs it in its checkout", At: l.at},
		{Key: "master", Value: "true", At: l.at},
		{Key: "module", Value: l.command, Was: l.was(), At: l.at},
	}
	for _, s := range fromSettings {
		option := uwsgi.Option{Key: s.key, Value: s.otherwise, Was: s.name + ", by default " + s.otherwise, At: facts.Position{File: "piku"}}
		if own, ok := r.set[s.name]; ok {
			option.Value, option.Was, option.At = own.value, r.set.was(s.name), own.at
		}
		if option.Value != "" {
			given = append(given, option)
		}
	}
	if port, ok := r.set["PORT"]; ok && !r.named() {
		given = append(given, uwsgi.Option{Key: "http-socket", Value: facts.Either(r.set["BIND_ADDRESS"].value, "127.0.0.1") + ":" + port.value, Was: "PORT=" + port.value, At: port.at})
	}
	own, err := r.included()
	if err != nil {
		return err
	}
	if err := uwsgi.Given(r.o, r.app, r.dir, append(given, own...)); err != nil {
		return err
	}
	if n, ok := r.count["wsgi"]; ok && n != 1 {
		r.app.Lost(facts.Position{File: r.envs("SCALING")}, fmt.Sprintf("wsgi:%d", n), "one master serves an app: for more processes write workers { count = … }, for none enabled = false")
	}
	r.runsAs(l)
	return nil
}

// included are the options of UWSGI_INCLUDE_FILE, which piku reads as it does an ENV.
func (r *reader) included() ([]uwsgi.Option, error) {
	named, ok := r.set["UWSGI_INCLUDE_FILE"]
	if !ok {
		return nil, nil
	}
	path := facts.Rel(r.dir, named.value)
	if !facts.Exists(path) {
		r.app.Note(named.at, r.set.was("UWSGI_INCLUDE_FILE"), "there is no such file, and piku took nothing of it")
		return nil, nil
	}
	own := settings{}
	fault, err := own.read(path, nil, false)
	if err != nil {
		return nil, fmt.Errorf("cannot read %s, which UWSGI_INCLUDE_FILE names (%s): %w", path, named.at, err)
	}
	if fault != nil {
		r.app.Lost(fault.At, fault.Was, "piku takes none of the lines behind one without =, also not behind [uwsgi]: take the line out, and look what it gives then")
	}
	var given []uwsgi.Option
	for _, name := range facts.SortedKeys(own) {
		given = append(given, uwsgi.Option{Key: name, Value: own[name].value, At: own[name].at})
	}
	return given, nil
}

// web is a server that piku starts by a shell, and that nginx asks.
func (r *reader) web(l line) error {
	c := facts.Command{Dir: r.dir, Was: l.was(), At: l.at, Env: r.env()}
	if port := r.set["PORT"]; port.value == "" {
		c.Env["PORT"] = "8000"
		r.app.Note(l.at, "PORT", "piku took a free one, which is not known here: 8000 stands in its place")
	}
	c = command.OfShell(r.app, c, l.command, ": make it a stage of a deploy")
	server, err := command.Service(r.o, r.app, c)
	if err != nil {
		return err
	}
	if server == "" {
		return fmt.Errorf("%s: %s: it starts no WSGI server that is known here (%s)", l.at, l.was(), command.KnownServers)
	}
	for i, f := range r.app.Facts {
		if f.Set == facts.SetDirectory && f.Was == "" {
			r.app.Facts[i].Was, r.app.Facts[i].At = "piku runs it in its checkout", l.at
		}
	}
	if n, ok := r.count["web"]; ok && n != 1 {
		r.app.Lost(facts.Position{File: r.envs("SCALING")}, fmt.Sprintf("web:%d", n), "one master serves an app: for more processes write workers { count = … }, for none enabled = false")
	}
	r.runsAs(l)
	return nil
}

// runsAs is the user of all apps of piku, and the virtualenv.
func (r *reader) runsAs(l line) {
	if owner := facts.OwnerOf(r.dir); owner != "" && r.root != "" {
		r.app.Add(facts.Fact{Set: "user", Value: owner, Was: "piku runs all apps as its own user, who owns the checkout", At: l.at})
	}
	if v := r.set["PYTHON_VERSION"]; strings.HasPrefix(v.value, "2") {
		r.app.Lost(v.at, r.set.was("PYTHON_VERSION"), "only Python 3 is run")
	}
	if r.root == "" || facts.HasFact(r.app, "virtualenv") || !facts.Exists(r.envs("bin/python")) && !facts.Exists(r.envs("bin/activate")) {
		return
	}
	r.app.Add(facts.Fact{Set: "virtualenv", Value: filepath.Join(r.root, "envs", r.name), Was: "piku's virtualenv of the app", At: l.at})
}

// env are the variables that a command line of piku has.
func (r *reader) env() map[string]string {
	env := map[string]string{"BIND_ADDRESS": "127.0.0.1"}
	maps.Copy(env, r.base)
	for name, s := range r.set {
		env[name] = s.value
	}
	return env
}
