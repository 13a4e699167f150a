package piku

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/command"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/facts"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/uwsgi"
)

// ownSettings are what piku reads itself, by their beginnings: the app has no need of them.
var ownSettings = []string{"UWSGI_", "NGINX_", "PIKU_", "PYTHON_VERSION", "NODE_VERSION", "NODE_PACKAGE_MANAGER", "DISABLE_IPV6", "ACME_ROOT_CA"}

// environment are the variables of the app: those of its settings, and those of piku's by
// which it finds its data.
func (r *reader) environment() {
	for _, name := range facts.SortedKeys(r.base) {
		if _, own := r.set[name]; !own {
			r.app.Add(facts.Fact{Set: facts.SetEnv, Key: name, Value: r.base[name], Was: "piku sets it", At: facts.Position{File: "piku"}})
		}
	}
	for _, name := range facts.SortedKeys(r.set) {
		s := r.set[name]
		if isOwn(name) || filepath.Base(s.at.File) == "LIVE_ENV" {
			continue
		}
		f := facts.Fact{Set: facts.SetEnv, Key: name, Value: s.value, Was: r.set.was(name), At: s.at}
		if s.secret {
			f.Set = facts.SetSecretEnv
		}
		r.app.Add(f)
	}
	if s, ok := r.set["NGINX_SERVER_NAME"]; ok { // by which apps tell their hosts
		r.app.Add(facts.Fact{Set: facts.SetEnv, Key: "NGINX_SERVER_NAME", Value: strings.Join(strings.Split(s.value, ","), " "), Was: "NGINX_SERVER_NAME", At: s.at})
	}
}

func isOwn(name string) bool {
	for _, begin := range ownSettings {
		if strings.HasPrefix(name, begin) {
			return true
		}
	}
	return false
}

// notPython are kinds of other languages.
var notPython = map[string]string{"php": "PHP", "jwsgi": "Java", "rwsgi": "Ruby"}

// others are the lines beside that of the application.
func (r *reader) others() {
	for _, l := range r.lines {
		switch {
		case l.kind == "wsgi" || l.kind == "web" || l.kind == "static":
		case l.kind == "preflight" || l.kind == "release":
			if l.command == "" {
				continue
			}
			r.app.Add(facts.Fact{Set: facts.SetStage, Key: l.kind, List: command.Whole(l.command, r.env()), Was: l.was(), At: l.at})
			if l.kind == "preflight" {
				r.app.Note(l.at, l.was(), "piku ran it before the packages were installed, stages of a deploy run behind that")
			}
		case notPython[l.kind] != "":
			r.app.Lost(l.at, l.was(), notPython[l.kind]+" is not run: leave it to piku")
		case strings.HasPrefix(l.kind, "cron"):
			r.cron(l)
		default:
			c := r.shell(l)
			if len(c.Argv) == 0 {
				continue
			}
			f := facts.Fact{Set: facts.SetProcess, Key: l.kind, List: c.Argv, Was: c.Was, At: l.at}
			if n, ok := r.count[l.kind]; ok && n != 1 {
				f.Value = strconv.Itoa(n)
				f.Was += fmt.Sprintf("; ps:scale %s=%d", l.kind, n)
			}
			r.app.Add(f)
		}
	}
}

// shell is the command of a line, which piku gives to a shell.
func (r *reader) shell(l line) facts.Command {
	trial := &facts.App{Name: r.app.Name}
	c := command.OfShell(trial, facts.Command{Dir: r.dir, Was: l.was(), At: l.at, Env: r.env()}, l.command, ": put it into a script of the app")
	for _, f := range trial.Facts {
		if f.Set == facts.SetLost || f.Set == facts.SetNote {
			r.app.Add(f)
		}
	}
	if len(c.Argv) == 0 {
		r.app.Lost(l.at, l.was(), "it has no command")
	}
	return c
}

// cron is a job by the clock, which piku makes a cron of uWSGI's of.
func (r *reader) cron(l line) {
	if n, ok := r.count[l.kind]; ok && n == 0 {
		r.app.Note(l.at, l.was(), "ps:scale had none of it, and so has this")
		return
	}
	expression := strings.ReplaceAll(strings.ReplaceAll(l.command, "*/", "-"), "*", "-1")
	trial := &facts.App{Name: r.app.Name}
	given := []uwsgi.Option{{Key: "master", Value: "true", At: l.at}, {Key: "cron", Value: expression, Was: l.was(), At: l.at}}
	if err := uwsgi.Given(r.o, trial, r.dir, given); err != nil {
		r.app.Lost(l.at, l.was(), err.Error())
		return
	}
	words := strings.Fields(l.command)
	if len(words) > 5 && strings.Contains(strings.Join(words[5:], " "), "*") {
		r.app.Note(l.at, l.was(), "piku also made -1 of the * of the command, and so has this: write what is meant")
	}
	for _, f := range trial.Facts {
		if f.At == l.at && (f.Set == facts.SetSchedule || f.Set == facts.SetLost || f.Set == facts.SetNote) {
			r.app.Add(f)
		}
	}
}

// deploys says what still starts the app behind the fleet's back.
func (r *reader) deploys() {
	if r.root == "" {
		return
	}
	hook := filepath.Join(r.root, "repos", r.name, "hooks", "post-receive")
	if facts.Exists(hook) {
		r.app.Note(facts.Position{}, "", "a push into piku's repository still has piku deploy and start the app: take "+hook+" away when the fleet has it")
	}
}
