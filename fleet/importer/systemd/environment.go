package systemd

import (
	"bytes"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/wsgid-fleet/wsgid-fleet/appspec/hclspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/facts"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/shellwords"
)

// environment reads Environment= and EnvironmentFile=, which wins, and takes away what
// UnsetEnvironment= names.
func (u *unitFile) environment(a *facts.App) map[string]string {
	env := map[string]string{}
	unset := u.unset()
	take := func(name, value string) bool {
		if unset[name] || unset[name+"="+value] {
			return false
		}
		env[name] = value
		return true
	}
	u.told(a, take)
	for _, v := range u.values["Service.Environment"] {
		all, bad := u.assignments(v.text)
		for _, kv := range all {
			if take(kv[0], kv[1]) {
				a.Add(facts.Fact{Set: facts.SetEnv, Key: kv[0], Value: kv[1], Was: "Environment=" + kv[0], At: v.at})
			}
		}
		if bad != "" {
			a.Note(v.at, "Environment", bad)
		}
	}
	if v, ok := u.last("Service.PassEnvironment"); ok {
		a.Lost(v.at, "PassEnvironment="+v.text, "it is what the service manager was told: write the variables into env")
	}
	for _, v := range u.values["Service.EnvironmentFile"] {
		path, err := u.filled(v.text)
		if err == nil && !strings.HasPrefix(strings.TrimPrefix(path, "-"), "/") {
			err = errors.New(notAbsolute(path))
		}
		if err != nil {
			a.Lost(v.at, "EnvironmentFile="+path, "systemd passes over it: "+err.Error())
			continue
		}
		path, optional := strings.CutPrefix(path, "-")
		found := []string{path}
		if strings.ContainsAny(path, "*?[") {
			found, _ = filepath.Glob(path)
		}
		for _, file := range found {
			if fault := takeFile(a, file, optional, v.at, take); fault != "" {
				a.Lost(v.at, "EnvironmentFile="+path, fault)
			}
		}
	}
	return env
}

// unset are the variables that UnsetEnvironment= names: NAME, or NAME=VALUE.
func (u *unitFile) unset() map[string]bool {
	unset := map[string]bool{}
	for _, v := range u.values["Service.UnsetEnvironment"] {
		for text := v.text; ; {
			word, rest, ok, err := shellwords.SystemdWord(text, false)
			if !ok || err != nil {
				break
			}
			unset[u.specifiers(word)], text = true, rest
		}
	}
	return unset
}

// settings are variables that a server reads as its own.
var settings = []string{"GUNICORN_CMD_ARGS", "WEB_CONCURRENCY"}

// inCommand says of variables of files that the command has been given that later edits of
// them do not count.
func inCommand(a *facts.App, start unitValue) {
	for _, f := range a.Facts {
		if f.Set != facts.SetEnvFile {
			continue
		}
		for _, v := range f.Vars {
			if strings.Contains(start.text, "${"+v.Name+"}") || slices.Contains(strings.Fields(start.text), "$"+v.Name) || slices.Contains(settings, v.Name) {
				a.Note(start.at, v.Name+" of "+filepath.Base(f.Value), "what the server was told by it stands here; later edits of it in the file change nothing of that")
			}
		}
	}
}

// mostOfFile is how large a file may be that env_file names.
const mostOfFile = 1 << 20

// takeFile takes the variables of an environment file, or says why systemd takes none.
func takeFile(a *facts.App, file string, optional bool, at facts.Position, take func(name, value string) bool) (fault string) {
	f := facts.Fact{Set: facts.SetEnvFile, Value: file, Was: "EnvironmentFile=" + file, At: at}
	if optional {
		f.Value, f.Was = "-"+file, "EnvironmentFile=-"+file
	}
	text, err := facts.ReadFile(file)
	switch {
	case errors.Is(err, os.ErrNotExist) && optional:
		a.Add(f)
		return ""
	case err != nil && optional:
		return ""
	case err != nil:
		return "it cannot be read: " + err.Error()
	case !validAssignments(string(text)):
		said := "so the service does not start with it"
		if optional {
			said = "so it takes nothing from it, without a word"
		}
		return "a line of it is not UTF-8, which systemd does not read, " + said
	}
	drops := hclspec.EnvFileDrops(string(text))
	for _, line := range slices.Sorted(maps.Keys(drops)) {
		a.Note(facts.Position{File: file, Line: line}, "", drops[line])
	}
	for _, v := range hclspec.ReadEnvFile(string(text)) {
		if take(v.Name, v.Value) {
			f.Vars = append(f.Vars, facts.EnvVariable{Name: v.Name, Value: v.Value})
		} else {
			f.Key = "UnsetEnvironment= takes " + v.Name + " away"
		}
	}
	switch {
	case !utf8.Valid(text):
		f.Key = "a comment in it is not UTF-8, which env_file takes alone"
	case bytes.IndexByte(text, 0) >= 0:
		f.Key = "it holds a NUL, which env_file does not take"
	case len(text) > mostOfFile:
		f.Key = "it is larger than env_file takes"
	}
	a.Add(f)
	return ""
}

// validAssignments tells whether all of an environment file but its comments is UTF-8:
// of another one systemd (252) takes nothing.
func validAssignments(text string) bool {
	for line := range strings.SplitSeq(text, "\n") {
		if trimmed := strings.TrimLeft(line, " \t"); trimmed != "" && trimmed[0] != '#' && trimmed[0] != ';' && !utf8.ValidString(line) {
			return false
		}
	}
	return true
}
