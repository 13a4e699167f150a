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
	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/facts"
)

// draft is an app on its way from facts to a page.
type draft struct {
	app    *facts.App
	page   *page
	notes  []string // also told by the command
	lost   int
	paths  []string   // of sys.path
	dir    facts.Fact // the working directory
	module facts.Fact // what the application is, also a file
	sock   map[string]facts.Fact
	hidden map[string]bool // variables that are secret whatever their names
	stages []facts.Fact    // what was done before a release
	gate   []facts.Fact    // addresses that the app shares with others
}

// spec makes the spec of an app.
func spec(a *facts.App) (*Imported, error) {
	if !appspec.ValidName(a.Name) {
		a.Name = facts.AppNameOf(a.Name)
	}
	d := &draft{app: a, sock: map[string]facts.Fact{}, hidden: map[string]bool{}}
	d.page = &page{
		name:   a.Name,
		header: []string{"Written by wsgid-fleet import from " + a.Source + "."},
		values: map[string]any{},
		came:   map[string]string{},
		secret: func(path, key string) bool {
			return key != "" && strings.HasPrefix(path, "env.") && (facts.IsSecretName(key) || d.hidden[key])
		},
	}
	for _, f := range d.envFiles(a.Facts) {
		d.take(f)
	}
	d.application()
	d.socketRights()
	d.listens()
	d.page.suggested = append(d.gateBlock(), d.suggestion()...)
	text, err := d.page.write()
	if err != nil {
		return nil, err
	}
	if len(d.page.sockets) == 0 {
		if _, err := loadText(a.Name, text, d.page.withMissing()); err != nil {
			// What is missing may be there where the spec is to run: a virtualenv, a user.
			d.lost++
			d.notes = append(d.notes, strings.ReplaceAll(err.Error(), "\n", " "))
		}
	}
	return &Imported{Name: a.Name, Text: text, Notes: d.notes, Incomplete: d.lost > 0, Secrets: d.page.secrets}, nil
}

// say writes a comment about a fact.
func (d *draft) say(f facts.Fact, text string) {
	line := text
	if f.Was != "" {
		line = f.Was + ": " + text
	}
	if f.At.File != "" {
		line = f.At.String() + ": " + line
	}
	d.page.lost = append(d.page.lost, line)
	d.notes = append(d.notes, facts.HideSecrets(line))
}

// drop says that a fact is not carried over, and why.
func (d *draft) drop(f facts.Fact, why string) {
	d.lost++
	d.say(f, "not carried over: "+why)
}

