package host_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/runner/await"
	"github.com/wsgid-fleet/wsgid-fleet/runner/wsgi"
)

const answers = `
def application(environ, start_response):
    start_response("200 OK", [])
    return [repr(answer()).encode()]
`

// ask is what a forked worker's application answers.
func (f *forked) ask() string {
	return f.slots[0].do(map[string]any{"PATH_INFO": "/"}, "").body
}

func (f *forked) quit() {
	for _, s := range f.slots {
		s.send(wsgi.AppendHeader(nil, wsgi.MsgQuit, 0, 0))
	}
}

// forks starts the template of an application, which it warns of nothing, and
// workers of it.
func forks(t *testing.T, code string, n int) (dir string, w *worker, all []*forked) {
	t.Helper()
	dir = webApp(t, code+answers)
	w, ready := startReady(t, dir, options{config: wsgi.Config{WSGIApp: "web:application", Preload: true}})
	if len(ready.Warnings) != 0 {
		t.Errorf("warnings %q", ready.Warnings)
	}
	for range n {
		f := w.fork(1)
		f.slots[0].ready()
		all = append(all, f)
	}
	return dir, w, all
}

// What the template makes, and removes at its end, no worker removes at its own, and
// the template's end waits for those who still need it.
func TestPreloadTemporaryFolders(t *testing.T) {
	dir, w, all := forks(t, `
import atexit, os, shutil, tempfile
a, b = tempfile.TemporaryDirectory(dir=os.path.dirname(__file__)), tempfile.mkdtemp(dir=os.path.dirname(__file__))
atexit.register(shutil.rmtree, b)
def at_end():
    print("ends", flush=True)
atexit.register(at_end)
def answer():
    return [os.path.isdir(a.name), os.path.isdir(b)]
`, 2)
	const there = "[True, True]"
	all[0].quit()
	if e := w.exited(); e != (wsgi.Exited{PID: all[0].pid}) {
		t.Errorf("exited is %+v", e)
	}
	if log := all[0].log.String(); log != "ends\n" { // what else is to be done at an end each does
		t.Errorf("log of the worker: %q", log)
	}
	if got := all[1].ask(); got != there {
		t.Errorf("after the end of the first worker %s", got)
	}
	w.slots[0].send(wsgi.AppendHeader(nil, wsgi.MsgQuit, 0, 0))
	if got := all[1].ask(); got != there {
		t.Errorf("after the template was told to end %s", got)
	}
	all[1].quit()
	if e := w.exited(); e != (wsgi.Exited{PID: all[1].pid}) {
		t.Errorf("exited is %+v", e)
	}
	w.wait()
	left, err := filepath.Glob(filepath.Join(dir, "app", "tmp*"))
	if err != nil || len(left) != 0 {
		t.Errorf("the template has left %q, %v", left, err)
	}
}

// findings/zipfile-children-read-at-the-place-of-each-other.sh
func TestPreloadPlaceInFile(t *testing.T) {
	const open = "import fcntl, os, wsgid\nwith open(__file__ + '.data', 'w') as f:\n    f.write('0123456789')\n" +
		"f = open(__file__ + '.data')\nf.read(2)\n%s\ndef answer():\n    return f.read(2) + ' ' + str(os.get_inheritable(f.fileno()))\n"
	const unbuffered = "import io\nf = io.TextIOWrapper(io.FileIO(f.name))\nf._CHUNK_SIZE = 2\nf.read(2)"
	for name, c := range map[string]struct{ code, one, two string }{
		"read":             {"", "23 False", "23 False"},
		"read by the byte": {unbuffered, "23 False", "23 False"},
		"on purpose":       {unbuffered + "\nwsgid.shared(f)", "23 False", "45 False"},
		"inherited":        {unbuffered + "\nos.set_inheritable(f.fileno(), True)", "23 True", "23 True"},
		"locked":           {unbuffered + "\nfcntl.flock(f, fcntl.LOCK_SH)", "23 False", "45 False"},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, all := forks(t, fmt.Sprintf(open, c.code), 2)
			if one, two := all[0].ask(), all[1].ask(); one != "'"+c.one+"'" || two != "'"+c.two+"'" {
				t.Errorf("the workers read %s and %s, want %s and %s", one, two, c.one, c.two)
			}
		})
	}
}

// findings/libuuid-children-repeat-the-numbers-of-each-other.sh
func TestPreloadUUID(t *testing.T) {
	_, _, all := forks(t, `
import uuid
first = uuid.uuid1()
def answer():
    u = uuid.uuid1()
    return [u.clock_seq, u.version, u.variant == uuid.RFC_4122, u.node == first.node]
`, 8)
	seen := map[string]bool{}
	for _, f := range all {
		got := f.ask()
		if !strings.HasSuffix(got, ", 1, True, True]") {
			t.Errorf("answer %s", got)
		}
		seen[got] = true
	}
	if len(seen) != len(all) {
		t.Errorf("of %d workers %d sequence numbers differ: %v", len(all), len(seen), seen)
	}
}

