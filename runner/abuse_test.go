package runner

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

// abuseApp does what no application should; the slot's descriptor is 4.
const abuseApp = `
import os, signal, socket, struct, sys, threading, time
HEAD = struct.Struct("<BBxxI")

def slot():
    return socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET, 0, fileno=os.dup(4))

def message(kind, payload=b"", flags=0, seq=None):
    return HEAD.pack(ord(kind), flags, SEQ if seq is None else seq) + payload

def head(status=b"200 OK", body=b"", flags=1):
    lines = status + b"\r\nContent-Type: text/plain\r\n"
    return message("h", struct.pack("<I", len(lines)) + lines + body, flags)

def send(*messages):
    s = slot()
    for m in messages:
        s.send(m)

def passing(data, *fds):
    slot().sendmsg([data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, b"".join(struct.pack("i", fd) for fd in fds))])

def find_seq():
    "The number of the request: the host keeps it in a frame above ours."
    f = sys._getframe()
    while f:
        if "seq" in f.f_locals and f.f_code.co_name == "handle":
            return f.f_locals["seq"]
        f = f.f_back

def forever():
    while True:
        time.sleep(1)

def hang(q): forever()
def spin(q):
    while True: pass
def hold_gil(q):
    import ctypes
    ctypes.PyDLL(None).sleep(100)
def deaf(q):
    for s in (signal.SIGTERM, signal.SIGINT, signal.SIGABRT):
        signal.signal(s, signal.SIG_IGN)
    spin(q)
def stop_self(q):
    os.kill(os.getpid(), signal.SIGSTOP)
    return b"went on"
def segv(q):
    import ctypes
    ctypes.string_at(8)
def close_all(q): os.closerange(3, 64)
def close_slot(q): os.close(4)
def shut_slot(q): slot().shutdown(socket.SHUT_RDWR)
def close_output(q):
    os.close(1); os.close(2)
    try:
        print("lost")
    except OSError:
        pass
    return b"quiet"
def rubbish(q): send(b"rubbish that is no message at all"); forever()
def tiny(q): send(b"x"); forever()
def empty(q): send(b""); forever()
def unknown(q): send(message("Q")); forever()
def other_seq(q): send(message("h", struct.pack("<I", 6) + b"200 OK", 1, SEQ + 7)); forever()
def ready_again(q): send(HEAD.pack(ord("k"), 0, 0) + b"{}"); return b"fine"
def ready_rubbish(q): send(HEAD.pack(ord("k"), 0, 0) + b"\xff{"); return b"fine"
def fork_answer(q): send(HEAD.pack(ord("p"), 0, 0) + b'{"pid": 1}'); forever()
def exited_answer(q): send(HEAD.pack(ord("w"), 0, 0) + b'{"pid": %d, "code": 0, "signal": 9}' % os.getppid()); forever()
def early_data(q): send(message("d", b"body")); forever()
def two_heads(q): send(head(flags=0), head(flags=0)); forever()
def bad_head(q): send(message("h", struct.pack("<I", 1 << 31) + b"200 OK", 1)); forever()
def bad_status(q): send(head(b"999 What")); forever()
def informational(q): send(head(b"101 Switching Protocols")); forever()
def injected(q): send(head(b"200 OK\r\nX: 1\r\n\r\nHTTP/1.1 200 OK")); forever()
def no_file(q): send(head(flags=0), message("f", struct.pack("<QQ", 0, 5), 1)); forever()
def dir_file(q):
    send(head(flags=0)); passing(message("f", struct.pack("<QQ", 0, 5), 1), os.open("/", os.O_RDONLY)); forever()
def pipe_file(q):
    r, w = os.pipe()
    send(head(flags=0)); passing(message("f", struct.pack("<QQ", 0, 5), 1), r); forever()
def huge_file(q):
    send(head(flags=0)); passing(message("f", struct.pack("<QQ", 1 << 63, 1 << 63), 1), os.open("/etc/passwd", os.O_RDONLY)); forever()
def short_file(q):
    send(head(flags=0)); passing(message("f", struct.pack("<QQ", 0, 1 << 40), 1), os.open("/etc/passwd", os.O_RDONLY))
def many_files(q):
    for i in range(200):
        passing(message("d", b"x"), *([os.open("/etc/passwd", os.O_RDONLY)] * 20))
    forever()
def huge_message(q):
    s = slot()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
    s.send(head(flags=0)); s.send(message("d", b"y" * 190000, 1)); forever()
def double(q):
    send(head(body=b"first"))
    return b"second"
def flood_slot(q):
    s = slot()
    try:
        while True:
            s.send(message("d", b"z" * 1000))
    except OSError:
        forever()
def flood_log(q):
    line = "x" * 1000 + "\n"
    for i in range(20000):
        sys.stderr.write(line)
    sys.stderr.write("y" * 1000000 + "\n")
    return b"told"
def memory(q):
    kept = []
    while True:
        kept.append(bytearray(10 << 20))
def forks(q):
    "Children in our group, and one that leaves it; one holds the slot."
    pids = []
    left, leaving = os.pipe()
    for i in range(3):
        pid = os.fork()
        if not pid:
            if i == 2:
                os.setsid()
                os.write(leaving, b"x")
            forever()
        pids.append(str(pid))
    os.read(left, 1)
    return " ".join(pids).encode()
def fork_and_return(q):
    if not os.fork():
        return b"the child answers"
    return b"the parent answers"
def raw_fork(q):
    "A child that Python knows nothing of, and that writes into the slot."
    import ctypes
    libc = ctypes.CDLL(None)
    if not libc.fork():
        for i in range(2000):
            try: send(b"rubbish of a child")
            except OSError: break
        os._exit(0)
    forever()
def raw_fork_away(q):
    "One that has left the worker's process group and never ends writing."
    import ctypes
    libc = ctypes.CDLL(None)
    if not libc.fork():
        os.setsid()
        s = slot()
        while True:
            try: s.send(b"rubbish of a child")
            except OSError: break
        os._exit(0)
    forever()
def die_later(q):
    threading.Timer(1, os._exit, (9,)).start()
    return b"fine"
def kill_parent(q):
    for s in (signal.SIGTERM, signal.SIGKILL, signal.SIGSTOP):
        try:
            os.kill(os.getppid(), s)
        except PermissionError:
            continue
        return b"killed the master"
    return b"not permitted"
def limits(q):
    import resource
    return repr([resource.getrlimit(r) for r in (resource.RLIMIT_NOFILE, resource.RLIMIT_NPROC, resource.RLIMIT_AS, resource.RLIMIT_CORE)]).encode()
def truncate_shared(q):
    try:
        os.ftruncate(3, 0)
    except OSError as exc:
        return str(exc).encode()
def ring_rubbish(q):
    import mmap
    mmap.mmap(3, 0)[4096:4104] = struct.pack("<Q", 12)
    send(message("n")); forever()
def pid(q): return str(os.getpid()).encode()

def application(environ, start_response):
    global SEQ
    name = environ["PATH_INFO"].strip("/")
    SEQ = find_seq()
    body = globals()[name](environ["QUERY_STRING"]) if name else b"well"
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [body or b"done"]
`