func (d *draft) came(path string, f facts.Fact) {
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
func (d *draft) take(f facts.Fact) {
	if bad := slices.IndexFunc(append([]string{f.Key, f.Value}, f.List...), func(s string) bool {
		return !utf8.ValidString(s) || strings.ContainsRune(s, 0)
	}); bad >= 0 && f.Set != facts.SetLost && f.Set != facts.SetNote {
		f.Was = facts.OneLine(f.Was)
		d.drop(f, "it is not UTF-8, which a spec is: write it so")
		return
	}
	switch f.Set {
	case facts.SetHeader:
		d.page.header = append(d.page.header, f.Value)
	case facts.SetLost:
		d.drop(f, f.Value)
	case facts.SetNote:
		d.say(f, f.Value)
	case facts.SetListen:
		d.listen(f)
	case facts.SetModule, facts.SetFile:
		d.module = f
	case facts.SetDirectory:
		if f.Was != "" || d.dir.Was == "" || d.dir.Value != f.Value {
			d.dir = f
		}
	case facts.SetSearchPath:
		if !slices.Contains(d.paths, f.Value) {
			d.paths = append(d.paths, f.Value)
		}
		d.came("env", f)
	case facts.SetEnv:
		delete(d.hidden, f.Key)
		d.env(f)
	case facts.SetEnvFile:
		d.envFile(f)
	case facts.SetSecretEnv:
		d.hidden[f.Key] = f.Value != ""
		d.env(f)
	case facts.SetMissing:
		d.missing(f)
	case facts.SetStatic:
		d.static(f)
	case facts.SetGate:
		d.gate = append(d.gate, f)
	case facts.SetSocketMode, facts.SetSocketUser, facts.SetSocketGrp:
		d.sock[f.Set] = f
	case facts.SetStage:
		d.stages = append(d.stages, f)
		d.drop(f, "a command before a release is a stage of its deploy")
	case facts.SetProcess, facts.SetSchedule:
		d.beside(f)
	default:
		d.attribute(f)
	}
}

func (d *draft) env(f facts.Fact) {
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

// missing is a secret whose file the operator has to write.
func (d *draft) missing(f facts.Fact) {
	f.Value = ""
	d.env(f)
	if d.page.missing == nil {
		d.page.missing = map[string]bool{}
	}
	d.page.missing[f.Key] = true
	d.drop(f, "write the value into "+d.page.secretFile(f.Key)+" beside the spec, for its owner alone (mode 0600), without which the spec is not taken")
}

// attribute sets an attribute of the language, where it has it.
func (d *draft) attribute(f facts.Fact) {
	a := appspec.Table().Attribute[f.Set]
	if a == nil {
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
func valueOf(a *appspec.Attribute, f facts.Fact) (any, error) {
	text := f.Value
	switch a.Type {
	case appspec.TypeBool:
		return text == "true", nil
	case appspec.TypeInt, appspec.TypeFloat:
		n, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return nil, fmt.Errorf("it is not a number")
		}
		return json.Number(text), inRange(a, n)
	case appspec.TypeDuration:
		t, err := time.ParseDuration(text)
		if err != nil {
			return nil, fmt.Errorf("it is not a time")
		}
		return appspec.DurationText(t), inRange(a, float64(t))
	case appspec.TypeSize:
		n, err := appspec.ParseSize(text)
		if err != nil {
			return nil, fmt.Errorf("it is not a size")
		}
		return json.Number(strconv.FormatUint(uint64(n), 10)), inRange(a, float64(n))
	case appspec.TypeMode:
		n, err := strconv.ParseUint(text, 8, 32)
		if err != nil || n > 0o777 {
			return nil, fmt.Errorf("it is not a mode of three octal digits")
		}
		return json.Number(strconv.FormatUint(n, 10)), nil
	case appspec.TypeList:
		return checkedList(a, f.List)
	default:
		return checkedText(a, text)
	}
}

func inRange(a *appspec.Attribute, n float64) error {
	if a.Zero && n == 0 || a.Min == 0 && a.Max == 0 || n >= a.Min && n <= a.Max {
		return nil
	}
	return fmt.Errorf("%s is out of the range that it takes here", a.Path)
}

func checkedList(a *appspec.Attribute, items []string) (any, error) {
	list := make([]any, len(items))
	for i, item := range items {
		if instead, ok := a.Check(item); !ok {
			return nil, fmt.Errorf("%s does not take %s: %s", a.Path, appspec.Quote(item), instead)
		}
		list[i] = item
	}
	return list, nil
}

func checkedText(a *appspec.Attribute, text string) (any, error) {
	instead, ok := a.Check(text)
	switch {
	case !ok && instead == "":
		return nil, fmt.Errorf("%s takes %s", a.Path, a.Form)
	case !ok && a.Path == "wsgi_app" && strings.HasSuffix(text, ")"):
		return nil, fmt.Errorf("%s does not take %s: a factory gets no arguments here: put what calls it, such as application = %s, into a module, and name that",
			a.Path, appspec.Quote(text), facts.HideSecrets(factoryOf(text)))
	case !ok:
		return nil, fmt.Errorf("%s does not take %s: %s", a.Path, appspec.Quote(text), instead)
	case len(a.OneOf) > 0 && !slices.Contains(a.OneOf, text):
		return nil, fmt.Errorf("%s takes one of %s", a.Path, strings.Join(a.OneOf, ", "))
	}
	return text, nil
}

// factoryOf is the call of an application such as shop:create_app("x").
func factoryOf(text string) string {
	_, call, _ := strings.Cut(text, ":")
	return call
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

// beside takes a process or a schedule.
func (d *draft) beside(f facts.Fact) {
	command := make([]any, len(f.List))
	for i, word := range f.List {
		command[i] = word
	}
	name := facts.AppNameOf(f.Key)
	for i := 2; slices.ContainsFunc(d.page.blocks, func(b namedBlock) bool { return b.kind == f.Set && b.name == name }); i++ {
		name = fmt.Sprintf("%s-%d", facts.AppNameOf(f.Key), i)
	}
	values := map[string]any{"command": command}
	switch {
	case f.Set == facts.SetSchedule:
		values["cron"] = f.Value
	case f.Value != "" && f.Value != "1":
		values["count"] = json.Number(f.Value)
	}
	for attr, text := range f.More {
		a := appspec.Table().Attribute[f.Set+"."+attr]
		v, err := valueOf(a, facts.Fact{Value: text})
		if err != nil {
			d.drop(facts.Fact{Was: f.Set + " " + name + ": " + attr + " " + text, At: f.At}, err.Error())
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
func (d *draft) static(f facts.Fact) {
	table := appspec.Table().Attribute
	url, dir := f.Key, f.Value
	if !strings.HasSuffix(url, "/") {
		url += "/"
	}
	if instead, ok := table["static.url"].Check(url); !ok {
		d.drop(f, "a static block's url takes "+facts.Either(instead, table["static.url"].Form))
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
		d.drop(f, "a static block's dir takes "+facts.Either(instead, table["static.dir"].Form))
		return
	}
	list, _ := d.page.values["static"].([]any)
	for _, one := range list {
		values := one.(map[string]any)
		earlier, _ := values["url"].(string)
		switch {
		case earlier == url:
			d.drop(f, "a url has one folder here: the first one, "+values["dir"].(string)+", has it; put the files of both into one")
			return
		case strings.HasPrefix(url, earlier):
			d.say(f, "the longest url counts here; before, "+earlier+" came first, and "+url+" where it had no such file")
		case strings.HasPrefix(earlier, url):
			d.say(f, "the longest url counts here, and the app answers for what has no file there; before, "+url+" came next")
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
