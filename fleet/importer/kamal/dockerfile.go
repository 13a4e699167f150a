package kamal

import (
	"encoding/json"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/command"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/facts"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/shellwords"
)

// instruction is one of a Dockerfile.
type instruction struct {
	name, text string
	at         facts.Position
}

// dockerfile is the stage of a Dockerfile that becomes the image, with those that it is
// built from.
type dockerfile struct {
	path    string
	stages  []instruction // FROM of them, the last one first
	all     []instruction // of the stages, the earliest first
	workdir string
}

// readDockerfile reads that of the project; nil: there is none.
func (r *reader) readDockerfile() (*dockerfile, error) {
	builder := r.root.get("builder")
	context := builder.get("context").value()
	if strings.Contains(context, "://") {
		context = ""
	}
	path := filepath.Join(facts.Rel(r.project, facts.Either(context, ".")), facts.Either(builder.get("dockerfile").value(), "Dockerfile"))
	text, err := facts.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	all := instructions(path, string(text))
	d := &dockerfile{path: path}
	d.take(all, builder.get("target").value())
	for _, i := range d.all {
		if i.name == "WORKDIR" {
			d.workdir = facts.Rel(facts.Either(d.workdir, "/"), strings.Trim(i.text, `"`))
		}
	}
	return d, nil
}