// survives checks that the master is the one of before and that the app
// answers.
func (a *testApp) survives(t *testing.T, h *Handle) {
	t.Helper()
	w := way{addr: a.addr}
	if got := w.get(t, "/"); got.StatusCode != http.StatusOK || got.body != "well" {
		t.Errorf("the next request: %s %q", got.Status, got.body)
	}
	st, err := h.Status(a.ctx(), 0)
	if err != nil {
		t.Fatal(err)
	}
	if st.PID != h.PID {
		t.Errorf("the master is %d, was %d", st.PID, h.PID)
	}
}

func TestAbusiveWorkers(t *testing.T) {
	t.Parallel()
	a := newTestApp(t, abuseApp, func(s *appspec.Spec) {
		s.Workers.RequestTimeout = appspec.Duration(patience) // see below
		s.Restart.MinDelay = appspec.Duration(time.Millisecond)
		s.Restart.MaxDelay = appspec.Duration(2 * time.Millisecond)
		s.Limits.AddressSpace = 256 << 20
	})
	h := a.start(StateReady)
	fds := openFiles(t, h.PID)
	w := way{addr: a.addr}
	type abuse struct {
		name   string
		status int    // 0: the connection is cut
		text   string // in the answer, or the log where the status is 0
		dies   bool   // the worker is replaced
	}
	cases := []abuse{
		{"hang", 504, "has not answered for 1.5s", true},
		{"spin", 504, "has not answered for 1.5s", true},
		{"hold_gil", 504, "has not answered for 1.5s", true},
		{"deaf", 504, "has not answered for 1.5s", true},
		{"stop_self", 502, "stopped", true},
		{"segv", 502, "died: killed by SIGSEGV", true},
		{"close_all", 502, "died: exit status 1", true},
		{"close_slot", 502, "died: exit status 1", true},
		{"shut_slot", 502, "it closed its link to the master", true},
		{"close_output", 200, "quiet", false},
		{"rubbish", 502, "malformed message", true},
		{"tiny", 502, "malformed message", true},
		{"empty", 502, "it closed its link to the master", true},
		{"unknown", 502, "unknown type 'Q'", true},
		{"other_seq", 502, "which was not assigned to it", true},
		{"ready_again", 200, "fine", false},
		{"fork_answer", 502, "which was not assigned to it", true},
		{"exited_answer", 502, "which was not assigned to it", true},
		{"early_data", 502, "it sent a response body before the head", true},
		{"two_heads", 0, "it sent an invalid response head", true},
		{"bad_head", 502, "it sent an invalid response head", true},
		{"bad_status", 502, "it sent an invalid response head", true},
		{"informational", 502, "it sent an invalid response head", true},
		{"injected", 502, "it sent an invalid response head", true},
		{"no_file", 0, "it sent an invalid file message", true},
		{"dir_file", 0, "it sent an invalid file message", true},
		{"pipe_file", 0, "it sent an invalid file message", true},
		{"huge_file", 0, "it sent an invalid file message", true},
		{"short_file", 0, "GET /short_file: a file that is sent ended before its length", true},
		{"many_files", 502, "it sent a response body before the head", true},
		{"huge_message", 0, "malformed message", true},
		{"double", 200, "first", true},
		{"flood_slot", 502, "it sent a response body before the head", true},
		{"flood_log", 200, "told", false},
		{"memory", 500, "Internal Server Error", false},
		{"fork_and_return", 200, "the parent answers", false},
		{"raw_fork", 502, "malformed message", true},
		{"raw_fork_away", 502, "malformed message", true},
		{"die_later", 200, "fine", true},
		{"truncate_shared", 200, "Operation not permitted", false},
	}
	if runtime.GOARCH == "amd64" { // else there is no ring
		cases = append(cases, abuse{"ring_rubbish", 502, "malformed message: 12 bytes in a ring of 32768", true})
	}
	limit := func(d time.Duration) {
		a.update(h, func(s *appspec.Spec) { s.Workers.RequestTimeout = appspec.Duration(d) })
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			parent := a.t
			a.t = t
			defer func() { a.t = parent }()
			before := a.workerPID(t, h)
			if c.status == 504 { // all others take as long as they take
				limit(1500 * time.Millisecond)
			}
			got := w.get(t, "/"+c.name)
			if c.status == 504 {
				limit(patience)
			}
			switch {
			case c.status == 0:
				if got.StatusCode != http.StatusOK || got.err == nil {
					t.Errorf("%s %.100q, %v: the client must see that it was cut", got.Status, got.body, got.err)
				}
				a.mustLogLine(c.text)
			case c.status >= 502 && got.StatusCode == c.status:
				a.mustLogLine("GET /"+c.name+": "+strconv.Itoa(c.status), c.text)
			case got.StatusCode != c.status || !strings.Contains(got.body, c.text):
				t.Errorf("%s %.200q; want %d with %q", got.Status, got.body, c.status, c.text)
			}
			if c.status >= 502 {
				a.mustLogLine("GET /"+c.name+": ", strconv.Itoa(c.status), c.text, "worker "+strconv.Itoa(before))
			}
			if c.dies {
				eventually(t, "another worker", func() bool { return a.workerPID(t, h) != before })
			}
			a.survives(t, h)
		})
	}
	// Nothing that the workers passed is left open.
	eventually(t, "the descriptors to be closed", func() bool { return openFiles(t, h.PID) <= fds+1 })
}

