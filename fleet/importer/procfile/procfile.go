package procfile

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/command"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/facts"
)

var (
	procLine = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^([A-Za-z0-9_-]+):\s*(.+)$`) })
	escaped  = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`\\(.)`) })
	envLine  = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^([A-Za-z_0-9]+)=(.*)$`) })
)

// Read reads a Procfile with the .env beside it, as foreman does: .env beats the
// environment, and a process of the same name is one more.
func Read(o facts.Options, path string) ([]*facts.App, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	if info, err := os.Stat(abs); err == nil && info.IsDir() {
		abs = filepath.Join(abs, "Procfile")
	}
	text, err := facts.ReadFile(abs)
	if err != nil {
		return nil, err
	}
	dir := filepath.Dir(abs)
	env, found, err := dotEnv(filepath.Join(dir, ".env"))
	if err != nil {
		return nil, err
	}
	if env["PORT"] == "" {
		env["PORT"] = "5000"
	}
	a := &facts.App{Name: facts.AppNameOf(dir), Source: abs + " (Procfile)"}
	a.Facts = append(a.Facts, found...)
	web, number := 0, 0
	for line := range strings.SplitSeq(strings.ReplaceAll(string(text), "\r\n", "\n"), "\n") {
		number++
		m := procLine().FindStringSubmatch(line)
		if m == nil {
			continue
		}
		at := facts.Position{File: abs, Line: number}
		argv, inner, lost := command.ShellCommand(m[2], env)
		c := facts.Command{Argv: argv, Dir: facts.Rel(dir, inner), Was: m[1] + ": " + facts.CommandText(m[2]), At: at, Env: env}
		if c.Dir == "" {
			c.Dir = dir
		}
		trial := &facts.App{Name: a.Name}
		server, err := command.Service(o, trial, c)
		if err != nil {
			return nil, err
		}
		switch {
		case server == "" && m[1] == "release":
			a.Lost(at, c.Was, "a command before a release is a stage of its deploy")
		case server == "":
			if lost {
				a.Lost(at, c.Was, "a shell ran it, and what it did besides starting a program is not done")
			}
			a.Add(facts.Fact{Set: facts.SetProcess, Key: m[1], List: argv, Was: c.Was, At: at})
		case web > 0:
			a.Lost(at, c.Was, "an app has one application: make an app of its own for it")
		default:
			web++
			for i, f := range trial.Facts {
				if f.Set == facts.SetDirectory && f.Was == "" {
					trial.Facts[i].Was, trial.Facts[i].At = "the Procfile's folder", at
				}
			}
			a.Facts = append(a.Facts, trial.Facts...)
			if lost {
				a.Lost(at, c.Was, "a shell ran it, and what it did besides starting a program is not done: make it a stage of a deploy")
			}
		}
	}
	if web == 0 {
		return nil, errors.New("none of its processes starts a WSGI server that is known here (" + command.KnownServers + ")")
	}
	return []*facts.App{a}, nil
}

// dotEnv reads a .env as foreman does: $ is text, single quotes and double quotes are
// taken off, \n in double quotes is a new line, any other sign behind a backslash there
// is itself.
func dotEnv(path string) (map[string]string, []facts.Fact, error) {
	env := map[string]string{}
	text, err := facts.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return env, nil, nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("cannot read %s: %w", path, err)
	}
	var found []facts.Fact
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
		found = append(found, facts.Fact{Set: facts.SetSecretEnv, Key: m[1], Value: value, Was: m[1], At: facts.Position{File: path, Line: number}})
	}
	return env, found, nil
}
