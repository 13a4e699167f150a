package runner

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/runner/appdir"
)

// botCode is a program that must not run twice at a time, and writes a diary: when it
// starts, when it is told to stop, and when another one runs already.
const botCode = `
import fcntl, os, signal, sys
diary = open(os.environ["DIARY"], "a", buffering=1)
lock = open(os.environ["DIARY"] + "." + os.environ["WSGID_PROCESS"], "w")
def stop(number, frame):
    diary.write("stop %d\n" % os.getpid())
    if not CHILD:
        sys.exit(0)
signal.signal(signal.SIGTERM, stop)
try:
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
except OSError:
    diary.write("TWICE %d\n" % os.getpid())
CHILD = False
diary.write("start %d %s\n" % (os.getpid(), os.environ["WSGID_PROCESS_NUMBER"]))
`

// pauses has a program wait for signals for ever.
const pauses = "while True:\n    signal.pause()\n"

// newBotApp is an app with a process "bot" that runs the code.
func newBotApp(t *testing.T, app, code string, change func(*appspec.Spec)) *testApp {
	a := newTestApp(t, app, func(s *appspec.Spec) {
		s.Processes = []appspec.Process{{Name: "bot", Command: []string{"python", "-m", "bot"}, Count: 1, StopSignal: "TERM",
			StopTimeout: appspec.Duration(patience)}}
		s.Env = map[string]string{"DIARY": filepath.Join(s.Path, "logs/diary")}
		if change != nil {
			change(s)
		}
	})
	a.write("bot.py", code)
	return a
}

// diary is what the bots have written.
func (a *testApp) diary() []string {
	b, _ := os.ReadFile(filepath.Join(a.spec.Path, "logs/diary"))
	return strings.Split(strings.TrimSpace(string(b)), "\n")
}

// mustNotRunTwice looks into the diary.
func (a *testApp) mustNotRunTwice() {
	a.t.Helper()
	for _, line := range a.diary() {
		if strings.HasPrefix(line, "TWICE") {
			a.t.Errorf("a process ran twice:\n%s", strings.Join(a.diary(), "\n"))
		}
	}
}

// bot waits until n bots run and have written so, and returns their pids.
func (a *testApp) bots(h *Handle, n int) []int {
	a.t.Helper()
	var found []int
	a.wait(h, func(st Status) bool {
		found = nil
		diary := a.diary()
		for _, p := range st.Processes {
			if p.State == ProcessRunning && slices.ContainsFunc(diary, func(s string) bool { return strings.HasPrefix(s, fmt.Sprintf("start %d ", p.PID)) }) {
				found = append(found, p.PID)
			}
		}
		return len(found) == n && len(st.Processes) == n
	})
	return found
}

// A process has what the workers have, its output is in the log, it is started again
// when it ends, and a change of its block restarts no other.
func TestProcess(t *testing.T) {
	t.Parallel()
	a := newBotApp(t, helloApp, botCode+`
import app, pwd, resource
diary.write("is %s %s %o %d\n" % (pwd.getpwuid(os.getuid()).pw_name, os.getcwd(), os.umask(0), resource.getrlimit(resource.RLIMIT_NOFILE)[0]))
print("hello from the bot")
`+pauses, func(s *appspec.Spec) {
		s.Umask, s.Limits.OpenFiles = 0o27, 99
	})
	h := a.start(StateReady)
	first := a.bots(h, 1)[0]
	user := a.spec.User
	if user == "" {
		user = os.Getenv("USER")
	}
	want := fmt.Sprintf("%s 27 99", a.spec.Path)
	eventually(t, "the bot tells what it is: "+want, func() bool {
		return slices.ContainsFunc(a.diary(), func(s string) bool { return strings.HasPrefix(s, "is ") && strings.HasSuffix(s, want) })
	})
	if os.Geteuid() == 0 && !slices.ContainsFunc(a.diary(), func(s string) bool { return strings.HasPrefix(s, "is "+user+" ") }) {
		t.Errorf("it does not run as %s: %q", user, a.diary())
	}
	eventually(t, "its output in the log", func() bool {
		return strings.Contains(a.logText(), fmt.Sprintf("process bot [pid=%d] - OUTPUT - hello from the bot\n", first))
	})

	if err := unix.Kill(first, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "another one", func() bool { return strings.Count(strings.Join(a.diary(), "\n"), "start ") == 2 })
	second := a.bots(h, 1)[0]
	st, err := h.Status(a.ctx(), 0)
	if err != nil {
		t.Fatal(err)
	}
	if p := st.Processes[0]; p.Restarts != 1 || !strings.Contains(p.LastError, "killed by SIGKILL") || p.RSS == 0 || p.Since.IsZero() {
		t.Errorf("status tells %+v", p)
	}

	more := *a.spec
	more.Processes = []appspec.Process{a.spec.Processes[0]}
	more.Processes[0].Count = 3
	workers := pids(st)
	if err := h.Update(a.ctx(), &more, 2, false); err != nil {
		t.Fatal(err)
	}
	if three := a.bots(h, 3); three[0] != second {
		t.Errorf("the bot was %d, and is one of %v", second, three)
	}
	other := more
	other.Processes = []appspec.Process{more.Processes[0]}
	other.Processes[0].Count = 1
	other.Processes[0].Command = []string{"python", "-u", "-m", "bot"}
	if err := h.Update(a.ctx(), &other, 3, false); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a bot with the other command", func() bool { return strings.Count(strings.Join(a.diary(), "\n"), "start ") == 5 })
	if p := a.bots(h, 1); p[0] == second {
		t.Error("another command restarts nothing")
	}
	if st, err = h.Status(a.ctx(), 0); err != nil || fmt.Sprint(pids(st)) != fmt.Sprint(workers) {
		t.Errorf("the workers were %v and are %v, %v", workers, pids(st), err)
	}
	a.mustNotRunTwice()
}