// instructions are the lines of a Dockerfile: one that ends in a backslash goes on, and
// comments between them are passed over.
func instructions(path, text string) []instruction {
	var all []instruction
	pending, began, number := "", 0, 0
	for line := range strings.SplitSeq(strings.ReplaceAll(text, "\r\n", "\n"), "\n") {
		number++
		trimmed := strings.TrimSpace(line)
		if trimmed == "" || trimmed[0] == '#' {
			continue
		}
		if pending == "" {
			began = number
		}
		if part, goesOn := strings.CutSuffix(trimmed, `\`); goesOn {
			pending += part + " "
			continue
		}
		name, rest, _ := strings.Cut(pending+trimmed, " ")
		pending = ""
		all = append(all, instruction{strings.ToUpper(name), strings.TrimSpace(rest), facts.Position{File: path, Line: began}})
	}
	return all
}

// take finds the stage of a name, or the last one, and what it is built from.
func (d *dockerfile) take(all []instruction, target string) {
	names := map[string]int{} // of stages, their FROM
	last := -1
	for i, in := range all {
		if in.name != "FROM" {
			continue
		}
		words := strings.Fields(in.text)
		if n := len(words); n > 2 && strings.EqualFold(words[n-2], "as") {
			names[strings.ToLower(words[n-1])] = i
		}
		last = i
	}
	if i, ok := names[strings.ToLower(target)]; ok {
		last = i
	}
	for depth := 0; last >= 0 && depth < 50; depth++ {
		from := all[last]
		d.stages = append(d.stages, from)
		end := last + 1
		for end < len(all) && all[end].name != "FROM" {
			end++
		}
		d.all = append(slices.Clone(all[last+1:end]), d.all...)
		base := strings.ToLower(baseOf(from))
		before, ok := names[base]
		if !ok || before >= last {
			return
		}
		last = before
	}
}

// baseOf is what a stage is built from.
func baseOf(from instruction) string {
	for word := range strings.FieldsSeq(from.text) {
		if !strings.HasPrefix(word, "--") {
			return word
		}
	}
	return ""
}

// words are a command of a Dockerfile: a list of JSON, or a line for a shell.
func words(text string) (argv []string, byShell bool) {
	if json.Unmarshal([]byte(text), &argv) == nil {
		return argv, false
	}
	return []string{"sh", "-c", text}, true
}

// command is what the image starts: ENTRYPOINT with CMD behind it. A script there that goes
// on with what is behind it is passed over.
func (d *dockerfile) command(a *facts.App, project string) facts.Command {
	var entry, cmd instruction
	for _, i := range d.all {
		switch i.name {
		case "ENTRYPOINT":
			entry, cmd = i, instruction{} // a CMD before it does not count
		case "CMD":
			cmd = i
		}
	}
	c := facts.Command{Dir: project, Env: d.env()}
	begin, byShell := words(entry.text)
	if entry.text == "" {
		begin = nil
	}
	if cmd.text == "" || byShell && len(begin) > 0 {
		c.Argv, c.Was, c.At = begin, "ENTRYPOINT "+facts.CommandText(entry.text), entry.at
		return c
	}
	argv, _ := words(cmd.text)
	c.Was, c.At = "CMD "+facts.CommandText(cmd.text), cmd.at
	if len(begin) > 0 {
		if strings.Contains(begin[0], "gunicorn") || strings.Contains(begin[0], "uwsgi") {
			c.Argv = append(begin, argv...)
			return c
		}
		a.Lost(entry.at, "ENTRYPOINT "+facts.CommandText(entry.text), "the image ran it before the server: make what the app needs of it a stage of the deploy")
	}
	c.Argv = argv
	return c
}

// env are the variables that the image has.
func (d *dockerfile) env() map[string]string {
	env := map[string]string{}
	for _, i := range d.all {
		maps.Copy(env, i.variables(env))
	}
	return env
}

// variables are those of an instruction ENV: NAME=VALUE …, or NAME and the rest.
func (i instruction) variables(known map[string]string) map[string]string {
	if i.name != "ENV" {
		return nil
	}
	fill := func(text string) string {
		return facts.Variable().ReplaceAllStringFunc(text, func(use string) string {
			m := facts.Variable().FindStringSubmatch(use)
			return facts.Either(known[m[1]+m[3]], m[2])
		})
	}
	first, rest, _ := strings.Cut(i.text, " ")
	if !strings.Contains(first, "=") {
		return map[string]string{first: fill(strings.TrimSpace(rest))}
	}
	all := map[string]string{}
	for _, word := range shellwords.Shell(i.text) {
		if name, value, ok := strings.Cut(word, "="); ok {
			all[name] = fill(value)
		}
	}
	return all
}

// ofImage are variables that say how the image is made, and are nothing to the app here.
var ofImage = facts.Words("PATH VIRTUAL_ENV PYTHONPATH HOME DEBIAN_FRONTEND PIP_NO_CACHE_DIR PIP_DISABLE_PIP_VERSION_CHECK PIP_DEFAULT_TIMEOUT PORT")

// installs are programs that bring what a deploy brings by itself.
var installs = strings.Fields("pip pip3 uv poetry pipenv pdm useradd adduser groupadd addgroup mkdir chown chmod")

// withoutRun are the words of a command without the program that runs it in a virtualenv:
// what a release runs has the release's.
func withoutRun(words []string) []string {
	if len(words) > 2 && words[1] == "run" && slices.Contains([]string{"uv", "poetry", "pipenv", "pdm"}, filepath.Base(words[0])) {
		return withoutRun(words[2:])
	}
	return words
}

// modulesOfDeploys are modules of Python of the same kind.
var modulesOfDeploys = strings.Fields("pip venv virtualenv ensurepip compileall")

// imageFacts are what the Dockerfile says besides what it starts.
func (r *reader) imageFacts() {
	if r.image == nil {
		return
	}
	known := map[string]string{}
	for _, i := range r.image.all {
		switch i.name {
		case "ENV":
			all := i.variables(known)
			for _, name := range facts.SortedKeys(all) {
				known[name] = all[name]
				if name == "PYTHONPATH" {
					r.app.Lost(i.at, "ENV PYTHONPATH="+all[name], "its folders are those of the image: name the folder with the code in code, relative to the release")
				}
				if !ofImage[name] {
					r.env[name] = all[name]
					r.app.Add(facts.Fact{Set: facts.SetEnv, Key: name, Value: all[name], Was: "ENV " + name, At: i.at})
					r.inImage(name, all[name], i.at)
				}
			}
		case "RUN":
			r.built(i)
		}
	}
	if from := r.image.stages; len(from) > 0 {
		base := from[len(from)-1]
		if name := baseOf(base); strings.HasPrefix(filepath.Base(name), "python:") {
			r.app.Note(base.at, "FROM "+name, "the image had this Python: have it on the hosts, and name it in python where it is not /usr/bin/python3")
		}
	}
}

// built is a command that made the image.
func (r *reader) built(i instruction) {
	text := i.text
	for strings.HasPrefix(text, "--") { // mounts
		_, text, _ = strings.Cut(text, " ")
		text = strings.TrimSpace(text)
	}
	was := "RUN " + facts.CommandText(text)
	if argv, byShell := words(text); !byShell {
		text = strings.Join(argv, " ")
	}
	var system, stages, others []string
	for _, words := range shellwords.Line(text, nil).Commands {
		words = slices.DeleteFunc(words, func(w string) bool { // which the app has in its own env
			name, _, set := strings.Cut(w, "=")
			return set && facts.Assignment().MatchString(w) && facts.IsSecretName(name)
		})
		if words = withoutRun(words); len(words) == 0 {
			continue
		}
		line := strings.Join(words, " ")
		switch {
		case strings.HasPrefix(words[0], "apt") || words[0] == "apk" || words[0] == "dnf":
			if slices.Contains(words, "install") || slices.Contains(words, "add") {
				system = append(system, line)
			}
		case strings.HasPrefix(filepath.Base(words[0]), "python") && len(words) > 2 && words[1] == "-m" && slices.Contains(modulesOfDeploys, words[2]):
		case slices.ContainsFunc(words, func(w string) bool {
			return strings.HasPrefix(filepath.Base(w), "python") || filepath.Base(w) == "manage.py"
		}) || words[0] == "flask":
			stages = append(stages, line)
		case slices.Contains(installs, filepath.Base(words[0])) || words[0] == "rm" || facts.Assignment().MatchString(words[0]):
		default:
			others = append(others, line)
		}
	}
	if len(system) > 0 {
		r.app.Lost(i.at, "RUN "+facts.CommandText(strings.Join(system, " && ")), "what the image had installed the hosts have to have: install it there")
	}
	if len(stages) > 0 {
		r.app.Add(facts.Fact{Set: facts.SetStage, Key: facts.CommandName(stages[0], 0), List: command.Whole(strings.Join(stages, " && "), nil), Was: was, At: i.at})
	}
	if len(others) > 0 && len(stages) == 0 {
		r.app.Lost(i.at, was, "it was run when the image was made: make it a stage of the deploy where the app needs it")
	}
}

// inImage says of a path that it is one of the image.
func (r *reader) inImage(what, value string, at facts.Position) {
	if r.image != nil && r.image.workdir != "" && r.image.workdir != "/" && (value == r.image.workdir || strings.HasPrefix(value, r.image.workdir+"/")) {
		r.app.Lost(at, what, value+" is a path of the image, whose folder of the app was "+r.image.workdir+": here a release is app/ of the app folder; write a path of the host")
	}
}
