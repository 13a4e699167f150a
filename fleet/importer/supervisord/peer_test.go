package supervisord

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/facts"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/peertest"
)

// Each of these sections means what the real supervisord makes of it, or is refused by
// both.
func TestSupervisordReadsSectionsAlike(t *testing.T) {
	peertest.Need(t, "supervisord")
	t.Parallel()
	confs := map[string]string{
		"plain":               "command=a b\n",
		"cont":                "command=a\n b\n  c\n",
		"contcomment":         "command=a\n ; x\n b\n",
		"contcomment2":        "command=a\n# x\n b\n",
		"contcomment3":        "command=a\n; x\n b\n",
		"contblank":           "command=a\n\n b\n",
		"contenv":             "command=a\nenvironment=A=\"1\",\n  B=\"2\",\n  C=3\n",
		"contenv2":            "command=a\nenvironment=\n  A=\"1\",\n  B=\"2\"\n",
		"contenvcomment":      "command=a\nenvironment=A=\"1\",\n  ; no\n  B=\"2\" ; yes\n",
		"colon":               "command: a b\ndirectory:/tmp\n",
		"colonfirst":          "command=a:b=c\nenvironment=A=1:2\n",
		"semi":                "command=sh -c 'a ; b'\n",
		"semi2":               "command=a;b\n",
		"semi3":               "command=a ;b ;c\n",
		"hash":                "command=a # b\n",
		"upper":               "COMMAND=a\nDirectory=/tmp\n",
		"spacekey":            "command =a\n directory = /tmp\n",
		"quotes":              "command=\"/bin/a b\" 'c d' e\\ f\n",
		"percent":             "command=a %%d 100%%\n",
		"here":                "command=%(here)s/x\ndirectory=%(here)s\n",
		"pname":               "command=x %(program_name)s %(group_name)s\n",
		"host":                "command=x %(host_node_name)s\n",
		"envx":                "command=x %(ENV_HOME)s\n",
		"envdollar":           "command=a\nenvironment=A=$x,B=2\n",
		"envq":                "command=a\nenvironment=A=a?b,B=2\n",
		"hash-quoted":         "command=sh -c 'a # b'\nenvironment=A=\"x#y\",B=2\n",
		"hash-password":       "command=a\nenvironment=A=\"x #y\"\n",
		"hash-continued":      "command=a\n #b\n c\n",
		"included":            "command=a\n[include]\nfiles=more/*.ini\n",
		"included-here":       "command=%(here)s/a %(here)10s\n[DEFAULT]\ndirectory=%(here)s\n[include]\nfiles=more/*.ini here/*.ini\n",
		"included-here-not":   "command=a %%(here)s\n[include]\nfiles=more/*.ini\n",
		"here-percent":        "command=%(here)s/a %(here)10s %%(here)s\n",
		"group":               "command=a %(group_name)s\n[group:g]\nprograms=x\n",
		"env-of-env":          "command=a\nenvironment=A=\"%(ENV_HOME)s/x\",B=%(ENV_HOME)s\n",
		"date":                "command=date +%%Y-%%m\n",
		"equals":              "command=a --x=1 --y = 2\n",
		"semicolon-first":     "command=;a\n",
		"no-numprocs-in-name": "command=a\nnumprocs=2\nprocess_name=x\n",
		"envhash":             "command=a\nenvironment=A=a#b,B=2\n",
		"envquoted":           "command=a\nenvironment=A=\"a,b=c;d#e$f\",B='x \"y\"'\n",
		"envspace":            "command=a\nenvironment=A = 1 , B = 2\n",
		"envtrail":            "command=a\nenvironment=A=1,B=2,\n",
		"envempty":            "command=a\nenvironment=A=,B=2\n",
		"envempty2":           "command=a\nenvironment=A=\"\",B=2\n",
		"envsemi":             "command=a\nenvironment=A=1;B=2\n",
		"envnocomma":          "command=a\nenvironment=A=1 B=2\n",
		"envnl":               "command=a\nenvironment=A=1\n  B=2\n",
		"envurl":              "command=a\nenvironment=URL=http://x:80/y?z=1&w=2,B=2\n",
		"envurl2":             "command=a\nenvironment=URL=\"http://x:80/y?z=1&w=2\",B=2\n",
		"envdup":              "command=a\nenvironment=A=1,A=2\n",
		"envback":             "command=a\nenvironment=A=\"x\\\"y\",B=\"z\\\\w\"\n",
		"envpercent":          "command=a\nenvironment=A=\"50%%\",B=\"%%(x)s\"\n",
		"envhyphen":           "command=a\nenvironment=A-B=1,C=2\n",
		"envdot":              "command=a\nenvironment=A.B=1,C=/x/y.z,D=a_b-c+d@e!f~g*h(i)\n",
		"envbrace":            "command=a\nenvironment=A={\"x\":1},B=2\n",
		"envutf":              "command=a\nenvironment=A=\"é\",B=ü\n",
		"dup":                 "command=a\ncommand=b\n",
		"dupsection":          "command=a\n[program:x]\ncommand=b\n",
		"novalue":             "command=a\nautostart\n",
		"emptyvalue":          "command=a\ndirectory=\n",
		"tab":                 "command=a\tb\n\tdirectory=/x\n",
		"crlf":                "command=a b\r\ndirectory=/tmp\r\n",
		"umask":               "command=a\numask=22\n",
		"umask8":              "command=a\numask=8\n",
		"bool":                "command=a\nautostart=On\nautorestart=Unexpected\n",
		"stop":                "command=a\nstopwaitsecs=1m\n",
		"stop2":               "command=a\nstopwaitsecs=5.5\n",
		"numprocsno":          "command=a\nnumprocs=2\n",
		"width":               "command=a %(process_num)5d|%(process_num)x|%(here)10s\n",
		"shell":               "command=/bin/sh -c \"exec a && b\"\n",
		"nocommand":           "directory=/tmp\n",
		"section-space":       "command=a\n[ program:y ]\ncommand=b\n",
		"section-name-space":  "command=a\n[program: y ]\ncommand=b\n",
		"section-case":        "command=a\n[PROGRAM:y]\ncommand=b\n",
		"default":             "command=a\n[DEFAULT]\ndirectory=/tmp\n",
		"interp":              "command=%(directory)s/a\ndirectory=/tmp\n",
		"one":                 "command=a\n",
	}
	rng := rand.New(rand.NewPCG(20, 9))
	pick := func(of ...string) string { return of[rng.IntN(len(of))] }
	for i := range 250 {
		text := "command=a"
		for range rng.IntN(4) {
			text += " " + pick("b", "'c d'", `"e f"`, `g\ h`, "%%", "%(program_name)s", "%(ENV_HOME)s", "%(here)s", "$X", ";x", "x;y", "#", `"`, "--k=v", "\n  next", "%(process_num)02d", "%(numprocs)d", "~", "%x", "é")
		}
		text += "\nenvironment="
		for range 1 + rng.IntN(3) {
			text += pick("A", "B", "C_1", " D", "E ") + "=" + pick("1", `"1 2"`, "'x'", "", `""`, "%(ENV_HOME)s", `"%(here)s"`, "a b", "a/b-c.d", `"a,b"`, "$x", `"$x"`, "x?y", "%%", `"%%s"`, "#", `"x#y"`, `"x"y`, "a=b", "a:b", `\`, "@", "x@y", "\t1", "é") + pick(",", ",", ", ", "", "\n  ,", " ", ",\n  ")
		}
		confs[fmt.Sprintf("chance%d", i)] = text + "\n" + pick("", "directory=/tmp\n", "numprocs=2\nprocess_name=%(program_name)s%(process_num)d\n", "numprocs=1\nnumprocs_start=3\n", "[DEFAULT]\ndirectory=/usr\n",
			"[supervisord]\nenvironment=Z=1,A=9\n", "[group:g]\nprograms=x\n")
	}
	files := map[string]string{"more/x.ini": "[program:more]\ncommand=c\n",
		"here/y.ini": "[program:y]\ncommand=%(here)s/b %(here)10s\nenvironment=A=\"%(here)s\"\n[program:x]\nenvironment=A=\"%(here)s/x\"\n"}
	for name, text := range confs {
		files[name+".conf"] = "[supervisord]\nlogfile=/dev/null\nlogfile_maxbytes=0\n[program:x]\n" + text
	}
	dir := peertest.WriteFiles(t, files)
	out := peertest.RunPeer(t, dir, nil, "/usr/bin/python3", "-c", `
import glob, io, json, os, sys
os.environ = {'HOME': '/h'}
from supervisor.options import ServerOptions
said = {}
for file in glob.glob('*.conf'):
    options, sys.stderr = ServerOptions(), io.StringIO()
    try:
        options.realize(['-c', file])
        said[file] = sorted([p.name, p.command.replace('\n\n', '\n'), p.directory or '', p.environment] for g in options.process_group_configs for p in g.process_configs)
    except (SystemExit, Exception):
        said[file] = 'it does not start'
print('\n' + json.dumps(said))`)
	var want map[string]any
	if err := json.Unmarshal([]byte(out[strings.LastIndex(strings.TrimSpace(out), "\n")+1:]), &want); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, name := range slices.Sorted(maps.Keys(confs)) {
		file := name + ".conf"
		if got, want := supervisorHere(dir, file), fmt.Sprint(want[file]); got != want {
			t.Errorf("%s:\nhere        %q\nsupervisord %q", name, got, want)
		}
	}
}

// supervisorHere is what the reader makes of a file.
func supervisorHere(dir, file string) string {
	o := facts.Options{LookupEnv: func(name string) (string, bool) { return "/h", name == "HOME" }}
	c := &conf{o: o, here: dir, sections: map[string]map[string]entry{}}
	if err := c.readAll(filepath.Join(dir, file)); err != nil {
		return "it does not start"
	}
	var programs []any
	for _, section := range c.order {
		kind, name, ok := strings.Cut(section, ":")
		if !ok || kind != "program" {
			continue
		}
		p, err := c.program(section, strings.TrimSpace(name))
		if err != nil {
			return "it does not start"
		}
		env := map[string]any{}
		for k, v := range p.command.Env {
			env[k] = v
		}
		if len(p.instances) == 0 {
			p.instances = []instance{{name: facts.Either(p.values["process_name"].text, p.name), command: p.values["command"].text}}
		}
		for _, i := range p.instances {
			programs = append(programs, []any{i.name, i.command, p.values["directory"].text, env})
		}
	}
	slices.SortFunc(programs, func(a, b any) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	return fmt.Sprint(programs)
}

// The programs are what the real supervisord says.
func TestSupervisordMeansWhatSupervisordDoes(t *testing.T) {
	peertest.Need(t, "supervisord")
	t.Parallel()
	dir := peertest.WriteFiles(t, map[string]string{
		"supervisord.conf": strings.ReplaceAll(peertest.Supervisord, "[supervisord]\n", "[supervisord]\nlogfile=/dev/null\nlogfile_maxbytes=0\n"),
		"conf.d/more.conf": "[program:web]\nstopwaitsecs=9\n[program:odd]\ncommand=/bin/echo \"a b\" c\\ d 100%% %(program_name)s\nenvironment=A=b,X=1#2\n",
	})
	out := peertest.RunPeer(t, dir, nil, "/usr/bin/python3", "-c", `
import json, os, sys
os.environ = {}
from supervisor.options import ServerOptions
o = ServerOptions()
o.realize(["-c", "supervisord.conf"])
print("\n" + json.dumps({p.name: {"command": p.command, "directory": p.directory, "env": p.environment, "umask": p.umask, "stop": p.stopwaitsecs}
  for g in o.process_group_configs for p in g.process_configs}))`)
	lines := strings.Split(strings.TrimSpace(out), "\n")
	var want map[string]struct {
		Command   string
		Directory string
		Env       map[string]string
		Stop      int
	}
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &want); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	c := &conf{o: facts.Options{LookupEnv: func(string) (string, bool) { return "", false }}, here: dir, sections: map[string]map[string]entry{}}
	for _, file := range []string{"supervisord.conf", "conf.d/more.conf"} {
		if err := c.read(filepath.Join(dir, file)); err != nil {
			t.Fatal(err)
		}
	}
	for name, w := range want {
		p, err := c.program("program:"+name, name)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(w.Command, p.values["command"].text); diff != "" {
			t.Errorf("%s (-supervisord +here):\n%s", name, diff)
		}
		if diff := cmp.Diff(w.Env, p.command.Env); diff != "" {
			t.Errorf("%s (-supervisord +here):\n%s", name, diff)
		}
		if w.Directory != "" && w.Directory != p.command.Dir {
			t.Errorf("%s: %s, supervisord %s", name, p.command.Dir, w.Directory)
		}
	}
	if len(want) != 3 {
		t.Errorf("%d programs", len(want))
	}
}