// At a stop the workers drain first, then the process is told, by one signal, to it
// alone; what it leaves behind in a session of its own is killed past its time.
func TestProcessStop(t *testing.T) {
	t.Parallel()
	a := newBotApp(t, `
import os, time
def application(environ, start_response):
    if environ["PATH_INFO"] == "/slow":
        open(os.environ["DIARY"] + ".began", "w").close()
        time.sleep(0.3)
        with open(os.environ["DIARY"], "a") as f:
            f.write("answered\n")
    start_response("200 OK", [])
    return [b"ok"]
`, botCode+`
r, w = os.pipe()
if os.fork() == 0:
    CHILD = True
    os.setsid()
    if os.fork() == 0:
        signal.signal(signal.SIGTERM, lambda n, f: diary.write("child told\n"))
        diary.write("child %d\n" % os.getpid())
        os.write(w, b"x")
    else:
        os._exit(0)
else:
    os.read(r, 1)
    os.wait()
`+pauses, func(s *appspec.Spec) { s.Processes[0].StopTimeout = appspec.Duration(6 * time.Second) })
	h := a.start(StateReady)
	bot := a.bots(h, 1)[0]
	child := 0
	eventually(t, "its child", func() bool {
		for _, line := range a.diary() {
			if n, ok := strings.CutPrefix(line, "child "); ok {
				child, _ = strconv.Atoi(n)
			}
		}
		return child > 0
	})
	answered := make(chan int, 1)
	go func() {
		code, _ := a.get("/slow")
		answered <- code
	}()
	eventually(t, "the request", func() bool {
		_, err := os.Stat(filepath.Join(a.spec.Path, "logs/diary.began"))
		return err == nil
	})
	if err := h.Drain(a.ctx(), nil); err != nil {
		t.Fatal(err)
	}
	if code := <-answered; code != 200 {
		t.Errorf("the request that was under way got %d", code)
	}
	if err := h.Wait(a.ctx()); err != nil {
		t.Fatal(err)
	}
	for _, pid := range []int{bot, child} {
		if _, err := os.Stat("/proc/" + strconv.Itoa(pid)); err == nil && !ended(pid) {
			t.Errorf("process %d outlives its app", pid)
		}
	}
	diary := a.diary()
	if n := slices.Index(diary, "answered"); n < 0 || n+1 >= len(diary) || diary[n+1] != fmt.Sprintf("stop %d", bot) || len(diary) != n+2 {
		t.Errorf("want one stop after the answer, and nobody else told:\n%s", strings.Join(diary, "\n"))
	}
}

// A process that does not stop in time is killed, with its children.
func TestProcessIsKilled(t *testing.T) {
	t.Parallel()
	a := newBotApp(t, helloApp, botCode+`
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if os.fork() == 0:
    os.setsid()
    diary.write("child %d\n" % os.getpid())
`+pauses, func(s *appspec.Spec) { s.Processes[0].StopTimeout = appspec.Duration(50 * time.Millisecond) })
	h := a.start(StateReady)
	bot := a.bots(h, 1)[0]
	var children []int
	eventually(t, "its child", func() bool {
		children = appdir.ChildrenOf(filepath.Join("/proc", strconv.Itoa(bot), "task"))
		return len(children) == 1 && len(a.diary()) == 2
	})
	if err := h.Drain(a.ctx(), nil); err != nil {
		t.Fatal(err)
	}
	if err := h.Wait(a.ctx()); err != nil {
		t.Fatal(err)
	}
	for _, pid := range append(children, bot) {
		if _, err := os.Stat("/proc/" + strconv.Itoa(pid)); err == nil && !ended(pid) {
			t.Errorf("process %d outlives its app", pid)
		}
	}
	a.mustLogLine("process bot", "did not exit within 50ms (stop_timeout), killing it")
}

