package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/afero"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/appspec/hclspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/facts"
)

// unitProbe stands in for gunicorn: it writes down as what it was started.
const unitProbe = `#!/usr/bin/python3 -IS
import json, os, sys
umask = os.umask(0)
unit = [w for l in open("/proc/self/cgroup") for w in l.strip().split("/") if w.endswith(".service")][-1]
own = set("LANG PATH HOME LOGNAME USER SHELL INVOCATION_ID JOURNAL_STREAM SYSTEMD_EXEC_PID MEMORY_PRESSURE_WATCH LC_CTYPE".split())
with open(os.path.dirname(__file__) + "/out/" + unit, "w") as f:
    json.dump({"Argv": sys.argv[1:], "Env": {k: v for k, v in os.environ.items() if k not in own}, "Dir": os.getcwd(), "Umask": umask, "UID": os.getuid(), "GID": os.getgid()}, f)
`

// started is what the probe saw.
type started struct {
	Argv     []string
	Env      map[string]string
	Dir      string
	Umask    int
	UID, GID int
}

// unitRows are services whose meaning was guessed wrongly once, or might be (systemd 252);
// DIR is the folder of the test, and the command follows.
var unitRows = map[string]map[string]string{
	"quotes":       {"quotes.service": "Environment=\"A=1 2\" B='x y' C=a\"b c\"d \"D=\\x41\\101\\ts\\s\" E=\n"},
	"escape":       {"escape.service": "Environment=A=1 B=\\q C=2\nEnvironment=D=3\n"},
	"noname":       {"noname.service": "Environment=A 1B=2 C-D=3 E=4 =5\n"},
	"reset":        {"reset.service": "Environment=A=1\nUMask=077\nEnvironment=\nEnvironment=B=2\nUMask=027\n"},
	"percent":      {"percent.service": "Environment=A=%n B=%% C=%h D=100% \"F=%p %N\" G=%u%U\n"},
	"last":         {"last.service": "Environment=A=1 A=2\nEnvironment=A=3\n"},
	"file-wins":    {"file-wins.service": "EnvironmentFile=DIR/file-wins.env\nEnvironment=A=unit B=unit\n", "file-wins.env": "A=file\n"},
	"no-file":      {"no-file.service": "EnvironmentFile=-DIR/none.env\nEnvironment=A=1\n"},
	"two-files":    {"two-files.service": "EnvironmentFile=DIR/two-files.*.env\n", "two-files.1.env": "A=1\nB=1\n", "two-files.2.env": "B=2\n"},
	"files-reset":  {"files-reset.service": "EnvironmentFile=DIR/files-reset.env\nEnvironmentFile=\n", "files-reset.env": "A=1\n"},
	"unset":        {"unset.service": "Environment=A=1 B=2 C=3\nUnsetEnvironment=A B=9 C=3\n"},
	"goes-on":      {"goes-on.service": "Environment=A=1 \\\n  # a comment \\\n  B=2 \\\n; another\n C=3\n"},
	"goes-on-in":   {"goes-on-in.service": "Environment=\"A=1\\\n   2\"\n"},
	"two-slashes":  {"two-slashes.service": "Environment=\"A=x\\\\\\\\\" \\\\\nEnvironment=B=2\n"},
	"comment":      {"comment.service": "# A=1 \\\nEnvironment=A=2\n"},
	"trailing":     {"trailing.service": "Environment=A=1 # B=2\n"},
	"spaces":       {"spaces.service": "  Environment  =   A=1  \nenvironment=B=2\n"},
	"unknown":      {"unknown.service": "[X-Other]\nEnvironment=A=1\n[Service]\nEnvironment=B=2\nOther=3\nno sign\n"},
	"home":         {"home.service": "User=daemon\nWorkingDirectory=~\n"},
	"user":         {"user.service": "User=daemon\nWorkingDirectory=/usr\n"},
	"user-number":  {"user-number.service": "User=1\nGroup=2\n"},
	"group":        {"group.service": "User=daemon\nGroup=bin\nUMask=0002\n"},
	"dir-missing":  {"dir-missing.service": "WorkingDirectory=-/usr\n"},
	"dropin":       {"dropin.service": "Environment=A=1\nUMask=022\n", "dropin.service.d/20.conf": "[Service]\nEnvironment=B=2\nUMask=027\n", "dropin.service.d/10.conf": "[Service]\nEnvironment=B=1\nUMask=077\n", "dropin.service.d/30.txt": "[Service]\nEnvironment=B=3\n"},
	"drop-in-dash": {"drop-in-dash.service": "Environment=A=1\n", "drop-.service.d/x.conf": "[Service]\nEnvironment=B=1 C=1\n", "drop-in-.service.d/y.conf": "[Service]\nEnvironment=C=2\n", "drop-in-dash.service.d/x.conf": "[Service]\nEnvironment=D=4\n"},
	"masked":       {"masked.service": "Environment=A=1\n", "masked.service.d/x.conf": "-> /dev/null"},
	"inst@a-b\\x2dc": {"inst@a-b\\x2dc.service": "Environment=A=%i B=%I C=%j D=%p E=%f F=%N\n", "inst@.service.d/x.conf": "[Service]\nEnvironment=G=%i\n",
		"inst@a-b\\x2dc.service.d/x.conf": "[Service]\nEnvironment=H=1\n"},
	"latin1":       {"latin1.service": "Environment=A=1\nEnvironment=B=\xe9 C=2\nUMask=027\n# \xe9\nEnvironment=D=4 \\\n  E=\xe9\nEnvironment=F=5\n"},
	"latin1-env":   {"latin1-env.service": "EnvironmentFile=-DIR/latin1.env\nEnvironment=A=1\n", "latin1.env": "# \xe9\nB=1\nC=\xe9\nD=2\n"},
	"latin1-key":   {"latin1-key.service": "EnvironmentFile=-DIR/latin1-key.env\nEnvironment=A=1\n", "latin1-key.env": "B=1\n\xe9=1\nD=2\n"},
	"latin1-note":  {"latin1-note.service": "# \xe9\nEnvironment=A=1\nEnvironmentFile=-DIR/latin1-note.env\n", "latin1-note.env": "# \xe9\nB=1\n; \xe9\n"},
	"no-specifier": {"no-specifier.service": "Environment=A=1 B=a%Xb C=2 \"D=%z 5%5\" E=50% F=%(name)s\nEnvironmentFile=-DIR/no-%z.env\n"},
	"of-system":    {"of-system.service": "Environment=A=%v B=%a \"C=%o %w\" D=%W\n"},
	"in-quotes": {"in-quotes.service": "UMask=\"077\"\nEnvironmentFile=\"DIR/in-quotes.env\"\nEnvironmentFile=-'DIR/in-quotes.env'\nWorkingDirectory=-\"/usr\"\nEnvironment=B=1\n",
		"in-quotes.env": "A=1\n"},
	"foo-bar": {"foo-bar.service": "Environment=A=%j B=%J C=%P D=%f\n"},
	"dropin-resets": {"dropin-resets.service": "Environment=A=1\nEnvironmentFile=DIR/dropin-resets.env\n", "dropin-resets.service.d/a.conf": "[Service]\nEnvironment=\nEnvironmentFile=\nEnvironment=B=2\nExecStart=\nExecStart=DIR/gunicorn again:app\n",
		"dropin-resets.env": "C=3\n"},
}

