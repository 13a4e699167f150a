package runner

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/runner/appdir"
)

// countedApp writes down each request that it begins.
const countedApp = `
import os, time

def application(environ, start_response):
    path = environ["PATH_INFO"]
    with open(os.environ["BEGUN"], "a") as f:
        f.write(path + "\n")
    if path == "/wait":
        while not os.path.exists(os.environ["GO"]):
            time.sleep(0.001)
    if path == "/die":
        os._exit(7)
    if path == "/fork":
        os.fork()
    if path == "/raise":
        raise ValueError("here")
    start_response("200 OK", [("Content-Length", str(len(path)))])
    return [path.encode()]
`

// together sends the paths, each on a connection of its own, in such a way that
// a master which has one worker, busy until now, gives it all of them at once.
// It returns the answers in the order of the paths.
func (a *testApp) together(h *Handle, paths ...string) []string {
	return a.togetherWhile(h, func(serve func()) { serve() }, paths...)
}

// togetherWhile is together with something around the moment when the worker
// begins to serve them.
func (a *testApp) togetherWhile(h *Handle, do func(serve func()), paths ...string) []string {
	a.t.Helper()
	for range 50 {
		if code, _ := a.get("/quick"); code != 200 {
			a.t.Fatal("the app does not answer")
		}
	}
	conns := []*client{a.send("/wait")}
	a.wait(h, func(st Status) bool {
		return len(st.Workers) == 1 && len(st.Workers[0].Current) == 1 && st.Workers[0].Current[0].Request == "GET /wait"
	})
	if err := syscall.Kill(h.PID, syscall.SIGSTOP); err != nil {
		a.t.Fatal(err)
	}
	for _, path := range paths {
		conns = append(conns, a.send(path))
	}
	if err := syscall.Kill(h.PID, syscall.SIGCONT); err != nil {
		a.t.Fatal(err)
	}
	// They are in the worker's slot when the master has counted them.
	a.wait(h, func(st Status) bool { return st.Requests.Active == len(paths)+1 })
	do(func() {
		if err := os.WriteFile(a.spec.Env["GO"], nil, 0o644); err != nil {
			a.t.Fatal(err)
		}
	})
	answers := make([]string, len(conns))
	for i, c := range conns {
		answers[i] = c.answer("GET").text(a.t)
	}
	return answers[1:]
}

// checkAnswers wants each path's own answer.
func (a *testApp) checkAnswers(paths, answers []string) {
	a.t.Helper()
	for i, answer := range answers {
		ok := answer == "200 "+paths[i]
		switch paths[i] {
		case "/raise":
			// with debug, as here, the body holds the traceback
			ok = strings.HasPrefix(answer, "500 Traceback ") && strings.HasSuffix(answer, "ValueError: here\n")
		case "/die":
			ok = strings.HasPrefix(answer, "502 ") && strings.Contains(answer, "died: exit status 7")
		}
		if !ok {
			a.t.Errorf("%s: got %q", paths[i], answer)
		}
	}
}

func newCountedApp(t *testing.T) (a *testApp, begun func() string) {
	a = newTestApp(t, countedApp, func(s *appspec.Spec) {
		s.Debug = true
		s.Env = map[string]string{"BEGUN": filepath.Join(s.Path, "logs", "begun"), "GO": filepath.Join(s.Path, "go")}
	})
	return a, func() string {
		t.Helper()
		b, err := os.ReadFile(a.spec.Env["BEGUN"])
		if err != nil {
			t.Fatal(err)
		}
		return strings.ReplaceAll(string(b), "/quick\n", "")
	}
}

// checkBegunOnce wants each path in begun, the lines of countedApp's file, once.
// Their order is the kernel's: each came on a connection of its own.
func checkBegunOnce(t *testing.T, begun string, paths []string) {
	t.Helper()
	got := strings.Fields(begun)
	want := append([]string{"/wait"}, paths...)
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("begun: %q, want each of %q once", begun, want)
	}
}

func TestRequestsThatGoTogether(t *testing.T) {
	a, begun := newCountedApp(t)
	h := a.start(StateReady)
	paths := []string{"/1", "/2", "/raise", "/4", "/5", "/6", "/7", "/8", "/9", "/10", "/11", "/12"}
	a.checkAnswers(paths, a.together(h, paths...))
	checkBegunOnce(t, begun(), paths)
	a.mustLogLine("GET /raise: the application raised ValueError: here")
}

// Of several requests that a worker has in hand when it dies, one was begun.
func TestDeathAmongRequestsThatGoTogether(t *testing.T) {
	a, begun := newCountedApp(t)
	h := a.start(StateReady)
	paths := []string{"/1", "/2", "/die", "/4", "/5", "/6"}
	a.checkAnswers(paths, a.together(h, paths...))
	checkBegunOnce(t, begun(), paths)
}

// What a worker had answered before it died counts, although the master had not
// looked: it lies in the memory that both have.
func TestAnswersOfADeadWorkerAreRead(t *testing.T) {
	a, begun := newCountedApp(t)
	h := a.start(StateReady)
	paths := []string{"/1", "/2", "/3", "/die", "/5", "/6"}
	answers := a.togetherWhile(h, func(serve func()) {
		pid := a.wait(h, func(Status) bool { return true }).Workers[0].PID
		if err := syscall.Kill(h.PID, syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		serve()
		eventually(t, "the worker is dead", func() bool { _, dead := appdir.ExitStatus(pid); return dead })
		if err := syscall.Kill(h.PID, syscall.SIGCONT); err != nil {
			t.Fatal(err)
		}
	}, paths...)
	a.checkAnswers(paths, answers)
	checkBegunOnce(t, begun(), paths)
}

// A process that the application forks among such requests, and that comes back,
// answers none of them.
func TestForkAmongRequestsThatGoTogether(t *testing.T) {
	a, _ := newCountedApp(t)
	h := a.start(StateReady)
	paths := []string{"/1", "/fork", "/3", "/4"}
	a.checkAnswers(paths, a.together(h, paths...))
	a.mustLogLine("a process that the application forked", "came back to the worker: it ends here")
}

// An application that closes the descriptor of the shared memory and has opened
// a file of its own in its place finds nothing of ours in it.
func TestSharedMemoryIsNotWhatItWas(t *testing.T) {
	a, _ := newCountedApp(t)
	file := filepath.Join(a.spec.Path, "logs", "mine")
	a.write("app.py", countedApp+`
os.close(3)
mine = open(`+strconv.Quote(file)+`, "w+b")
mine.truncate(1 << 20)
assert mine.fileno() == 3
`)
	h := a.start(StateReady)
	paths := []string{"/1", "/2", "/3", "/4"}
	a.checkAnswers(paths, a.together(h, paths...))
	b, err := os.ReadFile(file)
	if err != nil || len(b) != 1<<20 || len(bytes.Trim(b, "\x00")) > 0 {
		t.Errorf("%d bytes, %v: something was written to it", len(b), err)
	}
}