// New code restarts the process once the new workers serve, the old one first; code
// that does not work leaves it alone.
func TestProcessRollout(t *testing.T) {
	t.Parallel()
	a := newBotApp(t, helloApp, botCode+pauses, nil)
	h := a.start(StateReady)
	first := a.bots(h, 1)[0]
	a.write("app.py", "raise RuntimeError('broken')\n")
	if err := h.Reload(a.ctx()); err != nil {
		t.Fatal(err)
	}
	a.wait(h, func(st Status) bool { return st.State == StateDegraded && st.Rollout == 0 })
	if p := a.bots(h, 1); p[0] != first {
		t.Errorf("code that does not work has replaced bot %d by %d", first, p[0])
	}
	a.write("app.py", helloApp)
	if err := h.Reload(a.ctx()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "another one", func() bool { return strings.Count(strings.Join(a.diary(), "\n"), "start ") == 2 })
	second := a.bots(h, 1)[0]
	want := []string{fmt.Sprintf("start %d 1", first), fmt.Sprintf("stop %d", first), fmt.Sprintf("start %d 1", second)}
	if got := a.diary(); !slices.Equal(got, want) {
		t.Errorf("the diary is %q, want %q", got, want)
	}
}

// Of two masters one runs the process: the next one when the one before has stopped
// its own, or is no more.
func TestProcessOfTwoMasters(t *testing.T) {
	t.Parallel()
	a := newBotApp(t, helloApp, botCode+pauses, nil)
	one := a.start(StateReady)
	first := a.bots(one, 1)[0]
	files := a.listeners(one)
	two := a.startWith(StateReady, files, 2)
	st := a.wait(two, func(st Status) bool { return len(st.Processes) == 1 && st.Processes[0].LastError != "" })
	if p := st.Processes[0]; p.State != ProcessWaiting || p.PID != 0 {
		t.Errorf("the second master tells %+v", p)
	}
	if err := one.Drain(a.ctx(), two); err != nil {
		t.Fatal(err)
	}
	if second := a.bots(two, 1)[0]; second == first {
		t.Error("it is still the process of the first master")
	}
	if err := one.Wait(a.ctx()); err != nil {
		t.Fatal(err)
	}
	three := a.startWith(StateReady, files, 3)
	if err := two.Kill(); err != nil {
		t.Fatal(err)
	}
	a.bots(three, 1)
	if n := strings.Count(strings.Join(a.diary(), "\n"), "start "); n != 3 {
		t.Errorf("%d starts:\n%s", n, strings.Join(a.diary(), "\n"))
	}
	a.mustNotRunTwice()
}

// A process that cannot run is tried again and again, and the app says so.
func TestProcessThatFails(t *testing.T) {
	t.Parallel()
	bot := "import os\nprint('bad \\x1b[31mkey', os.environ['KEY'], 'x' * 500)\nprint()\nraise SystemExit(3)\n"
	a := newBotApp(t, helloApp, bot, func(s *appspec.Spec) {
		s.Env["KEY"] = "correct-horse"
		s.MarkSensitive("env.KEY", true)
		s.Processes = append(s.Processes, appspec.Process{Name: "gone", Command: []string{"no-such-program"}, Count: 1, StopSignal: "TERM"})
		s.Restart.MinDelay, s.Restart.MaxDelay = appspec.Duration(time.Hour), appspec.Duration(time.Hour)
	})
	h := a.start(StateDegraded)
	a.wait(h, func(st Status) bool {
		return len(st.Processes) == 2 && st.Processes[0].State == ProcessBackoff && st.Processes[1].State == ProcessBackoff
	})
	said := `exit status 3; last output: bad \x1b[31mkey (sensitive) xxx`
	st := a.wait(h, func(st Status) bool { return strings.Contains(st.Processes[0].LastError, said) })
	if p := st.Processes[0]; len(p.LastError) > 300 || !strings.HasSuffix(p.LastError, "x…") || p.RetryAt.IsZero() || p.Restarts != 2 {
		t.Errorf("status tells %+v", p)
	}
	if p := st.Processes[1]; !strings.Contains(p.LastError, "no program no-such-program in ") {
		t.Errorf("status tells %+v", p)
	}
	if !strings.HasPrefix(st.Reason, "process bot: pid ") || !strings.Contains(st.Reason, said) || !strings.Contains(st.Reason, "x…; next try in 1h") ||
		!strings.HasSuffix(st.Reason, "; its log: wsgid-fleet logs "+a.spec.Name) {
		t.Errorf("reason %q", st.Reason)
	}
	if code, _ := a.get("/"); code != 200 {
		t.Errorf("the app answers %d", code)
	}
}