// workerPID waits until there is one worker, and returns it.
func (a *testApp) workerPID(t *testing.T, h *Handle) int {
	t.Helper()
	st := a.wait(h, func(st Status) bool {
		return len(st.Workers) == 1 && st.Workers[0].State != WorkerDraining && st.State == StateReady
	})
	return st.Workers[0].PID
}

// openFiles counts a process's descriptors, but for those by which it waits for the others:
// a loop has one more of them at times.
func openFiles(t *testing.T, pid int) (n int) {
	t.Helper()
	d, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range d {
		if to, _ := os.Readlink(fmt.Sprintf("/proc/%d/fd/%s", pid, e.Name())); to != "anon_inode:[eventpoll]" {
			n++
		}
	}
	return n
}

// A worker that is stopped while it has nothing to do is noticed at once, and
// no request is lost to it.
func TestStoppedIdleWorker(t *testing.T) {
	t.Parallel()
	for _, preload := range []bool{false, true} {
		t.Run(fmt.Sprintf("preload %v", preload), func(t *testing.T) {
			a := newTestApp(t, abuseApp, func(s *appspec.Spec) { s.Workers.Preload = preload })
			h := a.start(StateReady)
			pid := a.workerPID(t, h)
			if err := unix.Kill(pid, unix.SIGSTOP); err != nil {
				t.Fatal(err)
			}
			// Until it stands still it may take one more request.
			eventually(t, "the worker to stand still", func() bool {
				b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
				return err != nil || !strings.ContainsAny(string(b[strings.LastIndexByte(string(b), ')'):][:3]), "SR")
			})
			a.survives(t, h)
			if now := a.workerPID(t, h); now == pid {
				t.Errorf("worker %d is still there", pid)
			}
			a.mustLogLine("worker "+strconv.Itoa(pid)+" is killed", "stopped")
		})
	}
}

