package uwsgi

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wsgid-fleet/wsgid-fleet/appspec/cron"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/facts"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/peertest"
	"github.com/wsgid-fleet/wsgid-fleet/runner/await"
)

// startPeer runs uWSGI until what it printed is enough, and returns that.
func startPeer(t *testing.T, dir string, enough func(out string, pid int) bool, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	log := filepath.Join(dir, "log")
	f, err := os.Create(log)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	cmd := exec.CommandContext(ctx, uwsgiProgram, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, f, f
	cmd.Env = append(os.Environ(), "TZ=UTC")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Cancel()
		_ = cmd.Wait()
	}()
	var out []byte
	await.True(t, "uWSGI to come so far", func() bool {
		if out, err = os.ReadFile(log); err != nil {
			t.Fatal(err)
		}
		return enough(string(out), cmd.Process.Pid)
	}, func() any { return string(out) })
	return string(out)
}

// Only false, off, no and 0 switch an option off, in any case of letters.
func TestUWSGISwitches(t *testing.T) {
	peertest.Need(t, "uwsgi")
	for _, value := range []string{"false", "False", "OFF", "no", "0", "", "n", "f", "disabled", "none", "true", "00", "-0", "0.0", "off ", "never"} {
		dir := peertest.WriteFiles(t, map[string]string{"t.ini": "[uwsgi]\nmaster = " + value + "\n"})
		out := peertest.RunPeer(t, dir, nil, uwsgiProgram, "--ini", "t.ini", "--no-server")
		on := !strings.Contains(out, "without its master")
		c, err := readConfig(facts.Options{}, dir, "t.ini", emperor{})
		if err != nil {
			t.Fatal(err)
		}
		if u := (&reader{c: c, last: map[string]*option{"master": c.options[1]}}); u.on("master") != on {
			t.Errorf("master = %s: uWSGI has it on: %v, here %v", value, on, !on)
		}
	}
}

