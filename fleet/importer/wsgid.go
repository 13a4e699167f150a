package importer

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/afero"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/appspec/hclspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/facts"
	"github.com/wsgid-fleet/wsgid-fleet/runner/appdir"
)

// importFolder reads the wsgid.json and django.json of an app folder, and writes the
// spec with which the fleet runs the same app.
func importFolder(path string) (*Imported, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("cannot import %s: %w", path, err)
	}
	fsys, err := appdir.Open(abs)
	if err != nil {
		return nil, fmt.Errorf("cannot import %s: %w", path, err)
	}
	defer fsys.Close()
	imp := &importer{path: abs, fsys: fsys}
	if err := imp.read(); err != nil {
		return nil, fmt.Errorf("cannot import %s: %w", path, err)
	}
	page, err := imp.page()
	if err != nil {
		return nil, fmt.Errorf("cannot import %s: %w", path, err)
	}
	text, err := page.write()
	if err != nil {
		return nil, fmt.Errorf("cannot import %s: %w", path, err)
	}
	if !imp.incomplete {
		if err := imp.prove(text, page.secrets); err != nil {
			return nil, fmt.Errorf("cannot import %s: %w", path, err)
		}
	}
	return &Imported{Name: imp.spec.Name, Text: text, Notes: imp.notes, Incomplete: imp.incomplete, Secrets: page.secrets}, nil
}

// importer is one import.
type importer struct {
	path       string
	fsys       *appdir.RootFs
	spec       *appspec.Spec
	notes      []string
	incomplete bool
}

func (imp *importer) note(format string, args ...any) {
	imp.notes = append(imp.notes, fmt.Sprintf(format, args...))
}

// read makes the spec of what the folder says.
func (imp *importer) read() error {
	fi, err := imp.fsys.Stat("/")
	if errors.Is(err, fs.ErrNotExist) {
		return errors.New("there is no such folder")
	}
	if err != nil {
		return err
	}
	if !imp.looksLikeWsgid() {
		return errors.New("it is not an app folder of wsgid: it holds neither app/ nor wsgid.json; name the folder that wsgid was given as --app-path")
	}
	conf, err := appdir.LoadConfig(imp.fsys)
	if err != nil {
		return err
	}
	s := appspec.Default("", imp.path)
	if err := conf.Apply(s); err != nil {
		return err
	}
	if s.Name == "" {
		s.Name = facts.AppNameOf(imp.path)
	}
	imp.spec = s
	for _, line := range conf.Unknown() {
		imp.note("%s: not carried over", line)
	}
	for _, line := range conf.Repeated() {
		imp.note("%s", line)
	}
	if conf.NoDaemon || conf.Stdout {
		imp.note("no_daemon and stdout are not carried over: under the fleet an app logs to logs/wsgid.log, see log.target")
	}
	for _, pid := range imp.runningWsgid() {
		imp.note("wsgid runs on it now, master %d: stop it before the fleet starts the app: wsgid stop --app-path=%s", pid, imp.path)
	}
	if st, ok := fi.Sys().(*syscall.Stat_t); ok && st.Uid == 0 && s.User == "" {
		imp.note("%s belongs to root, and wsgid ran the app as root; the fleet runs it as the user wsgid or www-data: give the folder to a user of its own, or write user into the spec", imp.path)
	}
	if s.WSGIApp == "" && s.Loader == "auto" {
		imp.note("the loaders find the application, as under wsgid; if wsgid was started with --wsgi-app, write wsgi_app into the spec")
	}
	return imp.readDjango()
}

// runningWsgid finds the masters of the folder that are not the fleet's. They
// are only told of, so the word of a pid file and of a command line will do.
func (imp *importer) runningWsgid() []int {
	pids, err := appdir.PIDs(imp.fsys, appdir.Master)
	if err != nil {
		return nil
	}
	return slices.DeleteFunc(pids, func(pid int) bool {
		line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		args := strings.SplitN(string(line), "\x00", 3)
		if err != nil || len(args) < 2 {
			return true
		}
		if name, ok := strings.CutPrefix(args[0], "wsgid: master "); ok {
			return !strings.Contains(name, "@") // the fleet's have no digest in their names
		}
		return filepath.Base(args[0]) != "wsgid" && filepath.Base(args[1]) != "wsgid" // the original
	})
}

func (imp *importer) looksLikeWsgid() bool {
	for _, name := range []string{appdir.AppDir, appdir.ConfigFile} {
		if _, err := imp.fsys.Stat(name); err == nil {
			return true
		}
	}
	return false
}

// page makes what is printed of the spec.
func (imp *importer) page() (*page, error) {
	values, err := plainSpec(imp.spec)
	if err != nil {
		return nil, err
	}
	p := &page{name: imp.spec.Name, header: []string{"Written by wsgid-fleet import from " + imp.path + "."}, values: values}
	if imp.spec.Deploy == nil {
		p.suggested = suggestDeploy(imp.spec.Name, []string{filepath.Join(imp.path, appdir.AppDir)}, nil, nil)
	}
	p.secret = func(path, key string) bool {
		return imp.spec.Sensitive[path] || key != "" && facts.IsSecretName(key)
	}
	if len(imp.spec.Sockets.HTTP)+len(imp.spec.Sockets.Mongrel2) == 0 {
		imp.incomplete = true
		imp.note("wsgid.json names no recv and no send, so they came by the command line: write them into the block sockets")
		p.sockets = []string{
			"mongrel2 {",
			`  recv = "tcp://127.0.0.1:9997" # wsgid's --recv: the handler's send_spec`,
			`  send = "tcp://127.0.0.1:9996" # wsgid's --send: the handler's recv_spec`,
			"}",
		}
	}
	return p, nil
}

