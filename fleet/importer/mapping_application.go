package importer

import (
	"path/filepath"
	"slices"
	"strings"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/facts"
)

// application makes wsgi_app, the search path and the working directory.
func (d *draft) application() {
	d.directory()
	f := d.module
	switch f.Set {
	case "":
		d.drop(facts.Fact{}, "no application is named: write wsgi_app")
	case facts.SetFile:
		d.file(f)
	default:
		d.moduleApp(f)
	}
	if len(d.paths) == 0 {
		return
	}
	env, _ := d.page.values["env"].(map[string]any)
	if env == nil {
		env = map[string]any{}
		d.page.values["env"] = env
	}
	if own, _ := env["PYTHONPATH"].(string); own != "" {
		d.paths = append(d.paths, own)
	}
	for _, p := range d.paths {
		if !filepath.IsAbs(p) && !strings.Contains(p, ":") {
			d.drop(facts.Fact{Was: p, At: d.module.At}, "a relative folder of the search path, whose place cannot be told: write it absolute into PYTHONPATH")
		}
	}
	env["PYTHONPATH"] = strings.Join(d.paths, ":")
}

// directory carries the folder over that the peer worked in, where it was named: else it
// is where the peer happened to be started.
func (d *draft) directory() {
	if f := d.dir; f.Value != "" && f.Was != "" {
		f.Set = "working_directory"
		d.attribute(f)
	}
}

func (d *draft) moduleApp(f facts.Fact) {
	name, attr, ok := strings.Cut(f.Value, ":")
	if !ok || attr == "" {
		if attr = f.Key; attr == "" {
			attr = "application"
		}
	}
	f.Value = name + ":" + attr
	f.Set = "wsgi_app"
	d.attribute(f)
}

// file is an application in a file: where the language takes no files, its module.
func (d *draft) file(f facts.Fact) {
	path := f.Value
	if !filepath.IsAbs(path) {
		path = filepath.Join(d.dir.Value, path)
	}
	preset := "application"
	if strings.HasSuffix(path, ".ini") {
		preset = "main"
	}
	attr := facts.Either(f.Key, preset)
	a := appspec.Table().Attribute["wsgi_app"]
	if _, ok := a.Check(path); ok {
		f.Set, f.Value = "wsgi_app", path
		if attr != preset {
			f.Value += ":" + attr
		}
		d.attribute(f)
		return
	}
	module, isPython := strings.CutSuffix(filepath.Base(path), ".py")
	if _, ok := appspec.CheckModule(module); !isPython || !ok || strings.Contains(module, ".") || !filepath.IsAbs(path) {
		d.drop(f, "an application is a module here: put it, or a link to it, into app/ of the app folder under a name such as main.py, and write wsgi_app = "+appspec.Quote("main:"+attr))
		return
	}
	f.Set, f.Value = "wsgi_app", module+":"+attr
	d.attribute(f)
	if dir := filepath.Dir(path); !slices.Contains(d.paths, dir) {
		d.paths = append([]string{dir}, d.paths...)
	}
}
