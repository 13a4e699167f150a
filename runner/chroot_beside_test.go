package runner

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

// seesCode writes down what a process can see.
const seesCode = `
import json, os, signal, socket, sys
sees = {
    "top": sorted(os.listdir("/")), "home": os.path.exists("/home") or os.path.exists("/root"), "cwd": os.getcwd(),
    "uid": os.getuid(), "file": __file__, "localhost": socket.gethostbyname("localhost"), "others": os.path.exists("/proc/1/root/etc"),
    "pid": os.getpid(),
}
page = os.environ["DIARY"] + "." + sys.argv[1]
with open(page + ".new", "w") as f:
    json.dump(sees, f)
os.rename(page + ".new", page)
print("%s was here" % sys.argv[1])
if sys.argv[1] == "bot":
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(0))
    while True:
        signal.pause()
`

// Processes and schedules run where the workers run: in the chroot, as the app's user.
func TestProcessesInAChroot(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("a chroot needs root")
	}
	due := time.Now().UTC().Add(-time.Minute).Truncate(time.Minute)
	a := newTestApp(t, helloApp, func(s *appspec.Spec) {
		s.Chroot = true
		s.Env = map[string]string{"DIARY": "/logs/diary"}
		s.Processes = []appspec.Process{{Name: "bot", Command: []string{"python", "-m", "sees", "bot"}, Count: 1, StopSignal: "TERM", StopTimeout: appspec.Duration(patience)}}
		s.Schedules = []appspec.Schedule{{Name: "job", Cron: fmt.Sprintf("%d %d %d %d *", due.Minute(), due.Hour(), due.Day(), due.Month()),
			Timezone: "UTC", Command: []string{"python", "-m", "sees", "job"}, Timeout: appspec.Duration(time.Hour)}}
	})
	a.write("sees.py", seesCode)
	a.remember(map[string]any{"past": due.Add(-time.Second)})
	h := a.start(StateReady)
	sees := func(who string) map[string]any {
		t.Helper()
		var found map[string]any
		eventually(t, who+" writes what it sees", func() bool {
			b, err := os.ReadFile(filepath.Join(a.spec.Path, "logs", "diary."+who))
			return err == nil && json.Unmarshal(b, &found) == nil
		})
		a.mustLogLine(who, "OUTPUT - "+who+" was here")
		return found
	}
	want := sees("bot")
	job := sees("job")
	if want["home"] != false || want["file"] != "/app/sees.py" || want["localhost"] != "127.0.0.1" || want["uid"] != 33.0 || want["others"] != false {
		t.Errorf("the process sees %v", want)
	}
	delete(job, "pid")
	delete(want, "pid")
	if fmt.Sprint(job) != fmt.Sprint(want) {
		t.Errorf("the schedule's run sees %v, the process %v", job, want)
	}
	if s := a.lastRun(h); s.Last.Failed || s.Runs != 1 {
		t.Errorf("status tells %+v of the schedule", s.Last)
	}

	// Its pid in status is that of the host: it may be looked at there, and killed.
	first := a.wait(h, func(st Status) bool { return len(st.Processes) == 1 && st.Processes[0].State == ProcessRunning }).Processes[0].PID
	if err := unix.Kill(first, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	a.wait(h, func(st Status) bool {
		p := st.Processes[0]
		return p.State == ProcessRunning && p.PID != first && p.Restarts == 1
	})
	if err := h.Drain(a.ctx(), nil); err != nil {
		t.Fatal(err)
	}
	if err := h.Wait(a.ctx()); err != nil {
		t.Fatal(err)
	}
	if left, _ := filepath.Glob(filepath.Join(a.spec.Path, "pid", "*", "*.pid")); len(left) > 0 {
		t.Errorf("pid files left: %v", left)
	}
}
