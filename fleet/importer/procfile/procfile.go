package procfile

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/command"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/facts"
)

var (
	procLine = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^([A-Za-z0-9_-]+):\s*(.+)$`) })
	escaped  = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`\\(.)`) })
	// What other readers take for an assignment, and a value of which they leave out the end.
	passedOver = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_.-]*)\s*=`) })
	behind     = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`^(?:[^"'].*\s#|"[^"]*"\s*[^"\s].*[^"]$|'[^']*'\s*[^'\s].*[^']$)`)
	})
	// What the foreman of npm 3.0.1, and heroku local, leave out of a value, and no other reader.
	cutByNPM = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^(?:[^"'].*#|#|"[^"]*\\")`) })
	envLine  = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^([A-Za-z_0-9]+)=(.*)$`) })
)

// procfile is one on its way to an app.
type procfile struct {
	o     facts.Options
	app   *facts.App
	dir   string
	opts  options
	env   map[string]string
	names []string // of env, in their order
	port  int      // of the next line
	web   bool     // a line serves already
}

// Read reads a Procfile with the .foreman and .env beside it, as foreman does: .env beats the
// environment, a process of the same name is one more, and each line of the file has a
// port of its own.
func Read(o facts.Options, path string) ([]*facts.App, error) {
	file, opts, err := find(path)
	if err != nil {
		return nil, err
	}
	text, err := facts.ReadFile(file)
	if err != nil {
		return nil, err
	}
	dir := filepath.Dir(file)
	env, names, found, err := opts.environment(dir)
	if err != nil {
		return nil, err
	}
	a := &facts.App{Name: facts.AppNameOf(dir), Source: file + " (Procfile)", Facts: found}
	opts.tell(a, file)
	p := &procfile{o: o, app: a, dir: dir, opts: opts, env: env, names: names, port: basePort(o, opts, env)}
	for i, line := range strings.Split(strings.ReplaceAll(string(text), "\r\n", "\n"), "\n") {
		m := procLine().FindStringSubmatch(line)
		if m == nil {
			continue
		}
		if err := p.line(m[1], m[2], facts.Position{File: file, Line: i + 1}); err != nil {
			return nil, err
		}
	}
	if !p.web {
		return nil, errors.New("none of its processes starts a WSGI server that is known here (" + command.KnownServers + ")")
	}
	return []*facts.App{a}, nil
}

// find is the Procfile that a path names, itself or by its folder, and what foreman takes
// from the folder.
func find(path string) (file string, opts options, err error) {
	if file, err = filepath.Abs(path); err != nil {
		return "", nil, err
	}
	info, err := os.Stat(file)
	if err != nil || !info.IsDir() {
		opts, err = optionsOf(filepath.Dir(file))
		return file, opts, err
	}
	opts, err = optionsOf(file)
	return filepath.Join(file, facts.Either(opts["procfile"].value, "Procfile")), opts, err
}

// line takes one process: the first that serves is the app, what serves nothing runs beside
// it, and what is for a release is a stage of a deploy.
func (p *procfile) line(name, text string, at facts.Position) error {
	own := maps.Clone(p.env)
	own["PORT"], own["PS"] = strconv.Itoa(p.port), name+".1"
	p.port += 100
	trial := &facts.App{Name: p.app.Name}
	c := facts.Command{Dir: p.dir, Was: name + ": " + facts.CommandText(text), At: at, Env: own}
	text = filled(text, p.names, own)
	c = command.OfShell(trial, c, text, ": make it a stage of a deploy")
	server, err := command.Service(p.o, trial, c)
	if err != nil {
		return err
	}
	switch {
	case server == "" && name == "release":
		p.app.Add(facts.Fact{Set: facts.SetStage, Key: name, List: command.Whole(text, own), Was: c.Was, At: at})
	case server == "":
		p.beside(name, c, trial)
	case p.web:
		p.app.Lost(at, c.Was, "an app has one application: make an app of its own for it")
	default:
		p.web = true
		p.serves(name, at, trial)
	}
	return nil
}

