package systemd

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/command"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/facts"
)

// unitFile is a unit of systemd with its drop-ins: values of a key in order, an empty
// one takes those before it away.
type unitFile struct {
	path   string
	values map[string][]unitValue // by Section.Key
}

type unitValue struct {
	text string
	at   facts.Position
}

// readUnit reads a unit and its drop-ins.
func readUnit(path string) (*unitFile, error) {
	u := &unitFile{path: path, values: map[string][]unitValue{}}
	file, text, err := unitText(path)
	if err != nil {
		return nil, err
	}
	if err := u.parse(file, text); err != nil {
		return nil, err
	}
	drop := dropIns(path)
	for _, n := range facts.SortedKeys(drop) {
		if target, err := filepath.EvalSymlinks(drop[n]); err == nil && target == os.DevNull {
			continue // it takes those of its name away
		}
		text, err := facts.ReadFile(drop[n])
		if err != nil {
			return nil, fmt.Errorf("cannot read %s: %w", drop[n], err)
		}
		if err := u.parse(drop[n], string(text)); err != nil {
			return nil, err
		}
	}
	return u, nil
}

// dropIns are the files that add to a unit, by their names: of one name the file of the
// folder counts that is more of this unit, and of such that of /etc.
func dropIns(path string) map[string]string {
	name := filepath.Base(path)
	end := filepath.Ext(name)
	base, _, isInstance := strings.Cut(strings.TrimSuffix(name, end), "@")
	folders := []string{strings.TrimPrefix(end, ".") + ".d"}
	for i, c := range base {
		if c == '-' && i+1 < len(base) {
			folders = append(folders, base[:i+1]+end+".d")
		}
	}
	if isInstance {
		folders = append(folders, base+"@"+end+".d")
	}
	folders = append(folders, name+".d")
	roots := []string{filepath.Dir(path)}
	if slices.Contains([]string{"/lib/systemd/system", "/usr/lib/systemd/system"}, roots[0]) {
		roots = append(roots, "/etc/systemd/system")
	}
	found := map[string]string{}
	for _, folder := range folders {
		for _, root := range roots {
			names, err := facts.FolderNames(filepath.Join(root, folder))
			if err != nil {
				continue // there is none
			}
			for _, n := range names {
				if strings.HasSuffix(n, ".conf") {
					found[n] = filepath.Join(root, folder, n)
				}
			}
		}
	}
	return found
}

