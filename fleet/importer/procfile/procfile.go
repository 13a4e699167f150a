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
	envLine = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^([A-Za-z_0-9]+)=(.*)$`) })
)

// Read reads a Procfile with the .foreman and .env beside it, as foreman does: .env beats the
// environment, a process of the same name is one more, and each line of the file has a
// port of its own.
func Read(o facts.Options, path string) ([]*facts.App, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	folder := filepath.Dir(abs)
	info, err := os.Stat(abs)
	whole := err == nil && info.IsDir()
	if whole {
		folder = abs
	}
	opts, err := optionsOf(folder)
	if err != nil {
		return nil, err
	}
	if whole {
		abs = filepath.Join(abs, facts.Either(opts["procfile"].value, "Procfile"))
	}
	text, err := facts.ReadFile(abs)
	if err != nil {
		return nil, err
	}
	dir := filepath.Dir(abs)
	env, names, found, err := opts.environment(dir)
	if err != nil {
		return nil, err
	}
	a := &facts.App{Name: facts.AppNameOf(dir), Source: abs + " (Procfile)"}
	a.Facts = append(a.Facts, found...)
	opts.tell(a, abs)
	web, number, base := 0, 0, basePort(o, opts, env)
	lines := 0
	for line := range strings.SplitSeq(strings.ReplaceAll(string(text), "\r\n", "\n"), "\n") {
		number++
		m := procLine().FindStringSubmatch(line)
		if m == nil {
			continue
		}
		at := facts.Position{File: abs, Line: number}
		name, text := m[1], m[2]
		own := maps.Clone(env)
		own["PORT"], own["PS"] = strconv.Itoa(base+100*lines), name+".1"
		lines++
		c := facts.Command{Dir: dir, Was: name + ": " + facts.CommandText(text), At: at, Env: own}
		trial := &facts.App{Name: a.Name}
		c = command.OfShell(trial, c, filled(text, names, own), ": make it a stage of a deploy")
		server, err := command.Service(o, trial, c)
		if err != nil {
			return nil, err
		}
		switch {
		case server == "" && name == "release":
			a.Add(facts.Fact{Set: facts.SetStage, Key: name, List: command.Whole(filled(text, names, own), own), Was: c.Was, At: at})
		case server == "":
			for _, f := range trial.Facts {
				if f.Set == facts.SetLost || f.Set == facts.SetNote {
					a.Add(f)
				}
			}
			count := ""
			if n := opts.count(name); n != 1 {
				count = strconv.Itoa(n)
			}
			a.Add(facts.Fact{Set: facts.SetProcess, Key: name, List: c.Argv, Value: count, Was: c.Was, At: at})
		case web > 0:
			a.Lost(at, c.Was, "an app has one application: make an app of its own for it")
		default:
			web++
			if n := opts.count(name); n != 1 {
				given := opts["formation"]
				a.Lost(given.at, given.was("formation"), fmt.Sprintf("foreman started %d of %s, each on a port of its own; one master serves the app: write workers { count = … } for more processes", n, name))
			}
			for i, f := range trial.Facts {
				if f.Set == facts.SetDirectory && f.Was == "" {
					trial.Facts[i].Was, trial.Facts[i].At = "the Procfile's folder", at
				}
			}
			a.Facts = append(a.Facts, trial.Facts...)
		}
	}
	if web == 0 {
		return nil, errors.New("none of its processes starts a WSGI server that is known here (" + command.KnownServers + ")")
	}
	return []*facts.App{a}, nil
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
		if behind().MatchString(value) {
			found = append(found, facts.Fact{Set: facts.SetNote, Was: m[1], At: at,
				Value: "foreman takes a quote and what stands behind it, and # and what follows, as they are; other readers of such files do not: look whether the value is the one that is meant"})
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
