package host_test

import (
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/runner/await"
	"github.com/wsgid-fleet/wsgid-fleet/runner/wsgi"
)

func TestThreads(t *testing.T) {
	dir := webApp(t, `
import threading
barrier = threading.Barrier(4, timeout=20)
def application(environ, start_response):
    if environ["PATH_INFO"] == "/together":
        barrier.wait()
    start_response("200 OK", [])
    return [threading.current_thread().name.encode(), b" %d" % environ["wsgi.multithread"]]
`)
	w, _ := startReady(t, dir, options{config: wsgi.Config{WSGIApp: "web:application", Threads: 4}})
	for _, s := range w.slots {
		s.request(map[string]any{"PATH_INFO": "/together"}, "")
	}
	for i, want := range []string{"MainThread 1", "wsgid-1 1", "wsgid-2 1", "wsgid-3 1"} {
		if r := w.slots[i].response(); r.String() != "200 OK "+want {
			t.Errorf("slot %d: got %s, want %s", i, r, want)
		}
	}
	// Slots end one by one; the worker ends with the last.
	for _, i := range []int{0, 2, 1} {
		w.slots[i].send(wsgi.AppendHeader(nil, wsgi.MsgQuit, 0, 0))
	}
	if r := w.slots[3].do(nil, ""); r.String() != "200 OK wsgid-3 1" {
		t.Errorf("got %s", r)
	}
	w.slots[3].send(wsgi.AppendHeader(nil, wsgi.MsgQuit, 0, 0))
	if w.wait(); w.err != nil {
		t.Error(w.err)
	}
}

// A request that was sent ahead is served before the worker quits.
func TestRequestsAhead(t *testing.T) {
	w, _ := startReady(t, webApp(t, hello), web)
	s := w.slots[0]
	s.request(nil, "")
	s.seq--
	s.request(nil, "")
	s.send(wsgi.AppendHeader(nil, wsgi.MsgQuit, 0, 0))
	for range 2 {
		if r := s.response(); r.String() != "200 OK hello\n" {
			t.Errorf("got %s", r)
		}
	}
	if w.wait(); w.err != nil {
		t.Error(w.err)
	}
}

func TestQuitRunsAtexit(t *testing.T) {
	w, _ := startReady(t, webApp(t, hello+`
import atexit, sys, threading, time
from concurrent.futures import ThreadPoolExecutor
executor = ThreadPoolExecutor(1)
done = threading.Event()
executor.submit(lambda: (done.wait(20), print("task")))
def last():
    sys.stdout.write("no newline")
atexit.register(last)
atexit.register(print, "atexit")
def linger():
    while threading.main_thread().is_alive() and not done.is_set():
        done.wait(0.01)
        if getattr(sys.stderr, "noted", False): done.set()
class Noting:
    def write(self, text):
        sys.__stderr__.write(text)
        done.set()
    def flush(self): sys.__stderr__.flush()
sys.stderr = Noting()
threading.Thread(target=linger, name="linger").start()
`), web)
	w.get("/")
	log := w.quit()
	want := "blog: waiting for threads of the application that are no daemons: "
	if !strings.HasPrefix(log, want) || !strings.Contains(log, "linger") || !strings.Contains(log, "\ntask\n") ||
		!strings.HasSuffix(log, "\natexit\nno newline") {
		t.Errorf("log: %s", log)
	}
}

// A worker ends with its master, also in the middle of a response.
func TestMasterGone(t *testing.T) {
	for _, path := range []string{"", "/stream", "/write"} {
		w, _ := startReady(t, webApp(t, `
def application(environ, start_response):
    write = start_response("200 OK", [])
    if environ["PATH_INFO"] == "/write":
        while True:
            try:
                write(b"x" * 100000)
            except Exception:
                pass
    while True:
        yield b"x" * 100000
`), options{config: wsgi.Config{WSGIApp: "web:application", Threads: 2}})
		if path != "" {
			w.slots[1].request(map[string]any{"PATH_INFO": path}, "")
			if w.slots[1].take(&response{}) {
				t.Fatal("the stream ended")
			}
		}
		for _, s := range w.slots {
			if err := syscall.Shutdown(s.fd, syscall.SHUT_RDWR); err != nil {
				t.Fatal(err)
			}
		}
		if w.wait(); w.cmd.ProcessState.ExitCode() != 1 {
			t.Errorf("%q: %v", path, w.err)
		}
		if log := w.log.String(); log != "" {
			t.Errorf("log: %s", log)
		}
	}
}

