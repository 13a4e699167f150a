package importer

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
)

var (
	procLine = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^([A-Za-z0-9_-]+):\s*(.+)$`) })
	escaped  = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`\\(.)`) })
	envLine  = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^([A-Za-z_0-9]+)=(.*)$`) })
)

// procfile reads a Procfile with the .env beside it, as foreman does: .env beats the
// environment, and a process of the same name is one more.
func (o Options) procfile(path string) ([]*App, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	if info, err := os.Stat(abs); err == nil && info.IsDir() {
		abs = filepath.Join(abs, "Procfile")
	}
	text, err := readFile(abs)
	if err != nil {
		return nil, err
	}
	dir := filepath.Dir(abs)
	env, facts, err := dotEnv(filepath.Join(dir, ".env"))
	if err != nil {
		return nil, err
	}
	if env["PORT"] == "" {
		env["PORT"] = "5000"
	}
	a := &App{Name: appNameOf(dir), Source: abs + " (Procfile)"}
	a.Facts = append(a.Facts, facts...)
	web, number := 0, 0
	for line := range strings.SplitSeq(strings.ReplaceAll(string(text), "\r\n", "\n"), "\n") {
		number++
		m := procLine().FindStringSubmatch(line)
		if m == nil {
			continue
		}
		at := Position{abs, number}
		argv, inner, lost := shellCommand(m[2], env)
		c := command{argv: argv, dir: rel(dir, inner), was: m[1] + ": " + commandText(m[2]), at: at, env: env}
		if c.dir == "" {
			c.dir = dir
		}
		trial := &App{Name: a.Name}
		server, err := o.service(trial, c)
		if err != nil {
			return nil, err
		}
		switch {
		case server == "" && m[1] == "release":
			a.lost(at, c.was, "a command before a release is a stage of its deploy")
		case server == "":
			if lost {
				a.lost(at, c.was, "a shell ran it, and what it did besides starting a program is not done")
			}
			a.add(Fact{Set: setProcess, Key: m[1], List: argv, Was: c.was, At: at})
		case web > 0:
			a.lost(at, c.was, "an app has one application: make an app of its own for it")
		default:
			web++
			for i, f := range trial.Facts {
				if f.Set == setDirectory && f.Was == "" {
					trial.Facts[i].Was, trial.Facts[i].At = "the Procfile's folder", at
				}
			}
			a.Facts = append(a.Facts, trial.Facts...)
			if lost {
				a.lost(at, c.was, "a shell ran it, and what it did besides starting a program is not done: make it a stage of a deploy")
			}
		}
	}
	if web == 0 {
		return nil, errors.New("none of its processes starts a WSGI server that is known here (" + knownServers + ")")
	}
	return []*App{a}, nil
}

// dotEnv reads a .env as foreman does: $ is text, single quotes and double quotes are
// taken off, \n in double quotes is a new line, any other sign behind a backslash there
// is itself.
func dotEnv(path string) (map[string]string, []Fact, error) {
	env := map[string]string{}
	text, err := readFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return env, nil, nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("cannot read %s: %w", path, err)
	}
	var facts []Fact
	number := 0
	for line := range strings.SplitSeq(strings.ReplaceAll(string(text), "\r\n", "\n"), "\n") {
		number++
		m := envLine().FindStringSubmatch(line)
		if m == nil {
			continue
		}
		value := m[2]
		if len(value) > 1 && value[0] == '\'' && value[len(value)-1] == '\'' {
			value = value[1 : len(value)-1]
		} else if len(value) > 1 && value[0] == '"' && value[len(value)-1] == '"' {
			value = escaped().ReplaceAllString(strings.ReplaceAll(value[1:len(value)-1], `\n`, "\n"), "$1")
		}
		env[m[1]] = value
		facts = append(facts, Fact{Set: setSecretEnv, Key: m[1], Value: value, Was: m[1], At: Position{path, number}})
	}
	return env, facts, nil
}