// readDjango makes the overrides of django.json.
func (imp *importer) readDjango() error {
	settings, err := appdir.LoadDjango(imp.fsys)
	if err != nil || len(settings) == 0 {
		return err
	}
	imp.dropNulls("", settings)
	if imp.spec.Django == nil {
		imp.spec.Django = &appspec.Django{}
	}
	imp.spec.Django.Overrides = settings
	imp.readStatic(settings)
	return nil
}

// readStatic makes static blocks of the settings by which Django says where its files
// are: under wsgid a web server in front had them.
func (imp *importer) readStatic(settings map[string]any) {
	if len(imp.spec.Static) > 0 {
		return // the fleet wrote the folder's wsgid.json, and they stand in it
	}
	table := appspec.Table().Attribute
	for _, kind := range []string{"STATIC", "MEDIA"} {
		url, _ := settings[kind+"_URL"].(string)
		dir, _ := settings[kind+"_ROOT"].(string)
		if dir == "" {
			continue
		}
		if len(imp.spec.Sockets.HTTP) == 0 {
			imp.note("django.json names %s_ROOT: mongrel2 goes on to serve it by its own Dir handler; for an http socket write a block static", kind)
			continue
		}
		if url == "" && kind == "STATIC" {
			url = "/static/"
		}
		if !strings.HasPrefix(url, "/") && !strings.Contains(url, "://") && url != "" {
			url = "/" + url
		}
		if rest, ok := strings.CutPrefix(filepath.Clean(dir), imp.path+"/"); ok {
			dir = rest
		}
		_, urlOK := table["static.url"].Check(url)
		_, dirOK := table["static.dir"].Check(dir)
		if url == "" || !urlOK || !dirOK || !filepath.IsAbs(settings[kind+"_ROOT"].(string)) {
			imp.note("django.json: %[1]s_ROOT is not served: write a block static with its url and folder, or let a web server in front serve it", kind)
			continue
		}
		imp.spec.Static = append(imp.spec.Static, appspec.Static{URL: url, Dir: filepath.Clean(dir), MaxAge: appspec.NewStatic().MaxAge})
	}
}

// dropNulls takes away what a spec cannot say: there null means not set.
func (imp *importer) dropNulls(path string, settings map[string]any) {
	for _, key := range facts.SortedKeys(settings) {
		switch v := settings[key].(type) {
		case nil:
			imp.note("django.json: %s%s is null, which a spec cannot say; set it in the project's settings", path, key)
			delete(settings, key)
		case map[string]any:
			imp.dropNulls(path+key+".", v)
		}
	}
}

// prove compares the text with what was read: an import that says something else
// than the folder did must not go unnoticed.
func (imp *importer) prove(text []byte, secrets map[string]string) error {
	got, err := loadText(imp.spec.Name, text, secrets)
	if err != nil {
		return err
	}
	want := *imp.spec
	want.Sensitive, want.File = got.Sensitive, got.File
	if changes := appspec.Diff(&want, got); len(changes) > 0 {
		return fmt.Errorf("%s would change on the way", changes[0].Path)
	}
	return nil
}

// loadText loads a spec that was printed, as the fleet does, with its secrets in
// their files.
func loadText(name string, text []byte, secrets map[string]string) (*appspec.Spec, error) {
	// The text is not on disk yet, the interpreter that it may name is.
	over := afero.NewCopyOnWriteFs(afero.NewReadOnlyFs(afero.NewOsFs()), afero.NewMemMapFs())
	const file = "/import.hcl"
	if err := afero.WriteFile(over, file, text, 0o600); err != nil {
		return nil, err
	}
	for path, secret := range secrets {
		if err := over.MkdirAll("/"+filepath.Dir(path), 0o700); err != nil {
			return nil, err
		}
		if err := afero.WriteFile(over, "/"+path, []byte(secret), 0o600); err != nil {
			return nil, err
		}
	}
	options := hclspec.Options{Root: true, OpenFile: func(name string) (afero.File, error) { return over.Open(name) }}
	set := options.LoadFiles(over, file)
	if len(set.Faults) > 0 {
		return nil, fmt.Errorf("what it says is not a good spec:\n%s", strings.ReplaceAll(strings.TrimSpace(set.Faults[0].Text), file, name+".hcl"))
	}
	got, ok := set.Specs[name]
	if !ok {
		return nil, errors.New("the spec did not load")
	}
	return got, nil
}

// plainSpec is a spec as JSON sees it, so that the table of attributes can be
// walked by path.
func plainSpec(s *appspec.Spec) (map[string]any, error) {
	b, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	return decodeObject(b)
}
