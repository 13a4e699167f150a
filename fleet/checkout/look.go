package checkout

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/bounded"
	"github.com/wsgid-fleet/wsgid-fleet/runner/appdir"
)

// Choice is a value and why it was chosen.
type Choice struct{ Value, Why string }

// Found is what a checkout says of how it is run.
type Found struct {
	Path       string
	Code       Choice // where modules are imported from, relative to Path
	App        Choice // module:attr; empty: the loader django finds it
	Settings   Choice // of Django, where App is empty
	Virtualenv Choice
	Workers    Choice
	Threads    Choice
	Timeout    Choice
	StaticURL  string // served from StaticDir; empty: nothing
	StaticDir  Choice
	Notes      []string // what was seen and not used, and what is left to do
}

// Candidate is one of several that a checkout may mean.
type Candidate struct {
	App  string // module:attr
	Code string // relative to the checkout
	Why  string
}

// AmbiguousError tells that a checkout has more than one application.
type AmbiguousError struct {
	Path       string
	Candidates []Candidate
}

func (e *AmbiguousError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "cannot choose the application of %s: it has %d:", e.Path, len(e.Candidates))
	for _, c := range e.Candidates {
		fmt.Fprintf(&b, "\n  %s (%s)", c.App, c.Why)
	}
	fmt.Fprintf(&b, "\nsay which one: --app %s", e.Candidates[0].App)
	return b.String()
}

// looker is one look at a checkout.
type looker struct {
	tree
	found *Found
	roots []string // folders that modules may be imported from, relative
	asgi  []string // what is an application of the other kind
}

// Look says how a checkout is run. app is the application, where the operator says
// it; empty: it is found. The path is absolute.
func Look(dir, app string) (*Found, error) {
	root, err := os.OpenRoot(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("cannot look at %s: there is no such folder", dir)
	case err != nil:
		return nil, fmt.Errorf("cannot look at %s: %w; name the folder of the checkout", dir, bounded.Reason(err))
	}
	defer root.Close()
	l := &looker{tree: tree{root}, found: &Found{Path: dir}}
	if l.isFile(appdir.ConfigFile) && l.isDir(appdir.AppDir) {
		return nil, fmt.Errorf("cannot make a spec for %s: it is an app folder of wsgid, not a checkout; write: wsgid-fleet import %s", dir, dir)
	}
	l.roots = l.codeRoots()
	candidates, err := l.candidates(app)
	if err != nil {
		return nil, err
	}
	if len(candidates) > 1 {
		return nil, &AmbiguousError{Path: dir, Candidates: candidates}
	}
	c := candidates[0]
	l.found.App = Choice{c.App, c.Why}
	l.found.Code = l.codeWhy(c.Code)
	l.virtualenv()
	l.static(c.Code)
	l.left()
	return l.found, nil
}

// codeRoots are the folders that modules may be imported from.
func (l *looker) codeRoots() []string {
	roots := []string{"."}
	for _, dir := range l.folders(".") {
		if l.isFile(dir + "/__init__.py") {
			continue
		}
		names := l.names(dir)
		if dir == "src" || dir == "app" || slices.Contains(names, "manage.py") {
			roots = append(roots, dir)
		}
	}
	return roots
}

func (l *looker) codeWhy(code string) Choice {
	if code == "." {
		return Choice{code, "modules are imported from the checkout itself"}
	}
	return Choice{code, "modules are imported from this part of the checkout"}
}

