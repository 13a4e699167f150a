package command

import (
	"path/filepath"
	"slices"
	"strings"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/facts"
)

// wrapper is a program that starts another one.
type wrapper struct {
	lost  string // what it did for that one, and what to do instead; empty: nothing that is missed
	user  string // the option that names a user; "-" is the first word
	venvs string // the command that tells which virtualenv it takes
}

const (
	ofVenv    = "it took the virtualenv from elsewhere: write virtualenv"
	ofTracer  = "it put itself before the app by PYTHONPATH: import what it starts at the top of the module of the application"
	ofSecrets = "what it sets is not known here: write the variables into env, secret ones as file(\"…\"), or name a file of them in env_file"
	ofProcess = "write it into a drop-in of wsgid-fleet.service, where it is to hold for all apps"
)

// wrappers are those that are known, by their names.
var wrappers = map[string]wrapper{
	"exec": {}, "nohup": {}, "setsid": {}, "time": {}, "tini": {}, "dumb-init": {}, "catatonit": {}, "stdbuf": {}, "unbuffer": {}, "authbind": {}, "with-contenv": {},
	"sudo": {user: "-u"}, "runuser": {user: "-u"}, "chpst": {user: "-u"}, "gosu": {user: "-"}, "su-exec": {user: "-"}, "setuidgid": {user: "-"}, "s6-setuidgid": {user: "-"},
	"poetry": {lost: ofVenv, venvs: "poetry env info --path"}, "pipenv": {lost: ofVenv, venvs: "pipenv --venv"}, "pdm": {lost: ofVenv, venvs: "pdm info --env"},
	"uv": {lost: ofVenv, venvs: ".venv of the project"}, "rye": {lost: ofVenv, venvs: ".venv of the project"}, "hatch": {lost: ofVenv, venvs: "hatch env find"},
	"conda": {lost: ofVenv, venvs: "conda env list"}, "mamba": {lost: ofVenv, venvs: "mamba env list"}, "micromamba": {lost: ofVenv, venvs: "micromamba env list"},
	"newrelic-admin": {lost: ofTracer}, "ddtrace-run": {lost: ofTracer}, "opentelemetry-instrument": {lost: ofTracer}, "elasticapm-run": {lost: ofTracer}, "coverage": {lost: ofTracer},
	"honcho": {lost: ofSecrets}, "dotenv": {lost: ofSecrets}, "doppler": {lost: ofSecrets}, "op": {lost: ofSecrets}, "infisical": {lost: ofSecrets}, "chamber": {lost: ofSecrets},
	"aws-vault": {lost: ofSecrets}, "envdir": {lost: ofSecrets}, "direnv": {lost: ofSecrets}, "mise": {lost: ofSecrets}, "sops": {lost: ofSecrets}, "scl": {lost: ofSecrets},
	"nice": {lost: ofProcess}, "ionice": {lost: ofProcess}, "chrt": {lost: ofProcess}, "taskset": {lost: ofProcess}, "numactl": {lost: ofProcess}, "prlimit": {lost: ofProcess},
	"setpriv": {lost: ofProcess}, "softlimit": {lost: ofProcess}, "faketime": {lost: ofProcess}, "systemd-run": {lost: ofProcess}, "cgexec": {lost: ofProcess},
	"flock": {lost: "one master serves the app: nothing has to lock it"}, "wait-for-it": {lost: "nothing is waited for: have the app try again"}, "wait-for-it.sh": {lost: "nothing is waited for: have the app try again"},
}

// unwrapped is a command without what only stands before it, which is put into the app or
// said of it.
func unwrapped(a *facts.App, c facts.Command) []string {
	argv := c.Argv
	for len(argv) > 0 {
		name := filepath.Base(argv[0])
		w, known := wrappers[name]
		switch {
		case name == "env" && len(argv) > 1 && !strings.HasPrefix(argv[1], "-"):
			argv = argv[1:]
		case facts.Assignment().MatchString(argv[0]):
			key, value, _ := strings.Cut(argv[0], "=")
			a.Add(facts.Fact{Set: facts.SetEnv, Key: key, Value: value, At: c.At})
			argv = argv[1:]
		case strings.HasPrefix(name, "python") && len(argv) > 2 && argv[1] == "-m":
			interpreter(a, argv[0], c)
			argv = argv[2:]
		case strings.HasPrefix(name, "python") && len(argv) > 1 && isServer(filepath.Base(argv[1])):
			interpreter(a, argv[0], c)
			argv = argv[1:]
		case known:
			inner := slices.IndexFunc(argv, begins)
			if inner <= 0 {
				return argv
			}
			w.said(a, c, argv[:inner])
			argv = argv[inner:]
		default:
			return argv
		}
	}
	return argv
}

// begins tells of the word with which the command in another one begins: a variable, a
// server, or a Python of it.
func begins(word string) bool {
	name := filepath.Base(word)
	return isServer(name) || facts.Assignment().MatchString(word) || strings.HasPrefix(name, "python") && !strings.HasPrefix(word, "-")
}

// said tells of a wrapper what it did.
func (w wrapper) said(a *facts.App, c facts.Command, words []string) {
	if name := w.userOf(words); name != "" {
		a.StartedAs(facts.Fact{Set: "user", Value: facts.UserName(name), Was: strings.Join(words, " "), At: c.At})
	}
	if w.venvs != "" {
		dir := facts.Rel(c.Dir, ".venv") // which they take where it is there
		if _, err := facts.FolderNames(filepath.Join(dir, "bin")); err == nil {
			a.Add(facts.Fact{Set: "virtualenv", Value: dir, Was: strings.Join(words, " "), At: c.At})
			return
		}
		a.Lost(c.At, facts.CommandText(strings.Join(words, " ")), w.lost+" (it is told by: "+w.venvs+")")
		return
	}
	if w.lost != "" {
		a.Lost(c.At, facts.CommandText(strings.Join(words, " ")), w.lost)
	}
}

// userOf is the user that a wrapper changes to; empty: it names none.
func (w wrapper) userOf(words []string) string {
	if w.user == "-" && len(words) > 1 {
		name, _, _ := strings.Cut(words[1], ":")
		return name
	}
	for i, word := range words {
		if word == w.user && w.user != "" && i+1 < len(words) {
			return words[i+1]
		}
		if name, ok := strings.CutPrefix(word, "--user="); ok && w.user != "" {
			return name
		}
	}
	return ""
}
