package importer

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

// draft is an app on its way from facts to a page.
type draft struct {
	app    *App
	page   *page
	notes  []string // also told by the command
	lost   int
	paths  []string // of sys.path
	dir    Fact     // the working directory
	module Fact     // what the application is, also a file
	sock   map[string]Fact
	hidden map[string]bool // variables that are secret whatever their names
}

// spec makes the spec of an app.
func (a *App) spec() (*Imported, error) {
	if !appspec.ValidName(a.Name) {
		a.Name = appNameOf(a.Name)
	}
	d := &draft{app: a, sock: map[string]Fact{}, hidden: map[string]bool{}}
	d.page = &page{
		name:   a.Name,
		header: []string{"Written by wsgid-fleet import from " + a.Source + "."},
		values: map[string]any{},
		came:   map[string]string{},
		secret: func(path, key string) bool {
			return key != "" && strings.HasPrefix(path, "env.") && (isSecretName(key) || d.hidden[key])
		},
	}
	for _, f := range a.Facts {
		d.take(f)
	}
	d.application()
	d.socketRights()
	d.listens()
	text, err := d.page.write()
	if err != nil {
		return nil, err
	}
	if len(d.page.sockets) == 0 {
		if _, err := loadText(a.Name, text, d.page.secrets); err != nil {
			// What is missing may be there where the spec is to run: a virtualenv, a user.
			d.lost++
			d.notes = append(d.notes, strings.ReplaceAll(err.Error(), "\n", " "))
		}
	}
	return &Imported{Name: a.Name, Text: text, Notes: d.notes, Incomplete: d.lost > 0, Secrets: d.page.secrets}, nil
}

// say writes a comment about a fact.
func (d *draft) say(f Fact, text string) {
	line := text
	if f.Was != "" {
		line = f.Was + ": " + text
	}
	if f.At.File != "" {
		line = f.At.String() + ": " + line
	}
	d.page.lost = append(d.page.lost, line)
	d.notes = append(d.notes, line)
}

// drop says that a fact is not carried over, and why.
func (d *draft) drop(f Fact, why string) {
	d.lost++
	d.say(f, "not carried over: "+why)
}

func (d *draft) came(path string, f Fact) {
	if f.At.File == "" {
		return
	}
	text := f.At.String()
	if f.Was != "" {
		text += ": " + f.Was
	}
	d.page.came[path] = text
}

// take puts one fact into the draft.
func (d *draft) take(f Fact) {
	if bad := slices.IndexFunc(append([]string{f.Key, f.Value}, f.List...), func(s string) bool {
		return !utf8.ValidString(s) || strings.ContainsRune(s, 0)
	}); bad >= 0 && f.Set != setLost && f.Set != setNote {
		f.Was = oneLine(f.Was)
		d.drop(f, "it is no UTF-8, which a spec is: write it so")
		return
	}
	switch f.Set {
	case setHeader:
		d.page.header = append(d.page.header, f.Value)
	case setLost:
		d.drop(f, f.Value)
	case setNote:
		d.say(f, f.Value)
	case setListen:
		d.listen(f)
	case setModule, setFile:
		d.module = f
	case setDirectory:
		if f.Was != "" || d.dir.Was == "" || d.dir.Value != f.Value {
			d.dir = f
		}
	case setSearchPath:
		if !slices.Contains(d.paths, f.Value) {
			d.paths = append(d.paths, f.Value)
		}
		d.came("env", f)
	case setEnv:
		d.env(f)
	case setSecretEnv:
		d.hidden[f.Key] = f.Value != ""
		d.env(f)
	case setStatic:
		d.static(f)
	case setSocketMode, setSocketUser, setSocketGrp:
		d.sock[f.Set] = f
	case setProcess, setSchedule:
		d.beside(f)
	default:
		d.attribute(f)
	}
}

func (d *draft) env(f Fact) {
	if f.Key == "" || strings.ContainsAny(f.Key, "=\x00") {
		d.drop(f, "it has no name")
		return
	}
	env, _ := d.page.values["env"].(map[string]any)
	if env == nil {
		env = map[string]any{}
		d.page.values["env"] = env
	}
	env[f.Key] = f.Value
}