// candidates are those of the first kind that has any.
func (l *looker) candidates(app string) ([]Candidate, error) {
	if app != "" {
		c, err := l.named(app)
		return []Candidate{c}, err
	}
	for _, kind := range []func() []Candidate{l.ofProcfile, l.ofFlaskEnv, l.ofDjango, l.ofWSGI, l.ofModules, l.ofFactories} {
		if c := kind(); len(c) > 0 {
			return c, nil
		}
	}
	if file := l.pasteFile(); file != "" {
		return nil, fmt.Errorf("cannot make a spec for %s: it is served by what %s says, as for pserve; write: wsgid-fleet import %s", l.found.Path, file, path.Join(l.found.Path, file))
	}
	if len(l.asgi) > 0 {
		return nil, fmt.Errorf("cannot make a spec for %s: %s is an ASGI application, and wsgid-fleet runs WSGI; serve it by an ASGI server, or write a spec with wsgi_app and, around it, middleware = [\"a2wsgi:ASGIMiddleware\"] (of the package a2wsgi, in the app's virtualenv)", l.found.Path, l.asgi[0])
	}
	if len(l.names(".")) == 0 {
		return nil, fmt.Errorf("cannot make a spec for %s: the folder is empty; check the code out first", l.found.Path)
	}
	return nil, fmt.Errorf("cannot make a spec for %s: it is not a checkout of a WSGI application: no line web in a Procfile, no manage.py, no wsgi.py, no application that Flask or another framework makes, no create_app; if there is one under another name, say it: --app MODULE:NAME", l.found.Path)
}

// pasteFile is the file of PasteDeploy by which a project is served; empty: there is none.
func (l *looker) pasteFile() string {
	for _, name := range []string{"production.ini", "deploy.ini", "paste.ini", "development.ini"} {
		if text := l.text(name); strings.Contains(text, "[app:") || strings.Contains(text, "[pipeline:") || strings.Contains(text, "[composite:") {
			return name
		}
	}
	return ""
}

// named is the application that the operator says.
func (l *looker) named(app string) (Candidate, error) {
	module, _, ok := strings.Cut(app, ":")
	if !ok || !callable().MatchString(app) {
		return Candidate{}, fmt.Errorf("cannot use --app %s: write MODULE:NAME, such as blog.wsgi:application, or MODULE:FACTORY()", app)
	}
	for _, root := range l.roots {
		if l.module(root, module) != "" {
			return Candidate{App: app, Code: root, Why: "as --app says"}, nil
		}
	}
	return Candidate{}, fmt.Errorf("cannot use --app %s: %s has no module %s", app, l.found.Path, module)
}

func (l *looker) ofProcfile() []Candidate {
	command := webLine(l.text("Procfile"))
	if command == "" {
		return nil
	}
	s, ok := parseCommand(command)
	switch {
	case !ok:
		l.note("the line web of Procfile is not understood: %s", command)
		return nil
	case s.asgi:
		l.asgi = append(l.asgi, "what Procfile serves by "+s.server)
		return nil
	}
	roots := l.roots
	if s.chdir != "" && filepath.IsLocal(s.chdir) {
		roots = []string{path.Clean(s.chdir)}
	}
	module, _, _ := strings.Cut(s.app, ":")
	for _, root := range roots {
		if l.module(root, module) == "" {
			continue
		}
		why := "the line web of Procfile has it"
		l.found.Workers, l.found.Threads = Choice{digits(s.workers), why}, Choice{digits(s.threads), why}
		if n := digits(s.timeout); n != "" {
			l.found.Timeout = Choice{n + "s", why}
		}
		return []Candidate{{App: s.app, Code: root, Why: fmt.Sprintf("Procfile serves it by %s", s.server)}}
	}
	l.note("Procfile serves %s, but there is no module %s here", s.app, module)
	return nil
}

// digits is a number greater than 0, else empty.
func digits(text string) string {
	if text == "" || strings.Trim(text, "0123456789") != "" || strings.Trim(text, "0") == "" || len(text) > 4 {
		return ""
	}
	return strings.TrimLeft(text, "0")
}