// goesOn tells whether a line ends in a backslash that is not itself behind one.
func goesOn(line string) bool {
	return (len(line)-len(strings.TrimRight(line, `\`)))%2 == 1
}

// parse reads a file: a line that ends in a backslash goes on in the next one, in
// which comments are passed over.
func (u *unitFile) parse(path, text string) error {
	section, pending, began := "", "", 0
	number := 0
	for line := range strings.SplitSeq(strings.ReplaceAll(text, "\r\n", "\n"), "\n") {
		number++
		trimmed := strings.TrimLeft(line, " \t")
		if trimmed != "" && (trimmed[0] == '#' || trimmed[0] == ';') {
			continue
		}
		if pending == "" {
			began = number
		}
		if goesOn(line) {
			pending += line[:len(line)-1] + " "
			continue
		}
		full := strings.TrimSpace(pending + line)
		pending = ""
		switch {
		case full == "":
		case !utf8.ValidString(full):
			return fmt.Errorf("%s: the line is not UTF-8: systemd does not load the unit", facts.Position{File: path, Line: began})
		case full[0] == '[' && full[len(full)-1] == ']':
			section = full[1 : len(full)-1]
		default:
			key, value, ok := strings.Cut(full, "=")
			if !ok {
				continue
			}
			key = section + "." + strings.TrimSpace(key)
			if value = strings.TrimSpace(value); value == "" {
				delete(u.values, key)
				continue
			}
			u.values[key] = append(u.values[key], unitValue{value, facts.Position{File: path, Line: began}})
		}
	}
	return nil
}

func (u *unitFile) last(key string) (unitValue, bool) {
	list := u.values[key]
	if len(list) == 0 {
		return unitValue{}, false
	}
	v := list[len(list)-1]
	v.text = u.specifiers(v.text)
	return v, true
}

// Read reads a .service unit that starts a WSGI server, with the .socket beside it; of a
// template its instances.
func Read(o facts.Options, path string) ([]*facts.App, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	abs = placed(abs)
	if !strings.HasSuffix(abs, "@.service") {
		a, err := readService(o, abs)
		return one(a), err
	}
	names, err := instances(abs)
	if err != nil && sameOfAll(abs) {
		a, err := readService(o, abs)
		return one(a), err
	}
	if err != nil {
		return nil, err
	}
	var all []*facts.App
	var errs []error
	for _, name := range names {
		a, err := readService(o, filepath.Join(filepath.Dir(abs), name))
		if err != nil {
			err = fmt.Errorf("%s: %w", name, err)
		}
		all, errs = append(all, one(a)...), append(errs, err)
	}
	return all, errors.Join(errs...)
}

// one is a list of an app, if there is one.
func one(a *facts.App) []*facts.App {
	if a == nil {
		return nil
	}
	return []*facts.App{a}
}

func readService(o facts.Options, abs string) (*facts.App, error) {
	u, err := readUnit(abs)
	if err != nil {
		return nil, err
	}
	a := &facts.App{Name: facts.AppNameOf(strings.TrimSuffix(filepath.Base(abs), ".service")), Source: abs + " (systemd)"}
	start, ok := u.last("Service.ExecStart")
	if !ok {
		return nil, errors.New("it has no ExecStart")
	}
	env := u.environment(a)
	c := facts.Command{Was: "ExecStart = " + facts.CommandText(start.text), At: start.at, Env: env, Dir: "/"}
	if c.Argv, err = u.start(a, env); err != nil {
		return nil, err
	}
	v, ok := u.last("Service.WorkingDirectory")
	if fault := u.badDirectory(); fault != "" {
		if !strings.HasPrefix(v.text, "-") {
			return nil, fmt.Errorf("%s: WorkingDirectory=%s: systemd does not load the unit: %s", v.at, v.text, fault)
		}
		a.Lost(v.at, "WorkingDirectory="+v.text, "systemd passes over it: "+fault)
		ok = false
	}
	if ok {
		dir := strings.TrimPrefix(v.text, "-")
		if who, _ := u.last("Service.User"); dir == "~" {
			dir = userHome(facts.Either(who.text, "root"))
		}
		if dir == "" {
			a.Lost(v.at, "WorkingDirectory="+v.text, "the user's home is not known here: name the folder in working_directory")
		} else {
			c.Dir = dir
			a.Add(facts.Fact{Set: facts.SetDirectory, Value: dir, Was: "WorkingDirectory=" + v.text, At: v.at})
		}
	} else {
		a.Add(facts.Fact{Set: facts.SetDirectory, Value: "/", Was: "no WorkingDirectory, so systemd's own", At: facts.Position{File: abs}})
	}
	server, err := command.Service(o, a, c)
	if err != nil {
		return nil, err
	}
	if server == "" {
		return nil, fmt.Errorf("%s: its command starts no WSGI server that is known here (%s): %s", start.at, command.KnownServers, facts.CommandText(start.text))
	}
	inCommand(a, start)
	u.facts(a)
	others := u.webServices(o)
	u.services(o, a, env, u.timers(a, env, others), others)
	return a, socket(a, abs, strings.HasPrefix(server, "uwsgi"))
}

// start is the command of a service, with its variables. It has one, but for oneshots.
func (u *unitFile) start(a *facts.App, env map[string]string) ([]string, error) {
	var all []unitCommand
	for _, v := range u.values["Service.ExecStart"] {
		more, err := u.commands(v.text)
		if err != nil {
			return nil, fmt.Errorf("%s: ExecStart=%s: systemd does not load the unit: %w", v.at, facts.CommandText(v.text), err)
		}
		all = append(all, more...)
	}
	v := u.values["Service.ExecStart"][0]
	if len(all) > 1 {
		a.Lost(v.at, "ExecStart", fmt.Sprintf("it has %d commands, of which only the last one is taken", len(all)))
	}
	last := all[len(all)-1]
	if strings.ContainsAny(last.prefix, "+!") {
		a.Lost(v.at, "ExecStart="+last.prefix, "it asks for rights of its own: the app has those of its user")
	}
	return last.with(a, v.at, env), nil
}