// attribute sets an attribute of the language, where it has it.
func (d *draft) attribute(f Fact) {
	a := appspec.Table().Attribute[f.Set]
	if a == nil || !a.Built {
		d.drop(f, withoutHome(f.Set))
		return
	}
	v, err := valueOf(a, f)
	if err != nil {
		d.drop(f, err.Error())
		return
	}
	if a.Path == "workers.count" {
		put(d.page.values, "workers.min", v)
		put(d.page.values, "workers.max", v)
		d.came("workers.min", f)
		d.came("workers.max", f)
		return
	}
	put(d.page.values, a.Path, v)
	d.came(a.Path, f)
}

// withoutHome says what to do about what the language has no attribute for.
func withoutHome(path string) string {
	switch path {
	case "env_file":
		return "write the variables into env, secret ones as NAME = trimspace(file(\"/path\"))"
	}
	return "a spec has no attribute for it"
}

// valueOf is a fact's value as a spec has it in JSON, if the attribute takes it.
func valueOf(a *appspec.Attribute, f Fact) (any, error) {
	text := f.Value
	inRange := func(n float64) error {
		if a.Zero && n == 0 || a.Min == 0 && a.Max == 0 || n >= a.Min && n <= a.Max {
			return nil
		}
		return fmt.Errorf("%s is %s", a.Path, "out of the range that it takes here")
	}
	switch a.Type {
	case appspec.TypeBool:
		return text == "true", nil
	case appspec.TypeInt, appspec.TypeFloat:
		n, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return nil, fmt.Errorf("it is no number")
		}
		return json.Number(text), inRange(n)
	case appspec.TypeDuration:
		t, err := time.ParseDuration(text)
		if err != nil {
			return nil, fmt.Errorf("it is no time")
		}
		return appspec.DurationText(t), inRange(float64(t))
	case appspec.TypeSize:
		n, err := appspec.ParseSize(text)
		if err != nil {
			return nil, fmt.Errorf("it is no size")
		}
		return json.Number(strconv.FormatUint(uint64(n), 10)), inRange(float64(n))
	case appspec.TypeMode:
		n, err := strconv.ParseUint(text, 8, 32)
		if err != nil || n > 0o777 {
			return nil, fmt.Errorf("it is no mode of three octal digits")
		}
		return json.Number(strconv.FormatUint(n, 10)), nil
	case appspec.TypeList:
		list := make([]any, len(f.List))
		for i, item := range f.List {
			if instead, ok := a.Check(item); !ok {
				return nil, fmt.Errorf("%s does not take %s: %s", a.Path, appspec.Quote(item), instead)
			}
			list[i] = item
		}
		return list, nil
	default:
		if instead, ok := a.Check(text); !ok {
			if instead == "" {
				instead = a.Form
			}
			return nil, fmt.Errorf("%s takes %s", a.Path, instead)
		}
		if len(a.OneOf) > 0 && !slices.Contains(a.OneOf, text) {
			return nil, fmt.Errorf("%s takes one of %s", a.Path, strings.Join(a.OneOf, ", "))
		}
		return text, nil
	}
}

// put sets a value by its path of names.
func put(m map[string]any, path string, v any) {
	for {
		name, rest, nested := strings.Cut(path, ".")
		if !nested {
			m[name] = v
			return
		}
		inner, _ := m[name].(map[string]any)
		if inner == nil {
			inner = map[string]any{}
			m[name] = inner
		}
		m, path = inner, rest
	}
}

