package runner

import (
	"bytes"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

// stateApp runs the code of the environment variable STATE when it is loaded,
// or what the query string of /do holds, and then answers as if nothing were.
const stateApp = `
import os
_getpid = os.getpid
def _do(code):
    exec(code, globals())
if os.environ.get("STATE"):
    _do(os.environ["STATE"])

def application(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/do":
        from urllib.parse import unquote
        _do(unquote(environ["QUERY_STRING"]))
        body = b"done"
    elif path == "/echo":
        body = environ["wsgi.input"].read()
    elif path == "/stream":
        start_response("200 OK", [("Content-Type", "text/plain")])
        return (b"%d " % i for i in range(5))
    elif path == "/log":
        environ["wsgi.errors"].write("a line for the log\n")
        body = b"logged"
    else:
        body = b"hello %d" % _getpid()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
`

// processState is something that an application does to its own process.
type processState struct {
	name string
	code string

	onlyLoaded  bool   // it cannot be done in a request
	onlyRequest bool   // it cannot be done while the application is loaded
	log         string // a line of the log that must come
}

// processStates is what Python and C code can change for the whole process:
// each is done while the application is loaded, with and without preload, and in
// a request of a worker with two threads.
var processStates = []processState{
	{name: "nothing", code: "pass"},
	{name: "default timeout of sockets", code: "import socket; socket.setdefaulttimeout(0.01)"},
	{name: "socket.socket replaced", code: "import socket\nclass S(socket.socket):\n  def recv(self, *a): raise OSError('no')\nsocket.socket = S; socket.SocketType = S"},

	{name: "signals ignored", code: "import signal\nfor n in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD, signal.SIGPIPE, signal.SIGUSR1): signal.signal(n, signal.SIG_IGN)", onlyLoaded: true},
	{name: "signals at their defaults", code: "import signal\nfor n in (signal.SIGTERM, signal.SIGINT, signal.SIGPIPE, signal.SIGCHLD): signal.signal(n, signal.SIG_DFL)", onlyLoaded: true},
	{name: "signals blocked", code: "import signal; signal.pthread_sigmask(signal.SIG_BLOCK, set(range(1, 32)) - {9, 19})"},
	{name: "wakeup descriptor and siginterrupt", code: "import signal, socket; a, b = socket.socketpair(); a.setblocking(False); signal.set_wakeup_fd(a.fileno(), warn_on_full_buffer=False); signal.siginterrupt(signal.SIGALRM, True); signal.signal(signal.SIGALRM, lambda *a: None); signal.setitimer(signal.ITIMER_REAL, 0.005, 0.005)", onlyLoaded: true},
	{name: "interval timer", code: "import signal; signal.signal(signal.SIGALRM, lambda *a: None); signal.setitimer(signal.ITIMER_REAL, 0.005, 0.005)", onlyLoaded: true},

	{name: "umask", code: "import os; os.umask(0o777)"},
	{name: "working directory gone", code: "import os, tempfile; d = tempfile.mkdtemp(); os.chdir(d); os.rmdir(d)"},
	{name: "niceness and affinity", code: "import os; os.nice(5); os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})"},
	{name: "environment cleared", code: "import os; os.environ.clear()"},
	{name: "time zone", code: "import os, time; os.environ['TZ'] = 'Asia/Kathmandu'; time.tzset()"},
	{name: "locale", code: "import locale\nfor n in ('de_DE.UTF-8', 'tr_TR.UTF-8', 'C'):\n  try: locale.setlocale(locale.LC_ALL, n); break\n  except locale.Error: pass"},
	{name: "process name and parent-death signal", code: "import ctypes; c = ctypes.CDLL(None); c.prctl(15, b'mine', 0, 0, 0); c.prctl(1, 0, 0, 0, 0)"},
	{name: "process group", code: "import os; os.setpgid(0, 0)"},

	{name: "standard descriptors to /dev/null", code: "import os\nn = os.open(os.devnull, os.O_RDWR)\nfor i in range(3): os.dup2(n, i)"},
	{name: "standard descriptors closed", code: "import os\nfor i in range(3): os.close(i)"},
	{name: "shared memory's descriptor replaced", code: "import os; os.dup2(os.open(os.devnull, os.O_RDWR), 3)"},
	{name: "sys.stdout and stderr None", code: "import sys; sys.stdout = sys.stderr = sys.__stdout__ = sys.__stderr__ = None", onlyLoaded: true},
	{name: "sys.stderr that raises", code: "import sys\nclass E:\n  def write(self, s): raise ValueError(s)\n  def flush(self): raise ValueError\nsys.stdout = sys.stderr = E()", onlyRequest: true},
	{name: "no descriptor left", code: "import resource, os; n = len(os.listdir('/proc/self/fd')); resource.setrlimit(resource.RLIMIT_NOFILE, (n + 8, n + 8))"},
	{name: "limits", code: "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0)); resource.setrlimit(resource.RLIMIT_CORE, (0, 0)); resource.setrlimit(resource.RLIMIT_STACK, (1 << 20, 1 << 20))"},
	{name: "non-blocking standard descriptors", code: "import os\nfor i in range(3): os.set_blocking(i, False)"},

	{name: "threads", code: "import threading, time\nfor i in range(20): threading.Thread(target=time.sleep, args=(3600,), daemon=True).start()"},
	{name: "stack size of threads", code: "import threading; threading.stack_size(64 << 10)"},
	{name: "fork in the application", code: "import os\npid = os.fork()\nif not pid: os._exit(0)\nos.waitpid(pid, 0)"},
	{name: "children that nobody waits for", code: "import subprocess\nkids = [subprocess.Popen(['true']) for i in range(3)]"},

	{name: "recursion limit", code: "import sys; sys.setrecursionlimit(120)"},
	{name: "switch interval", code: "import sys; sys.setswitchinterval(1e-6)"},
	{name: "trace and profile functions", code: "import sys, threading\ndef t(*a): return t\nsys.settrace(t); sys.setprofile(t); threading.settrace(t); threading.setprofile(t)"},
	{name: "module search emptied", code: "import sys; sys.path[:] = []; sys.meta_path[:] = []; sys.path_hooks[:] = []; sys.path_importer_cache.clear()"},
	{name: "modules forgotten", code: "import sys\nfor n in [n for n in sys.modules if n.startswith('wsgid') or n in ('_socket', 'marshal', 'threading', 'traceback')]: del sys.modules[n]"},
	{name: "hooks", code: "import sys, builtins\nheld = open(sys.modules['os'].__file__)\ndef bad(*a, **k): raise ValueError('hook')\nsys.excepthook = sys.unraisablehook = sys.displayhook = bad; builtins.print = builtins.open = bad; sys.exit = bad"},
	{name: "import hook that raises", code: "import builtins\ndef bad(*a, **k): raise ImportError('no imports any more')\nbuiltins.__import__ = bad", onlyRequest: true},
	{name: "warnings are errors", code: "import warnings; warnings.simplefilter('error')"},
	{name: "logging taken over", code: "import logging, logging.config; logging.config.dictConfig({'version': 1, 'disable_existing_loggers': True, 'root': {'level': 'CRITICAL'}}); logging.disable(); logging.raiseExceptions = True"},
	{name: "garbage collector", code: "import gc; gc.disable(); gc.set_threshold(1); gc.enable(); gc.freeze(); gc.set_debug(0)"},
	{name: "clocks replaced", code: "import time\ntime.time = time.monotonic = time.perf_counter = lambda: 42.0\ndef bad(*a): raise RuntimeError('no sleep')\ntime.sleep = bad"},
	{name: "os functions replaced", code: "import os\nheld = open(os.__file__)\ndef bad(*a, **k): raise RuntimeError('replaced')\nfor n in ('fork', 'waitpid', 'kill', 'read', 'write', 'dup2', 'getpid', 'pipe'): setattr(os, n, bad)"},
	{name: "faulthandler elsewhere", code: "import faulthandler; faulthandler.disable(); faulthandler.enable(open('/dev/null', 'w'))"},
	{name: "exit functions", code: "import atexit\ndef bad(): raise ValueError('at exit')\natexit.register(bad)"},
	{name: "asyncio", code: "import asyncio\nasync def f(): await asyncio.sleep(0)\nasyncio.run(f())\nloop = asyncio.new_event_loop(); asyncio.set_event_loop(loop)"},
	{name: "multiprocessing's start method", code: "import multiprocessing; multiprocessing.set_start_method('spawn', force=True)"},
	{name: "decimal, random, codecs", code: "import decimal, random, codecs; decimal.getcontext().prec = 1; random.seed(0); codecs.register(lambda n: None)"},

	{name: "gevent", code: "import gevent.monkey; gevent.monkey.patch_all()", onlyLoaded: true},
	{name: "gevent, at work", code: "import gevent.monkey; gevent.monkey.patch_all()\nimport gevent, time\ndef f():\n  while True: time.sleep(0.01)\n@__import__('wsgid').postfork\ndef begin(): gevent.spawn(f); time.sleep(0.02)", onlyLoaded: true},
	{name: "eventlet", code: "import eventlet; eventlet.monkey_patch()", onlyLoaded: true},
	{name: "eventlet, at work", code: "import eventlet; eventlet.monkey_patch()\nimport time\n@__import__('wsgid').postfork\ndef begin(): eventlet.spawn(time.sleep, 10); time.sleep(0.02)", onlyLoaded: true},
	{name: "greenlets in a request", code: "import gevent; gevent.joinall([gevent.spawn(gevent.sleep, 0.001) for i in range(3)])", onlyRequest: true},
}

// TestWhatAnApplicationDoesToItsProcess has each state serve a thousand
// requests of all kinds by one worker that does not die.
func TestWhatAnApplicationDoesToItsProcess(t *testing.T) {
	for _, s := range processStates {
		if !s.onlyRequest {
			t.Run(s.name+"/loaded", func(t *testing.T) { t.Parallel(); s.run(t, false, false, 1) })
			t.Run(s.name+"/preloaded", func(t *testing.T) { t.Parallel(); s.run(t, false, true, 2) })
		}
		if !s.onlyLoaded {
			t.Run(s.name+"/requested", func(t *testing.T) { t.Parallel(); s.run(t, true, false, 2) })
		}
	}
}

func (s processState) run(t *testing.T, request, preload bool, threads int) {
	a := newTestApp(t, stateApp, func(spec *appspec.Spec) {
		spec.Workers.Threads, spec.Workers.Preload = threads, preload
		if !request {
			spec.Env = map[string]string{"STATE": s.code}
		}
	})
	h := a.start(StateReady)
	if request {
		if status, body := a.get("/do?" + url.PathEscape(s.code)); status != 200 || body != "done" {
			t.Fatalf("the state: %d %s", status, body)
		}
	}
	// One worker from here on.
	_, worker := a.get("/")
	large := bytes.Repeat([]byte("0123456789abcdef"), 16<<10)
	c := a.dial()
	defer c.Close()
	ask := func(request, want string) {
		t.Helper()
		_ = c.SetDeadline(time.Now().Add(patience)) // for each, not for all of them
		c.send(request)
		if got := c.answer("GET"); got.StatusCode != 200 || got.body != want {
			t.Fatalf("%.60q: answered %d %.200q, want 200 %.60q", request, got.StatusCode, got.body, want)
		}
	}
	for i := range 1000 {
		switch {
		case i%100 == 1:
			ask(fmt.Sprintf("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n%s", len(large), large), string(large))
		case i%10 == 2:
			ask("GET /stream HTTP/1.1\r\nHost: h\r\n\r\n", "0 1 2 3 4 ")
		case i%10 == 3:
			ask("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nsmall", "small")
		default:
			ask("GET / HTTP/1.1\r\nHost: h\r\n\r\n", worker)
		}
	}
	if st, err := h.Status(a.ctx(), 0); err != nil || st.Restarts != 0 {
		t.Errorf("restarts: %d (%v); log:\n%s", st.Restarts, err, a.logText())
	}
	if s.log != "" {
		a.mustLogLine(s.log)
	}
}

// What an application closes or raises where it should not is told, and ends
// one worker only.
func TestApplicationClosesItsLink(t *testing.T) {
	a := newTestApp(t, stateApp, nil)
	a.start(StateReady)
	_, first := a.get("/")
	a.get("/do?" + url.PathEscape("import os; os.closerange(3, 1000)"))
	a.mustLogLine("has closed or replaced descriptor 4", "link to its master")
	eventually(t, "another worker", func() bool {
		status, body := a.get("/")
		return status == 200 && body != first
	})
}

// A handler that raises while the worker waits for requests, as one for SIGALRM
// often does, costs nothing.
func TestSignalHandlerRaisesBetweenRequests(t *testing.T) {
	a := newTestApp(t, stateApp, func(spec *appspec.Spec) {
		spec.Env = map[string]string{"STATE": `
import signal
def late(number, frame): raise TimeoutError("too late")
signal.signal(signal.SIGALRM, late)
`}
	})
	h := a.start(StateReady)
	_, first := a.get("/")
	// Not before it waits: else it is raised in the request.
	pid := a.workerPID(t, h)
	eventually(t, "the worker to wait", func() bool {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			t.Fatal(err)
		}
		return strings.HasPrefix(string(b[bytes.LastIndexByte(b, ')')+1:]), " S")
	})
	if err := unix.Kill(pid, unix.SIGALRM); err != nil {
		t.Fatal(err)
	}
	a.mustLogLine("raised between two requests", "too late")
	for range 100 {
		if status, body := a.get("/"); status != 200 || body != first {
			t.Fatalf("got %d %s, want %s", status, body, first)
		}
	}
}