// ofFlaskEnv reads FLASK_APP, which flask run serves.
func (l *looker) ofFlaskEnv() []Candidate {
	for line := range strings.SplitSeq(l.text(".flaskenv"), "\n") {
		line = strings.TrimPrefix(strings.TrimSpace(line), "export ")
		value, ok := strings.CutPrefix(line, "FLASK_APP=")
		if !ok {
			continue
		}
		module, name, _ := strings.Cut(strings.Trim(value, `"' `), ":")
		module = strings.ReplaceAll(strings.TrimSuffix(module, ".py"), "/", ".")
		if name != "" && !callable().MatchString(module+":"+name) {
			continue
		}
		for _, root := range l.roots {
			file := l.module(root, module)
			if file == "" {
				continue
			}
			if name != "" {
				return []Candidate{{App: module + ":" + name, Code: root, Why: "FLASK_APP of .flaskenv names it"}}
			}
			if c := l.in(root, module, file, func(definition) bool { return true }); len(c) > 0 {
				c[0].Why = "FLASK_APP of .flaskenv names its module; " + c[0].Why
				return c[:1]
			}
		}
	}
	return nil
}

// ofWSGI are the applications in files that are called wsgi.py.
func (l *looker) ofWSGI() (all []Candidate) {
	for _, root := range l.roots {
		modules := []string{"wsgi"}
		for _, pkg := range l.folders(root) {
			modules = append(modules, pkg+".wsgi")
		}
		for _, module := range modules {
			if file := l.module(root, module); file != "" && path.Base(file) == "wsgi.py" {
				all = append(all, l.in(root, module, file, func(d definition) bool { return !d.factory })...)
			}
		}
		if len(all) > 0 && all[0].App[:strings.IndexByte(all[0].App, ':')] == "wsgi" {
			return all[:1] // at the top: it speaks for all of the project
		}
	}
	return all
}

// ofModules are applications that a framework makes.
func (l *looker) ofModules() []Candidate {
	return l.everywhere(func(d definition) bool { return d.known })
}

func (l *looker) ofFactories() []Candidate {
	return l.everywhere(func(d definition) bool { return d.factory })
}

// inPackage are the modules of a package in which applications are looked for.
var inPackage = []string{"", ".app", ".main", ".web", ".server", ".application", ".factory", ".wsgi"}

func (l *looker) everywhere(want func(definition) bool) (all []Candidate) {
	for _, root := range l.roots {
		var modules []string
		for _, name := range l.names(root) {
			base, ok := strings.CutSuffix(name, ".py")
			if ok && !noApplication(base) {
				modules = append(modules, base)
			}
		}
		for _, pkg := range l.folders(root) {
			for _, m := range inPackage {
				modules = append(modules, pkg+m)
			}
		}
		for _, module := range modules {
			if file := l.module(root, module); file != "" {
				all = append(all, l.in(root, module, file, want)...)
			}
		}
	}
	return all
}

func noApplication(base string) bool {
	return base == "setup" || base == "conftest" || base == "manage" || base == "settings" || base == "asgi" || base == "gunicorn.conf" ||
		strings.HasPrefix(base, "test_") || strings.HasSuffix(base, "_test") || !callable().MatchString(base)
}

// in are the applications of one module: one called application or app stands before
// all others of its file.
func (l *looker) in(root, module, file string, want func(definition) bool) (all []Candidate) {
	seen := map[string]bool{}
	for _, d := range definitions(l.text(file)) {
		if d.asgi {
			l.asgi = append(l.asgi, fmt.Sprintf("%s (line %d of %s)", d.name, d.line, file))
		}
		if d.asgi || !want(d) || seen[d.name] {
			continue
		}
		seen[d.name] = true
		name := d.name
		if d.factory {
			name += "()"
		}
		all = append(all, Candidate{App: module + ":" + name, Code: root, Why: fmt.Sprintf("line %d of %s, %s", d.line, file, d.why)})
	}
	for _, name := range []string{"application", "app"} {
		for _, c := range all {
			if strings.HasSuffix(c.App, ":"+name) {
				return []Candidate{c}
			}
		}
	}
	return all
}

func (l *looker) note(format string, args ...any) {
	l.found.Notes = append(l.found.Notes, fmt.Sprintf(format, args...))
}