// The Emperor starts the files that import takes for vassals, two.old.ini among them.
func TestUWSGIVassals(t *testing.T) {
	peertest.Need(t, "uwsgi")
	files := map[string]string{}
	for _, name := range []string{"one.ini", "two.old.ini", "three.ini.bak", "four.INI", ".five.ini", "six.yml", "seven.yaml", "eight.js", "nine.json", "ten.xml", "eleven.conf", "twelve.txt",
		"thirteen.ini~", "ini", "fourteen.ini.disabled", "-fifteen.ini", "six teen.ini", "sub/seventeen.ini", "zz.ini"} {
		text := "[uwsgi]\n"
		switch filepath.Ext(name) {
		case ".yml", ".yaml":
			text = "uwsgi:\n  master: 1\n"
		case ".js", ".json":
			text = `{"uwsgi": {"master": true}}`
		case ".xml":
			text = "<uwsgi><master/></uwsgi>"
		}
		files["vassals/"+name] = text
	}
	dir := peertest.WriteFiles(t, files)
	var here []string
	names, err := facts.FolderNames(filepath.Join(dir, "vassals"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if info, err := os.Stat(filepath.Join(dir, "vassals", name)); err == nil && info.Mode().IsRegular() && IsVassal(name) {
			here = append(here, name)
		}
	}
	started := func(out string) (found []string) {
		for line := range strings.SplitSeq(out, "\n") {
			_, name, ok := strings.Cut(line, " configuration from ")
			if !ok {
				name, ok = strings.CutPrefix(line, "[uWSGI] parsing config file ")
			}
			if ok && strings.HasPrefix(line, "[uWSGI] ") {
				found = append(found, name)
			}
		}
		slices.Sort(found)
		return slices.Compact(found)
	}
	out := startPeer(t, dir, func(out string, _ int) bool { return len(started(out)) >= len(here) }, "--emperor", "vassals", "--emperor-max-throttle", "0")
	if diff := cmp.Diff(started(out), here); diff != "" {
		t.Errorf("(-uWSGI +here):\n%s\n%s", diff, out)
	}
}

// Jobs by the clock that are carried over run at the minutes at which uWSGI runs them:
// it is started with many of them, and runs at once those of this minute.
func TestUWSGICronMeansWhatUWSGIDoes(t *testing.T) {
	peertest.Need(t, "uwsgi")
	rng := rand.New(rand.NewPCG(20, 8))
	for {
		dir := peertest.WriteFiles(t, map[string]string{"ran/x": ""})
		now := time.Now().UTC()
		if now.Second() > 40 { // what is asked for is this minute
			time.Sleep(time.Until(now.Truncate(time.Minute).Add(time.Minute)))
			continue
		}
		minute := now.Truncate(time.Minute)
		field := func(at, last int) string {
			switch rng.IntN(5) {
			case 0:
				return fmt.Sprint(at)
			case 1:
				return fmt.Sprint(rng.IntN(last + 1))
			case 2:
				return fmt.Sprint(-2 - rng.IntN(7))
			}
			return "-1"
		}
		var ini bytes.Buffer
		ini.WriteString("[uwsgi]\nmaster = true\nsocket = DIR/s\n")
		var lines []string
		for i := range 160 {
			day, week := field(minute.Day(), 28), "-1"
			if rng.IntN(3) == 0 {
				week = fmt.Sprint([]int{int(minute.Weekday()), rng.IntN(8), -1, 7}[rng.IntN(4)])
			}
			line := strings.Join([]string{field(minute.Minute(), 59), field(minute.Hour(), 23), day, field(int(minute.Month()), 12), week}, " ")
			key := []string{"cron", "unique-cron"}[i%2]
			lines = append(lines, line)
			fmt.Fprintf(&ini, "%s = %s touch %s/ran/%d\n", key, line, dir, i)
		}
		fmt.Fprintf(&ini, "cron = -1 -1 -1 -1 -1 touch %s/ran/all\n", dir)
		if err := os.WriteFile(filepath.Join(dir, "t.ini"), []byte(strings.ReplaceAll(ini.String(), "DIR", dir)), 0o644); err != nil {
			t.Fatal(err)
		}
		want := map[int]bool{}
		startPeer(t, dir, func(_ string, pid int) bool {
			if !time.Now().UTC().Truncate(time.Minute).Equal(minute) {
				return true
			}
			// This one is the last to be started; then all of them end, and the worker stays.
			_, err := os.Stat(filepath.Join(dir, "ran/all"))
			children, childErr := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
			return err == nil && childErr == nil && len(strings.Fields(string(children))) <= 1
		}, "--ini", "t.ini")
		if !time.Now().UTC().Truncate(time.Minute).Equal(minute) {
			continue // the machine was slow
		}
		for i := range lines {
			_, err := os.Stat(fmt.Sprintf("%s/ran/%d", dir, i))
			want[i] = err == nil
		}
		carried, ran := 0, 0
		for i, line := range lines {
			expression, _ := cronOf(line + " touch x")
			if expression == "" {
				continue // named
			}
			s, err := cron.Parse(expression)
			if err != nil {
				continue // named
			}
			carried++
			got := s.Next(minute.Add(-time.Second)).Equal(minute)
			if got {
				ran++
			}
			if got != want[i] {
				t.Errorf("cron = %s at %s: uWSGI runs it: %v; as %s it runs: %v", line, minute.Format("Mon 2006-01-02 15:04"), want[i], expression, got)
			}
		}
		if carried < 40 || ran < 5 {
			t.Errorf("%d were compared, %d ran", carried, ran)
		}
		return
	}
}

// uWSGI starts its master for the options that are here said to bring it, for no others
// that are common beside limits, and for none where a line says master = false.
func TestUWSGIStartsItsMaster(t *testing.T) {
	peertest.Need(t, "uwsgi")
	values := map[string]string{"cron2": "minute=1 true", "attach-daemon2": "cmd=true", "smart-attach-daemon": "/nonexistent/pid true", "smart-attach-daemon2": "/nonexistent/pid true",
		"cheaper": "0", "log-master": "false", "logger": "file:log", "req-logger": "file:log", "metric": "name=x", "subscribe-to": "127.0.0.1:9:x", "subscribe2": "server=127.0.0.1:9,key=x", "stats": "127.0.0.1:0", "stats-server": "127.0.0.1:0"}
	for _, job := range []string{"cron", "unique-cron"} {
		values[job] = "-1 -1 -1 -1 -1 true"
	}
	values["legion-cron"] = "x -1 -1 -1 -1 -1 true"
	others := strings.Fields("processes threads max-requests max-worker-lifetime reload-on-rss harakiri reload-mercy vacuum lazy-apps die-on-idle pidfile auto-procname cheaper-idle")
	for i, name := range slices.Concat(bringsMaster, others) {
		for _, more := range []string{"", "master = false\n"} {
			if more != "" && i%10 != 0 {
				continue // one of ten will tell
			}
			value := facts.Either(values[name], "100")
			dir := peertest.WriteFiles(t, map[string]string{"t.ini": "[uwsgi]\n" + more + name + " = " + value + "\n"})
			out := peertest.RunPeer(t, dir, nil, uwsgiProgram, "--plugins", "python3,logfile", "--ini", "t.ini", "--no-server")
			if log, err := os.ReadFile(filepath.Join(dir, "log")); err == nil {
				out += string(log)
			}
			if !strings.Contains(out, "no-server mode requested") {
				t.Errorf("%s = %s: uWSGI does not start with it:\n%s", name, value, out)
				continue
			}
			c, err := readConfig(facts.Options{}, dir, "t.ini", emperor{})
			if err != nil {
				t.Fatal(err)
			}
			u := &reader{c: c, last: map[string]*option{}}
			for _, o := range c.options {
				u.last[o.key] = o
			}
			if master := !strings.Contains(out, "without its master"); u.hasMaster() != master {
				t.Errorf("%s%s = %s: uWSGI starts its master: %v; here: %v", more, name, value, master, u.hasMaster())
			}
		}
	}
}

// Of several users uWSGI takes the first where one is a number and one a name.
func TestUWSGIUsers(t *testing.T) {
	peertest.Need(t, "uwsgi")
	if os.Geteuid() != 0 {
		t.Skip("needs root, which changes its user")
	}
	for _, users := range [][]string{{"33", "34"}, {"daemon", "bin"}, {"33", "daemon"}, {"daemon", "33"}, {"33", "daemon", "34"}, {"daemon", "33", "bin"}, {"daemon", "bin", "33"}, {"33", "34", "bin"}} {
		dir := t.TempDir()
		text := "[uwsgi]\nhttp-socket = 127.0.0.1:0\nmodule = a\n"
		for _, one := range users {
			text += "uid = " + one + "\ngid = " + one + "\n"
		}
		file := filepath.Join(dir, "app.ini")
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		out := startPeer(t, dir, func(out string, _ int) bool { return strings.Contains(out, "setuid() to ") }, "--plugin", "python3", "--ini", file)
		apps, err := Read(facts.Options{}, file)
		if err != nil || len(apps) != 1 {
			t.Fatalf("%v: %d apps, %v", users, len(apps), err)
		}
		for _, f := range apps[0].Facts {
			switch f.Set {
			case "user":
				if u, err := user.Lookup(f.Value); err != nil || !strings.Contains(out, "setuid() to "+u.Uid+"\n") {
					t.Errorf("uid = %v: the spec has %s, uWSGI took\n%s", users, f.Value, out)
				}
			case "group":
				if g, err := user.LookupGroup(f.Value); err != nil || !strings.Contains(out, "setgid() to "+g.Gid+"\n") {
					t.Errorf("gid = %v: the spec has %s, uWSGI took\n%s", users, f.Value, out)
				}
			}
		}
	}
}