// beside adds a process that serves nothing, with what is to be said of its command.
func (p *procfile) beside(name string, c facts.Command, trial *facts.App) {
	for _, f := range trial.Facts {
		if f.Set == facts.SetLost || f.Set == facts.SetNote {
			p.app.Add(f)
		}
	}
	count := ""
	if n := p.opts.count(name); n != 1 {
		count = strconv.Itoa(n)
	}
	p.app.Add(facts.Fact{Set: facts.SetProcess, Key: name, List: c.Argv, Value: count, Was: c.Was, At: c.At})
}

// serves makes the app of a process that serves.
func (p *procfile) serves(name string, at facts.Position, trial *facts.App) {
	if n := p.opts.count(name); n != 1 {
		given := p.opts["formation"]
		p.app.Lost(given.at, given.was("formation"), fmt.Sprintf("foreman started %d of %s, each on a port of its own; one master serves the app: write workers { count = … } for more processes", n, name))
	}
	for _, f := range trial.Facts {
		if f.Set == facts.SetDirectory && f.Was == "" {
			f.Was, f.At = "the Procfile's folder", at
		}
		p.app.Add(f)
	}
}

// basePort is the port of the first line; each further line has one that is 100 higher.
func basePort(o facts.Options, opts options, env map[string]string) int {
	text := facts.Either(opts["port"].value, env["PORT"])
	if text == "" {
		text, _ = o.Env("PORT")
	}
	if text == "" {
		return 5000
	}
	return facts.LeadingInt(text)
}

// filled is a command with the variables that foreman puts in before a shell sees it:
// $NAME of those it has, one after the other, also in single quotes, and where NAME only
// begins a longer name (0.87.2; findings/foreman-fills-the-shorter-name.sh).
func filled(text string, names []string, env map[string]string) string {
	for _, name := range append(slices.Clip(names), "PORT", "PS") {
		text = strings.ReplaceAll(text, "$"+name, env[name])
	}
	return text
}

// dotEnv reads a .env as foreman does (0.87.2; findings/foreman-passes-over-an-export.sh):
// a line with export or blanks around = says nothing, $ is text, single quotes and double quotes are
// taken off, \n in double quotes is a new line, any other sign behind a backslash there
// is itself. names are the variables in their order.
func dotEnv(path string) (env map[string]string, names []string, found []facts.Fact, err error) {
	env = map[string]string{}
	text, err := facts.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return env, nil, nil, nil
	}
	if err != nil {
		return nil, nil, nil, fmt.Errorf("cannot read %s: %w", path, err)
	}
	if env, found, ok := ofJSON(path, text); ok {
		return env, nil, found, nil
	}
	number := 0
	for line := range strings.SplitSeq(strings.ReplaceAll(string(text), "\r\n", "\n"), "\n") {
		number++
		m := envLine().FindStringSubmatch(line)
		at := facts.Position{File: path, Line: number}
		if m == nil {
			if over := passedOver().FindStringSubmatch(line); over != nil {
				found = append(found, facts.Fact{Set: facts.SetLost, Was: over[1], At: at,
					Value: "foreman takes nothing from the line: it wants NAME=VALUE, without export and without blanks before the value; write it into env if the app needs it"})
			}
			continue
		}
		value := m[2]
		switch {
		case behind().MatchString(value):
			found = append(found, facts.Fact{Set: facts.SetNote, Was: m[1], At: at,
				Value: "foreman takes a quote and what stands behind it, and # and what follows, as they are; other readers of such files do not: look whether the value is the one that is meant"})
		case cutByNPM().MatchString(value):
			found = append(found, facts.Fact{Set: facts.SetNote, Was: m[1], At: at,
				Value: "heroku local and the foreman of npm end the value at # outside of quotes, and at \\\" in double quotes; the foreman of Ruby does not: if it was one of the former that started the app, write the value that it had"})
		}
		if len(value) > 1 && value[0] == '\'' && value[len(value)-1] == '\'' {
			value = value[1 : len(value)-1]
		} else if len(value) > 1 && value[0] == '"' && value[len(value)-1] == '"' {
			value = escaped().ReplaceAllString(strings.ReplaceAll(value[1:len(value)-1], `\n`, "\n"), "$1")
		}
		if _, ok := env[m[1]]; !ok {
			names = append(names, m[1])
		}
		env[m[1]] = value
		found = append(found, facts.Fact{Set: facts.SetSecretEnv, Key: m[1], Value: value, Was: m[1], At: at})
	}
	return env, names, found, nil
}