// The children of a worker that dies go with it; one that has left its process
// group may stay, and is reaped when it ends.
func TestChildrenOfWorkers(t *testing.T) {
	t.Parallel()
	for _, preload := range []bool{false, true} {
		t.Run(fmt.Sprintf("preload %v", preload), func(t *testing.T) {
			a := newTestApp(t, abuseApp, func(s *appspec.Spec) { s.Workers.Preload = preload })
			h := a.start(StateReady)
			w := way{addr: a.addr}
			var children []int
			for s := range strings.FieldsSeq(w.get(t, "/forks").body) {
				n, err := strconv.Atoi(s)
				if err != nil {
					t.Fatal(err)
				}
				children = append(children, n)
			}
			if len(children) != 3 {
				t.Fatalf("children %v", children)
			}
			pid := a.workerPID(t, h)
			if err := unix.Kill(pid, unix.SIGKILL); err != nil {
				t.Fatal(err)
			}
			for _, c := range children[:2] {
				eventually(t, fmt.Sprintf("child %d to end", c), func() bool { return gone(c) })
			}
			eventually(t, "another worker", func() bool { return a.workerPID(t, h) != pid })
			if err := unix.Kill(children[2], unix.SIGKILL); err != nil {
				t.Errorf("the child that left: %v", err)
			}
			eventually(t, "the one that left to be reaped", func() bool { return gone(children[2]) })
			a.survives(t, h)
		})
	}
}

// A master that is killed takes its workers with it, hanging ones too.
func TestNoWorkerOutlivesItsMaster(t *testing.T) {
	t.Parallel()
	for _, preload := range []bool{false, true} {
		t.Run(fmt.Sprintf("preload %v", preload), func(t *testing.T) {
			a := newTestApp(t, abuseApp, func(s *appspec.Spec) { s.Workers.Preload, s.Workers.Threads = preload, 2 })
			h := a.start(StateReady)
			pid := a.workerPID(t, h)
			dial(t, a.addr).send("GET /hold_gil HTTP/1.1\r\nHost: h\r\n\r\n")
			a.wait(h, func(st Status) bool { return st.Requests.Active == 1 })
			if err := h.Kill(); err != nil {
				t.Fatal(err)
			}
			eventually(t, "the worker to end", func() bool { return ended(pid) })
		})
	}
}

