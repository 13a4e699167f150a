package supervisord

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/facts"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/peertest"
	"github.com/wsgid-fleet/wsgid-fleet/runner/await"
)

// A relative command is looked for in supervisord's own directory, and what is started is
// the file of that name in directory=: both must be there. What import takes for the
// program, and its virtualenv, is the one that is started.
func TestSupervisordFindsRelativeCommands(t *testing.T) {
	peertest.Need(t, "supervisord")
	t.Parallel()
	files := map[string]string{"run/s.conf": "[supervisord]\nlogfile=DIR/log\npidfile=DIR/pid\n"}
	const gunicorn = "#!/bin/sh\necho \"$PWD $0\" > DIR/ran-NAME-WHO.tmp && mv DIR/ran-NAME-WHO.tmp DIR/ran-NAME-WHO\nexec sleep 100\n"
	names := []string{"both", "own", "directory"}
	for _, name := range names {
		files["run/s.conf"] += fmt.Sprintf("[program:%s]\ncommand=%s/bin/gunicorn blog:app\ndirectory=DIR/app\nstartretries=0\nstartsecs=0\nautorestart=false\n", name, name)
		if name != "directory" {
			files["run/"+name+"/bin/gunicorn"] = strings.NewReplacer("NAME", name, "WHO", "own").Replace(gunicorn)
		}
		if name != "own" {
			files["app/"+name+"/bin/gunicorn"] = strings.NewReplacer("NAME", name, "WHO", "directory").Replace(gunicorn)
		}
	}
	files["app/x"] = ""
	dir := peertest.WriteFiles(t, files)
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(strings.ReplaceAll(text, "DIR", dir)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "supervisord", "-n", "-c", "s.conf")
	cmd.Dir = filepath.Join(dir, "run")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
	}()
	state := map[string]string{}
	var log []byte
	await.True(t, "a word of each program", func() bool {
		log, _ = os.ReadFile(filepath.Join(dir, "log"))
		for _, name := range names {
			for _, who := range []string{"own", "directory"} {
				if _, err := os.Stat(filepath.Join(dir, "ran-"+name+"-"+who)); err == nil {
					state[name] = who
				}
			}
			for line := range strings.SplitSeq(string(log), "\n") {
				if strings.Contains(line, "can't find command '"+name+"/bin/gunicorn'") || strings.Contains(line, "exited: "+name+" (exit status 127") {
					state[name] = "does not start"
				}
			}
		}
		return len(state) == len(names)
	}, func() any { return fmt.Sprintf("%v\n%s", state, log) })
	if state["both"] != "directory" || state["own"] != "does not start" || state["directory"] != "does not start" {
		t.Errorf("%v", state)
	}
	apps, err := Read(facts.Options{}, filepath.Join(dir, "run/s.conf"))
	if err != nil || len(apps) != 3 {
		t.Fatalf("%d apps: %v", len(apps), err)
	}
	for _, f := range apps[0].Facts {
		if f.Set == "virtualenv" && f.Value != filepath.Join(dir, "app/both") {
			t.Errorf("the virtualenv is %s", f.Value)
		}
	}
	if !facts.HasFact(apps[0], "virtualenv") {
		t.Error("no virtualenv")
	}
}