// Whatever the umask of who starts the master, what the app makes has the mode
// that its spec means, and our own files can be read by whom they are for.
func TestUmask(t *testing.T) {
	for _, c := range []struct {
		umask uint32
		want  os.FileMode
	}{{0o022, 0o644}, {0o027, 0o640}, {0o002, 0o664}} {
		t.Run(fmt.Sprintf("%04o", c.umask), func(t *testing.T) {
			for _, preload := range []bool{false, true} {
				a := newTestApp(t, stateApp, func(spec *appspec.Spec) {
					spec.Workers.Preload = preload
					spec.Umask = c.umask
				})
				a.start(StateReady)
				file := filepath.Join(a.spec.Path, "logs", "made")
				if status, body := a.get("/do?" + url.PathEscape("open("+strings.ReplaceAll(fmt.Sprintf("%q", file), " ", "")+", 'w').close()")); status != 200 {
					t.Fatalf("%d %s", status, body)
				}
				if got := fileMode(t, file).Perm(); got != c.want {
					t.Errorf("preload %v: mode %04o, want %04o", preload, got, c.want)
				}
			}
		})
	}
}

// A program with a set-group-ID bit has its group below a worker, unless the spec
// forbids it.
func TestNoNewPrivileges(t *testing.T) {
	const code = `
import os, subprocess
def application(environ, start_response):
    body = subprocess.run([os.environ["PROGRAM"], "-g"], stdout=subprocess.PIPE).stdout.strip()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
`
	if os.Geteuid() != 0 {
		t.Skip("only root can give a program to a group")
	}
	const group = 8 // mail
	for _, c := range []struct{ forbidden, preload bool }{{false, false}, {true, false}, {true, true}, {false, true}} {
		t.Run(fmt.Sprintf("forbidden %v, preload %v", c.forbidden, c.preload), func(t *testing.T) {
			t.Parallel()
			var program string
			a := newTestApp(t, code, func(spec *appspec.Spec) {
				spec.User = "nobody"
				spec.NoNewPrivileges, spec.Workers.Preload = c.forbidden, c.preload
				program = filepath.Join(spec.Path, "id")
				spec.Env = map[string]string{"PROGRAM": program}
			})
			// By another process: what we had open to write would be open in children, too,
			// that begin just then, and a program that is open so cannot be run.
			if out, err := exec.Command("cp", "/usr/bin/id", program).CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			if err := errors.Join(os.Chown(program, 0, group), unix.Chmod(program, 0o2755)); err != nil {
				t.Fatal(err)
			}
			a.start(StateReady)
			status, body := a.get("/")
			if has := body == strconv.Itoa(group); status != 200 || has == c.forbidden {
				t.Errorf("%d, the program has group %q", status, body)
			}
		})
	}
}

func fileMode(t *testing.T, path string) os.FileMode {
	t.Helper()
	st, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	return st.Mode()
}