// ended tells that a process runs no more, whether reaped or not: that is
// init's job here.
func ended(pid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err != nil || strings.HasPrefix(string(b[strings.LastIndexByte(string(b), ')')+1:]), " Z")
}

// gone tells that not even a zombie is left.
func gone(pid int) bool {
	return unix.Kill(pid, 0) == unix.ESRCH
}

// A worker that ignores every signal still ends when the app is stopped.
func TestDeafWorkerIsStopped(t *testing.T) {
	t.Parallel()
	a := newTestApp(t, abuseApp, func(s *appspec.Spec) { s.Workers.StopTimeout = appspec.Duration(300 * time.Millisecond) })
	h := a.start(StateReady)
	pid := a.workerPID(t, h)
	c := dial(t, a.addr)
	c.send("GET /deaf HTTP/1.1\r\nHost: h\r\n\r\n")
	a.wait(h, func(st Status) bool { return len(st.Workers) == 1 && st.Requests.Active == 1 })
	if err := h.Drain(a.ctx(), nil); err != nil {
		t.Fatal(err)
	}
	if err := h.Wait(a.ctx()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the worker to end", func() bool { return gone(pid) })
}

// The workers run as another user than the master where that is root: they can
// do nothing to it.
func TestWorkerCannotKillItsMaster(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: else master and workers are one user's, who may do this")
	}
	a := newTestApp(t, abuseApp, nil)
	h := a.start(StateReady)
	if got := (way{addr: a.addr}).get(t, "/kill_parent"); got.body != "not permitted" {
		t.Errorf("%s %q", got.Status, got.body)
	}
	a.survives(t, h)
}

// A client that opens connections and sends nothing, or all kinds of rubbish at
// once, harms nobody else.
func TestManyIdleConnections(t *testing.T) {
	t.Parallel()
	a := newTestApp(t, abuseApp, func(s *appspec.Spec) { s.Request.HeaderTimeout = appspec.Duration(5 * time.Second) })
	h := a.start(StateReady)
	fds := openFiles(t, h.PID)
	for i := range 200 {
		a.dial().send("GET / HTTP/1.1\r\nHost: h\r\n"[:i%24])
	}
	a.survives(t, h)
	eventually(t, "the connections to be closed", func() bool { return openFiles(t, h.PID) <= fds+1 })
	a.mustLogLine("408", "head")
}

// Without free descriptors the master waits, says so once, and goes on.
func TestOutOfDescriptors(t *testing.T) {
	a := newTestApp(t, abuseApp, nil)
	h := a.start(StateReady)
	limit := 2*uint64(openFiles(t, h.PID)) + 16 // half of them it keeps for itself
	var old unix.Rlimit
	if err := unix.Prlimit(h.PID, unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: limit, Max: limit}, &old); err != nil {
		t.Fatal(err)
	}
	var conns []net.Conn
	for range 60 {
		c, err := net.Dial("tcp", a.addr) // the kernel's queue takes those that the master cannot
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, c)
	}
	a.mustLogLine("cannot accept on "+a.addr, "open files")
	restsFor(t, h.PID, 300*time.Millisecond)
	if n := strings.Count(a.logText(), "cannot accept on"); n > 2 {
		t.Errorf("it says so %d times", n)
	}
	for _, c := range conns {
		_ = c.Close()
	}
	a.survives(t, h)
}

// restsFor looks at a process for so long: it must use no more than a third of a CPU.
func restsFor(t *testing.T, pid int, d time.Duration) {
	t.Helper()
	begin, before := time.Now(), cpuTime(t, pid)
	<-time.After(d)
	if used, of := cpuTime(t, pid)-before, time.Since(begin); used > of/3 {
		t.Errorf("it spends %v of %v on it", used, of)
	}
}

// cpuTime is what a process has used, in user and system mode.
func cpuTime(t *testing.T, pid int) time.Duration {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		t.Fatal(err)
	}
	f := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	user, _ := strconv.Atoi(f[11])
	sys, _ := strconv.Atoi(f[12])
	return time.Duration(user+sys) * 10 * time.Millisecond
}