// findings/libgomp-child-waits-for-threads-of-its-parent.sh
func TestPreloadOpenMP(t *testing.T) {
	dir := t.TempDir()
	const code = "int loop(void) {\n  int n = 0;\n#pragma omp parallel num_threads(2) reduction(+ : n)\n  n++;\n  return n;\n}\n"
	source, library := filepath.Join(dir, "loop.c"), filepath.Join(dir, "loop.so")
	if err := os.WriteFile(source, []byte(code), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("gcc", "-fopenmp", "-shared", "-fPIC", "-o", library, source).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	_, _, all := forks(t, "import ctypes\nanswer = ctypes.CDLL('"+library+"').loop\nassert answer() == 2\n", 2)
	for _, f := range all {
		if got := f.ask(); got != "2" {
			t.Errorf("answer %s", got)
		}
	}
}

// Threads that a library has started, as GLib does for files that are read meanwhile, are in no
// list of Python's, and a worker would wait for them.
func TestPreloadThreadsOfALibrary(t *testing.T) {
	dir := t.TempDir()
	const code = "#define _GNU_SOURCE\n#include <pthread.h>\n#include <unistd.h>\nstatic void *run(void *name) {\n  for (;;) pause();\n}\n" +
		"void start(const char *name) {\n  pthread_t t;\n  pthread_create(&t, 0, run, 0);\n  if (name) pthread_setname_np(t, name);\n}\n"
	source, library := filepath.Join(dir, "threads.c"), filepath.Join(dir, "threads.so")
	if err := os.WriteFile(source, []byte(code), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("gcc", "-shared", "-fPIC", "-pthread", "-o", library, source).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	const load = "import ctypes, threading\nstart = ctypes.CDLL('LIBRARY').start\ndef answer(): pass\n"
	const want = "a library has started threads while the application was loaded (gmain, pool), which do not exist in the workers, " +
		"which are forked (workers.preload): what waits for one of them waits for ever; use the library in a function with " +
		"@wsgid.postfork first, or take preload away"
	for name, c := range map[string]struct {
		code string
		want []string
	}{
		"named":      {"for name in b'pool', b'gmain', b'pool': start(name)", []string{want}},
		"not named":  {"start(None)", nil},
		"of Python":  {"import time\nthreading.Thread(target=time.sleep, args=(1000,), daemon=True, name='mine').start()", []string{"threads that were started while the application was loaded (mine) do not exist in the workers, which are forked: start them in a function with @wsgid.postfork"}},
		"no threads": {"", nil},
	} {
		t.Run(name, func(t *testing.T) {
			dir := webApp(t, strings.ReplaceAll(load, "LIBRARY", library)+c.code+answers)
			_, ready := startReady(t, dir, options{config: wsgi.Config{WSGIApp: "web:application", Preload: true}})
			if !slices.Equal(ready.Warnings, c.want) {
				t.Errorf("warnings %q", ready.Warnings)
			}
		})
	}
}

// findings/gdbm-lock-is-held-by-all-children.sh
func TestPreloadLocks(t *testing.T) {
	const open = "import fcntl, os, wsgid\nf = open(os.path.join(os.path.dirname(__file__), 'lock'), 'w')\ndef answer(): pass\n"
	const head = "the application has locked a file while it was loaded, and its workers, which are forked (workers.preload), " +
		"would each take the lock for theirs: FILE ("
	const tail = "; lock it in a function with @wsgid.postfork"
	for name, c := range map[string]struct {
		code string
		want []string
	}{
		"flock":      {"fcntl.flock(f, fcntl.LOCK_EX)", []string{head + "flock: all of them hold it)" + tail}},
		"lockf":      {"fcntl.lockf(f, fcntl.LOCK_EX)", []string{head + "fcntl: none of them holds it)" + tail}},
		"reads":      {"fcntl.flock(f, fcntl.LOCK_SH)", nil},
		"on purpose": {"fcntl.flock(f, fcntl.LOCK_EX)\nwsgid.shared(f)", nil},
		"prefork":    {"fcntl.flock(f, fcntl.LOCK_EX)\nwsgid.prefork(f.close)", nil},
	} {
		t.Run(name, func(t *testing.T) {
			dir := webApp(t, open+c.code+answers)
			_, ready := startReady(t, dir, options{config: wsgi.Config{WSGIApp: "web:application", Preload: true}})
			for i, s := range ready.Warnings {
				ready.Warnings[i] = strings.ReplaceAll(s, filepath.Join(dir, "app", "lock"), "FILE")
			}
			if !slices.Equal(ready.Warnings, c.want) {
				t.Errorf("warnings %q", ready.Warnings)
			}
		})
	}
}

// A template that is killed takes nobody with it.
func TestPreloadWithoutTemplate(t *testing.T) {
	w, _ := startReady(t, webApp(t, preloaded), options{config: wsgi.Config{WSGIApp: "web:application", Preload: true}})
	f := w.fork(1)
	f.slots[0].ready()
	if err := w.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	await.True(t, "end of the template", func() bool { return parent(f.pid) != w.cmd.Process.Pid })
	if r := f.slots[0].do(map[string]any{"PATH_INFO": "/"}, ""); r.String() != "200 OK body" {
		t.Errorf("got %s", r)
	}
	f.quit()
	<-f.log.done
}