// Units mean what the real systemd makes of them: services with their variables, folder,
// umask and user, and the commands of jobs, which timers beside a service become.
func TestImportMeansWhatSystemdDoes(t *testing.T) {
	m := bootWith(t, "true")
	dir := t.TempDir()
	rng := rand.New(rand.NewPCG(20, 7))
	pick := func(of ...string) string { return of[rng.IntN(len(of))] }
	files := map[string]string{"gunicorn": unitProbe,
		"site.service": "[Service]\nWorkingDirectory=/usr\nEnvironment=\"A=1 2\" B=x \"Q=a 'b c' \\\\\\\\d\"\nExecStart=DIR/gunicorn site:app\n"}
	head := "[Unit]\nDefaultDependencies=no\n[Service]\nType=oneshot\n"
	for _, row := range unitRows {
		for file, text := range row {
			if strings.HasSuffix(file, ".service") && !strings.Contains(file, "/") {
				text = head + "ExecStart=DIR/gunicorn site:app\n" + text
			}
			files[file] = text
		}
	}
	for i := range 80 {
		name := fmt.Sprintf("chance%d", i)
		text := head + "ExecStart=DIR/gunicorn site:app\n"
		for range 1 + rng.IntN(3) {
			text += "Environment="
			for range 1 + rng.IntN(3) {
				text += pick("A", "B", "C", "D") + "=" + pick("", "x", `"x`, `x y`, `"x y"`, `'x y'`, `\x41`, `\"`, `\\`, "%i", "%%", "%n", "#", "$A", "${A}", "é", `\n`) + pick(" ", " ", "  ", "\t", " \\\n ")
			}
			text += "\n"
		}
		text += "EnvironmentFile=DIR/" + name + ".env\n"
		env := ""
		for range 1 + rng.IntN(4) {
			env += pick("A", "C", "E", "F", " G", "export H", "I ") + "=" + pick("", "x", "x y", `"x y"`, `'x y'`, `"x" y`, `x "y"`, `'$A'`, "x # y", `x\`, `"x\`, `\n`, `"\n"`, "#x", "# x", "x;y", "é", `"a`+"\n"+`b"`) + pick("\n", "\n", " \n", "\r\n", "\n# c\n", "\n; c\n")
		}
		files[name+".service"], files[name+".env"] = text, env+"\"'\n"
	}
	const jobs = 160
	for i := range jobs {
		line := ""
		for range 1 + rng.IntN(6) {
			line += pick("a", "b c", `"`, `'`, `\`, `\n`, `\t`, `\x41`, `\101`, `\s`, "$A", "${A}", "$$", "$B", "${B}", "$Q", "${NO}", "$NO", "%n", "%i", "%h", "%%", "%u", ";", " ; ", `\;`, "=", "-x", "--y=z", "é",
				"{A}", "$", `"a b"`, `'c d'`, `"$A"`, `'$A'`, `"${A}"`, `x"y"z`, `\u00e9`, `\"`, `\'`, "#", "# c", "@", "*", "~", "|", "&&", "$1", "${A", "$A_", "$(A)", "${A}x$A", "%p", "%N", "%j", "%t", "%S", "%I", "%f", "%H") + pick("", " ", " ")
		}
		name := fmt.Sprintf("job%d", i)
		files[name+".timer"] = "[Timer]\nOnCalendar=hourly\n"
		files[name+".service"] = head + "WorkingDirectory=/usr\nEnvironment=\"A=1 2\" B=x \"Q=a 'b c' \\\\\\\\d\"\nExecStart=" + pick("", "", "", "-", ":", "-:") + "DIR/gunicorn " + line + "\n"
	}
	inside := fmt.Sprintf("/proc/%d/root", m.init)
	for _, root := range []string{dir, inside + dir, inside + "/run/systemd/system"} {
		for name, text := range files {
			path := filepath.Join(root, name)
			err := os.MkdirAll(filepath.Dir(path), 0o755)
			if target, isLink := strings.CutPrefix(text, "-> "); isLink && err == nil {
				err = os.Symlink(target, path)
			} else if err == nil {
				err = os.WriteFile(path, []byte(strings.ReplaceAll(text, "DIR", dir)), 0o755)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, path := range []string{dir + "/out", dir} {
		m.run("sh", "-c", `mkdir -p "$1" && chmod 777 "$1"`, "sh", path)
	}
	for parent := filepath.Dir(dir); parent != "/tmp" && parent != "/"; parent = filepath.Dir(parent) {
		m.run("chmod", "755", parent)
	}
	m.run("systemctl", "daemon-reload")
	var names []string
	for file := range files {
		if name, ok := strings.CutSuffix(file, ".service"); ok && name != "site" && !strings.Contains(file, "/") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for some := range slices.Chunk(names, 40) {
		args := []string{"systemctl", "start", "--"}
		for _, name := range some {
			args = append(args, name+".service")
		}
		_, _ = m.try(args...) // those that do not start leave nothing
	}
	ran := map[string]*started{}
	for _, name := range names {
		b, err := os.ReadFile(inside + dir + "/out/" + name + ".service")
		if err != nil {
			continue
		}
		s := &started{}
		if err := json.Unmarshal(b, s); err != nil {
			t.Fatalf("%s: %v\n%s", name, err, b)
		}
		ran[name] = s
	}

	services := 0
	for _, name := range names {
		if strings.HasPrefix(name, "job") {
			continue
		}
		want := ran[name]
		all, err := importer.Import(facts.Options{}, filepath.Join(dir, name+".service"))
		if err != nil || want == nil {
			if (err == nil) != (want != nil) {
				t.Errorf("%s: it ran: %v; import: %v\n%s", name, want != nil, err, files[name+".service"])
			}
			continue
		}
		services++
		spec := importedSpec(t, all[0])
		got := &started{Env: maps.Clone(spec.Env), Dir: spec.WorkingDirectory, Umask: int(spec.Umask), Argv: want.Argv, UID: want.UID, GID: want.GID}
		delete(got.Env, "PYTHONPATH")
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-systemd +here):\n%s\n%s%s", name, diff, files[name+".service"], files[name+".env"])
		}
		if user := map[string]int{"": 0, "root": 0, "daemon": 1}[spec.User]; user != want.UID {
			t.Errorf("%s: user %q, systemd %d", name, spec.User, want.UID)
		}
		if group, ok := map[string]int{"root": 0, "daemon": 1, "bin": 2}[spec.Group]; spec.Group != "" && (!ok || group != want.GID) {
			t.Errorf("%s: group %q, systemd %d", name, spec.Group, want.GID)
		}
	}

	all, err := importer.Import(facts.Options{}, filepath.Join(dir, "site.service"))
	if err != nil {
		t.Fatal(err)
	}
	schedules := importedSpec(t, all[0]).Schedules
	commands := 0
	for i := range jobs {
		name := fmt.Sprintf("job%d", i)
		line := files[name+".service"]
		at := slices.IndexFunc(schedules, func(s appspec.Schedule) bool { return s.Name == name })
		want := ran[name]
		switch {
		case at >= 0 && want == nil:
			t.Errorf("%s does not run, and has a schedule: %q\n%s", name, schedules[at].Command, line)
		case at < 0 && want != nil:
			// One that runs two commands, or whose second one has no end, is named.
			if !slices.ContainsFunc(all[0].Notes, func(n string) bool {
				return strings.HasPrefix(n, name+".") && strings.Contains(n, "not carried over")
			}) {
				t.Errorf("%s has no schedule, and no word about it\n%s", name, line)
			}
		case at >= 0:
			commands++
			if diff := cmp.Diff(want.Argv, schedules[at].Command[1:]); diff != "" {
				t.Errorf("%s (-systemd +here):\n%s\n%s", name, diff, line)
			}
		}
	}
	t.Logf("%d services and %d commands mean the same", services, commands)
	if services < 100 || commands < 100 {
		t.Errorf("%d services and %d commands were compared", services, commands)
	}
}

// importedSpec is the spec that an import wrote, read from its file.
func importedSpec(t *testing.T, imp *importer.Imported) *appspec.Spec {
	t.Helper()
	fs := afero.NewCopyOnWriteFs(afero.NewReadOnlyFs(afero.NewOsFs()), afero.NewMemMapFs()) // env_file names files of the disk
	for path, text := range imp.Secrets {
		if err := fs.MkdirAll(filepath.Dir("/"+path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := afero.WriteFile(fs, "/"+path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := afero.WriteFile(fs, "/"+imp.Name+".hcl", imp.Text, 0o644); err != nil {
		t.Fatal(err)
	}
	set := (hclspec.Options{Root: true, OpenFile: func(name string) (afero.File, error) { return fs.Open(name) }}).LoadFiles(fs, "/"+imp.Name+".hcl")
	spec := set.Specs[imp.Name]
	if spec == nil {
		t.Fatalf("%v\n%s", set.Faults, imp.Text)
	}
	return spec
}