// beside takes a process or a schedule, which the language may not have yet.
func (d *draft) beside(f Fact) {
	block := appspec.Table().Block[f.Set]
	if block == nil || !block.Built {
		if f.Set == setProcess {
			d.drop(f, "what runs beside the workers stays with the service manager, as a unit of its own: "+strings.Join(f.List, " "))
		} else {
			d.drop(f, "a job by the clock stays with cron or a timer of systemd: "+f.Value+" "+strings.Join(f.List, " "))
		}
		return
	}
	command := make([]any, len(f.List))
	for i, word := range f.List {
		command[i] = word
	}
	name := appNameOf(f.Key)
	for i := 2; slices.ContainsFunc(d.page.blocks, func(b namedBlock) bool { return b.kind == f.Set && b.name == name }); i++ {
		name = fmt.Sprintf("%s-%d", appNameOf(f.Key), i)
	}
	values := map[string]any{"command": command}
	switch {
	case f.Set == setSchedule:
		values["cron"] = f.Value
	case f.Value != "" && f.Value != "1":
		values["count"] = json.Number(f.Value)
	}
	for attr, text := range f.More {
		a := appspec.Table().Attribute[f.Set+"."+attr]
		v, err := valueOf(a, Fact{Value: text})
		if err != nil {
			d.drop(Fact{Was: f.Set + " " + name + ": " + attr + " " + text, At: f.At}, err.Error())
			continue
		}
		values[attr] = v
	}
	came := f.At.String()
	if f.Was != "" {
		came += ": " + f.Was
	}
	d.page.blocks = append(d.page.blocks, namedBlock{kind: f.Set, name: name, values: values, came: came})
}

// static makes a block of a url and a folder.
func (d *draft) static(f Fact) {
	table := appspec.Table().Attribute
	url, dir := f.Key, f.Value
	if !strings.HasSuffix(url, "/") {
		url += "/"
	}
	if instead, ok := table["static.url"].Check(url); !ok {
		d.drop(f, "a static block's url takes "+either(instead, table["static.url"].Form))
		return
	}
	if !filepath.IsAbs(dir) {
		dir = filepath.Join(d.dir.Value, dir)
	}
	dir = filepath.Clean(dir)
	if isFile(f.Key, dir) {
		d.drop(f, "static blocks serve folders: let the app or a web server in front answer for this file, or write a block for the folder of several")
		return
	}
	if instead, ok := table["static.dir"].Check(dir); !ok || !filepath.IsAbs(dir) {
		d.drop(f, "a static block's dir takes "+either(instead, table["static.dir"].Form))
		return
	}
	list, _ := d.page.values["static"].([]any)
	for _, one := range list {
		earlier, _ := one.(map[string]any)["url"].(string)
		switch {
		case earlier == url:
			d.drop(f, "a url has one folder here: the first one, "+one.(map[string]any)["dir"].(string)+", has it; put the files of both into one")
			return
		case strings.HasPrefix(url, earlier):
			d.say(f, "the longest url counts here; before, "+earlier+" came first")
		}
	}
	d.came(fmt.Sprintf("static[%d].url", len(list)), f)
	d.page.values["static"] = append(list, map[string]any{"url": url, "dir": dir, "max_age": "0s"})
}

// isFile tells whether what a url is mapped to is one file.
func isFile(url, path string) bool {
	if info, err := os.Stat(path); err == nil {
		return !info.IsDir()
	}
	return !strings.HasSuffix(url, "/") && filepath.Ext(url) != "" && filepath.Ext(url) == filepath.Ext(path)
}

func either(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// application makes wsgi_app, the search path and the working directory.
func (d *draft) application() {
	d.directory()
	f := d.module
	switch f.Set {
	case "":
		d.drop(Fact{}, "no application is named: write wsgi_app")
	case setFile:
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
			d.drop(Fact{Was: p, At: d.module.At}, "a relative folder of the search path, whose place cannot be told: write it absolute into PYTHONPATH")
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

func (d *draft) moduleApp(f Fact) {
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
func (d *draft) file(f Fact) {
	path := f.Value
	if !filepath.IsAbs(path) {
		path = filepath.Join(d.dir.Value, path)
	}
	attr := f.Key
	if attr == "" {
		attr = "application"
	}
	a := appspec.Table().Attribute["wsgi_app"]
	if _, ok := a.Check(path); ok {
		f.Set, f.Value = "wsgi_app", path
		if attr != "application" {
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