func TestSignals(t *testing.T) {
	w, _ := startReady(t, webApp(t, `
import multiprocessing, os, signal, subprocess, time
def wait_for_ever():
    while True: time.sleep(60)
def application(environ, start_response):
    start_response("200 OK", [])
    if environ["PATH_INFO"] == "/kill":
        for number in (signal.SIGTERM, signal.SIGINT):
            os.kill(os.getpid(), number)
        return [b"alive"]
    if environ["PATH_INFO"] == "/sub":
        p = subprocess.Popen(["sleep", "60"])
        p.terminate()
        return [str(p.wait()).encode()]
    p = multiprocessing.get_context("fork").Process(target=wait_for_ever)
    p.start()
    p.terminate()
    p.join()
    return [str(p.exitcode).encode()]
`), web)
	for path, want := range map[string]string{"/kill": "alive", "/sub": "-15", "/fork": "-15"} {
		if r := w.get(path); r.String() != "200 OK "+want {
			t.Errorf("%s: got %s, want %s", path, r, want)
		}
	}
	for range 3 { // also while it waits for a request
		if err := w.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
	}
	if r := w.get("/kill"); r.String() != "200 OK alive" {
		t.Errorf("got %s", r)
	}
	if log := w.quit(); log != "" {
		t.Errorf("log: %s", log)
	}
}

// SIGABRT is the master's last word to a worker that is stuck: the log shows
// where each thread was.
func TestStacksOfAStuckWorker(t *testing.T) {
	dir := webApp(t, `
def stuck(path):
    open(path).read()
def application(environ, start_response):
    start_response("200 OK", [])
    stuck(environ["QUERY_STRING"])
`)
	if err := syscall.Mkfifo(dir+"/fifo", 0o600); err != nil {
		t.Fatal(err)
	}
	w, _ := startReady(t, dir, options{config: wsgi.Config{WSGIApp: "web:application", Threads: 2}})
	w.slots[1].request(map[string]any{"QUERY_STRING": dir + "/fifo"}, "")
	// Opening the fifo for writing succeeds once the worker waits for it.
	var f *os.File
	await.True(t, "reader of the fifo", func() bool {
		fd, err := syscall.Open(dir+"/fifo", syscall.O_WRONLY|syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0)
		if err == nil {
			f = os.NewFile(uintptr(fd), "fifo")
		}
		return err == nil
	})
	defer f.Close()
	if err := w.cmd.Process.Signal(syscall.SIGABRT); err != nil {
		t.Fatal(err)
	}
	w.wait()
	<-w.log.done
	log := w.log.String()
	for _, want := range []string{"Fatal Python error: Aborted", "Thread 0x", "web.py\", line 2 in stuck", "Current thread 0x"} {
		if !strings.Contains(log, want) {
			t.Errorf("log has no %q:\n%s", want, log)
		}
	}
}

// Whole lines go to the log at once, print adds no second write.
func TestLinesOfTheLog(t *testing.T) {
	w, _ := startReady(t, webApp(t, `
import os, sys
def application(environ, start_response):
    start_response("200 OK", [])
    print("a", "b", end="")
    print("c", 1)
    print("error", file=environ["wsgi.errors"])
    return [b"ok"]
`), web)
	strace := "/proc/" + strconv.Itoa(w.cmd.Process.Pid) + "/io"
	writes := func() int {
		b, err := os.ReadFile(strace)
		if err != nil {
			t.Fatal(err)
		}
		_, rest, _ := strings.Cut(string(b), "syscw: ")
		n, _ := strconv.Atoi(strings.Fields(rest)[0])
		return n
	}
	before := writes()
	w.get("/")
	w.waitLog("a bc 1\nerror\n")
	if n := writes() - before; n != 2 {
		t.Errorf("%d writes for two lines", n)
	}
	w.quit()
}

// What a worker keeps of a request goes with it.
func TestNothingIsKept(t *testing.T) {
	w, _ := startReady(t, webApp(t, `
import gc, sys, weakref
class Body(bytes): pass
kept = []
def application(environ, start_response):
    start_response("200 OK", [("X-%d" % i, "v") for i in range(int(environ["QUERY_STRING"] or 0))])
    alive = sum(1 for r in kept if r() is not None)
    class Marker: pass
    environ["marker"] = Marker()
    kept.append(weakref.ref(environ["marker"]))
    return [str(alive).encode()]
`), web)
	for range 3 {
		if r := w.get("/"); r.String() != "200 OK 0" {
			t.Errorf("got %s", r)
		}
	}
	r := w.slots[0].do(map[string]any{"QUERY_STRING": "1500"}, "") // more names than are remembered
	if len(r.headers) != 1500 {
		t.Errorf("%d headers", len(r.headers))
	}
	w.quit()
}
