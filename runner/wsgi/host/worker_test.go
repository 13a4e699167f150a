package host_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/runner/await"
	"github.com/wsgid-fleet/wsgid-fleet/runner/shortdir"
	"github.com/wsgid-fleet/wsgid-fleet/runner/wsgi"
	"github.com/wsgid-fleet/wsgid-fleet/runner/wsgi/host"
)

// patience bounds every wait of a test.
const patience = time.Minute

// python is the interpreter of the tests that need Django.
const python = "/usr/bin/python3"

var extracted = sync.OnceValues(func() (string, error) {
	parent, err := os.MkdirTemp("", "w")
	if err != nil {
		return "", err
	}
	dir := filepath.Join(parent, host.Digest())
	return dir, host.Extract(dir)
})

func TestMain(m *testing.M) {
	code := m.Run()
	if dir, err := extracted(); err == nil {
		os.RemoveAll(filepath.Dir(dir))
	}
	os.Exit(code)
}

func hostDir(t testing.TB) string {
	t.Helper()
	if testing.Short() {
		t.Skip("starts Python")
	}
	dir, err := extracted()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// worker is a real worker process and the master's side of its slots.
type worker struct {
	t     testing.TB
	cmd   *exec.Cmd
	slots []*slot
	table *os.File // the abort table
	log   *logBuffer
	ended chan struct{}
	err   error // of Wait, once ended is closed
}

type logBuffer struct {
	mu   sync.Mutex
	buf  bytes.Buffer
	done chan struct{}
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func (l *logBuffer) readFrom(r io.Reader) {
	defer close(l.done)
	b := make([]byte, 32<<10)
	for {
		n, err := r.Read(b)
		l.mu.Lock()
		l.buf.Write(b[:n])
		l.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// options is what start needs besides an app folder.
type options struct {
	python string
	config wsgi.Config
	env    []string
}

// start starts a worker on an app folder and sends it its configuration.
func start(t testing.TB, folder string, o options) *worker {
	t.Helper()
	if o.python == "" {
		o.python = python
	}
	c := o.config
	c.App, c.AppPath, c.Version = "blog", folder, "1.2.3"
	if c.Loader == "" {
		c.Loader = "auto"
	}
	c.Threads = max(1, c.Threads)
	w := &worker{t: t, log: &logBuffer{done: make(chan struct{})}, ended: make(chan struct{})}
	w.cmd = exec.Command(o.python, "-u", filepath.Join(hostDir(t), host.Script), c.App)
	w.cmd.Dir = folder
	w.cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "LANG=C.UTF-8"}, o.env...)
	logRead, logWrite, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	w.cmd.Stdout, w.cmd.Stderr = logWrite, logWrite
	w.table = abortTable(t)
	w.cmd.ExtraFiles = []*os.File{w.table}
	slots := c.Threads
	if c.Preload {
		slots = 1
	}
	for range slots {
		s := newSlot(t)
		w.slots = append(w.slots, s)
		w.cmd.ExtraFiles = append(w.cmd.ExtraFiles, s.theirs)
	}
	if err := w.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	logWrite.Close()
	go w.log.readFrom(logRead)
	go func() {
		w.err = w.cmd.Wait()
		for _, s := range w.slots { // so that a read of the test ends
			s.theirs.Close()
		}
		close(w.ended)
	}()
	t.Cleanup(func() {
		_ = w.cmd.Process.Kill()
		<-w.ended
		for _, s := range w.slots {
			syscall.Close(s.fd)
		}
		w.table.Close()
		logRead.Close()
		if t.Failed() {
			t.Logf("log of the worker:\n%s", w.log)
		}
	})
	w.slots[0].send(wsgi.AppendInit(nil, &c))
	return w
}

// startReady starts a worker and waits until it is ready.
func startReady(t testing.TB, folder string, o options) (*worker, wsgi.Ready) {
	t.Helper()
	w := start(t, folder, o)
	return w, w.slots[0].ready()
}

// startFailing starts a worker that cannot load its application.
func startFailing(t testing.TB, folder string, o options) wsgi.Failure {
	t.Helper()
	w := start(t, folder, o)
	m := w.slots[0].receive()
	if m.kind != wsgi.MsgFailed {
		t.Fatalf("worker sent %q %s, want a failure", m.kind, m.payload)
	}
	var f wsgi.Failure
	if err := json.Unmarshal(m.payload, &f); err != nil {
		t.Fatalf("payload %s: %v", m.payload, err)
	}
	if w.wait(); w.cmd.ProcessState.ExitCode() != 1 {
		t.Errorf("worker ended with %v, want exit status 1", w.err)
	}
	return f
}

// wait waits until the process has ended and its log is complete.
func (w *worker) wait() {
	w.t.Helper()
	select {
	case <-w.ended:
	case <-time.After(patience):
		w.t.Fatalf("worker did not end; its log:\n%s", w.log)
	}
}

// quit tells every slot to quit and expects a clean end; it returns the log.
func (w *worker) quit() string {
	w.t.Helper()
	for _, s := range w.slots {
		s.send(wsgi.AppendHeader(nil, wsgi.MsgQuit, 0, 0))
	}
	w.wait()
	if w.err != nil {
		w.t.Errorf("worker ended with %v", w.err)
	}
	select {
	case <-w.log.done:
	case <-time.After(patience):
		w.t.Fatal("somebody holds the log of a worker that has ended")
	}
	return w.log.String()
}

// waitLog waits until the log holds a text.
func (w *worker) waitLog(text string) {
	w.t.Helper()
	await.True(w.t, "log entry "+text, func() bool { return strings.Contains(w.log.String(), text) })
}

func (w *worker) abort(slot int, seq uint32) {
	w.t.Helper()
	b := []byte{byte(seq), byte(seq >> 8), byte(seq >> 16), byte(seq >> 24)}
	if _, err := w.table.WriteAt(b, int64(slot)*4); err != nil {
		w.t.Fatal(err)
	}
}

// get asks the first slot for a path.
func (w *worker) get(path string) *response {
	w.t.Helper()
	return w.slots[0].do(map[string]any{"PATH_INFO": path}, "")
}

func abortTable(t testing.TB) *os.File {
	t.Helper()
	f, err := os.CreateTemp("", "w")
	if err != nil {
		t.Fatal(err)
	}
	os.Remove(f.Name())
	if err := f.Truncate(4096); err != nil {
		t.Fatal(err)
	}
	return f
}

// slot is the master's side of a slot.
type slot struct {
	t      testing.TB
	fd     int
	theirs *os.File
	seq    uint32
	buf    []byte
}

func newSlot(t testing.TB) *slot {
	t.Helper()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_SEQPACKET|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	tv := syscall.NsecToTimeval(int64(patience))
	if err := syscall.SetsockoptTimeval(fds[0], syscall.SOL_SOCKET, syscall.SO_RCVTIMEO, &tv); err != nil {
		t.Fatal(err)
	}
	return &slot{t: t, fd: fds[0], theirs: os.NewFile(uintptr(fds[1]), "slot"),
		buf: make([]byte, wsgi.MaxMessage)}
}

func (s *slot) send(msg []byte, fds ...int) {
	s.t.Helper()
	var rights []byte
	if len(fds) > 0 {
		rights = syscall.UnixRights(fds...)
	}
	if err := syscall.Sendmsg(s.fd, msg, rights, nil, 0); err != nil {
		s.t.Fatalf("cannot send to the worker: %v", err)
	}
}

// message is one message of a worker; fd is -1 where none came with it.
type message struct {
	kind, flags byte
	seq         uint32
	payload     []byte
	fd          int
}

func (s *slot) receive() message {
	s.t.Helper()
	oob := make([]byte, 64)
	n, oobn, _, _, err := syscall.Recvmsg(s.fd, s.buf, oob, syscall.MSG_CMSG_CLOEXEC)
	// A worker that ends without having read all that we sent resets its end, which
	// is told before what it has sent itself.
	for err == syscall.EINTR || err == syscall.ECONNRESET {
		n, oobn, _, _, err = syscall.Recvmsg(s.fd, s.buf, oob, syscall.MSG_CMSG_CLOEXEC)
	}
	if err != nil {
		s.t.Fatalf("cannot receive from the worker: %v", err)
	}
	if n < wsgi.HeaderSize {
		s.t.Fatalf("the worker sent %d bytes: it is gone", n)
	}
	b := s.buf[:n]
	m := message{kind: b[0], flags: b[1], payload: bytes.Clone(b[8:]), fd: -1,
		seq: uint32(b[4]) | uint32(b[5])<<8 | uint32(b[6])<<16 | uint32(b[7])<<24}
	if oobn > 0 {
		cmsgs, err := syscall.ParseSocketControlMessage(oob[:oobn])
		if err != nil {
			s.t.Fatal(err)
		}
		fds, err := syscall.ParseUnixRights(&cmsgs[0])
		if err != nil {
			s.t.Fatal(err)
		}
		m.fd = fds[0]
	}
	return m
}

func (s *slot) ready() wsgi.Ready {
	s.t.Helper()
	m := s.receive()
	if m.kind != wsgi.MsgReady {
		s.t.Fatalf("worker sent %q %s, want ready", m.kind, m.payload)
	}
	var r wsgi.Ready
	if err := json.Unmarshal(m.payload, &r); err != nil {
		s.t.Fatalf("payload %s: %v", m.payload, err)
	}
	return r
}

// request sends a request and returns its sequence number.
func (s *slot) request(environ map[string]any, body string) uint32 {
	s.t.Helper()
	s.seq++
	s.send(append(s.encode(environ, 0), body...))
	return s.seq
}

// requests sends several in one message and returns their sequence numbers.
func (s *slot) requests(environs ...map[string]any) (seqs []uint32) {
	s.t.Helper()
	var msgs [][]byte
	for _, environ := range environs {
		s.seq++
		seqs = append(seqs, s.seq)
		msgs = append(msgs, s.encode(environ, 0))
	}
	s.send(wsgi.AppendRequests(nil, msgs))
	return seqs
}

// requestFile sends a request whose body is in a file.
func (s *slot) requestFile(environ map[string]any, body *os.File) {
	s.t.Helper()
	s.seq++
	s.send(s.encode(environ, wsgi.FlagBodyFile))
	s.send(wsgi.AppendHeader(nil, wsgi.MsgBody, 0, s.seq), int(body.Fd()))
}

func (s *slot) encode(environ map[string]any, flags byte) []byte {
	s.t.Helper()
	all := map[string]any{
		"REQUEST_METHOD": "GET", "SCRIPT_NAME": "", "PATH_INFO": "/", "QUERY_STRING": "",
		"SERVER_NAME": "localhost", "SERVER_PORT": "80", "SERVER_PROTOCOL": "HTTP/1.1",
		"REMOTE_ADDR": "127.0.0.1", "wsgi.url_scheme": "http", "wsgi.multiprocess": true, "HTTP_HOST": "localhost",
	}
	maps.Copy(all, environ)
	data, err := wsgi.AppendValue(nil, all)
	if err != nil {
		s.t.Fatal(err)
	}
	n := len(data)
	msg := wsgi.AppendHeader(nil, wsgi.MsgRequest, flags, s.seq)
	msg = append(msg, byte(n), byte(n>>8), byte(n>>16), byte(n>>24))
	return append(msg, data...)
}

// response is a whole response; end is how it ended: wsgi.FlagEnd's message
// type, MsgEnd or MsgAbort.
type response struct {
	status  string
	headers []string // "Name: value"
	body    string
	kinds   string // the types of its messages
	last    bool   // the last of them had FlagEnd
	file    string // what a MsgFile said: "offset+length"
}

func (r *response) header(name string) string {
	var values []string
	for _, h := range r.headers {
		if k, v, _ := strings.Cut(h, ": "); strings.EqualFold(k, name) {
			values = append(values, v)
		}
	}
	return strings.Join(values, ", ")
}

// String is what most tests compare.
func (r *response) String() string { return r.status + " " + r.body }

func (s *slot) do(environ map[string]any, body string) *response {
	s.t.Helper()
	s.request(environ, body)
	return s.response()
}

func (s *slot) response() *response {
	s.t.Helper()
	r := &response{}
	for !s.take(r) {
	}
	return r
}

// take adds one message to a response and tells whether it was the last.
func (s *slot) take(r *response) bool {
	s.t.Helper()
	m := s.receive()
	if m.seq != s.seq {
		s.t.Fatalf("message %q is for request %d, want %d", m.kind, m.seq, s.seq)
	}
	r.kinds += string(m.kind)
	r.last = m.flags&wsgi.FlagEnd != 0
	switch m.kind {
	case wsgi.MsgHead:
		n := int(m.payload[0]) | int(m.payload[1])<<8 | int(m.payload[2])<<16 | int(m.payload[3])<<24
		head := string(m.payload[4 : 4+n])
		if !strings.HasSuffix(head, "\r\n") {
			s.t.Fatalf("head %q does not end with CR LF", head)
		}
		lines := strings.Split(strings.TrimSuffix(head, "\r\n"), "\r\n")
		r.status, r.headers = lines[0], lines[1:]
		r.body += string(m.payload[4+n:])
	case wsgi.MsgData:
		r.body += string(m.payload)
	case wsgi.MsgFile:
		offset, length, err := wsgi.ParseFile(m.payload)
		if err != nil || m.fd < 0 {
			s.t.Fatalf("file message %x with descriptor %d: %v", m.payload, m.fd, err)
		}
		r.file = fmt.Sprintf("%d+%d", offset, length)
		b := make([]byte, length)
		f := os.NewFile(uintptr(m.fd), "part")
		if _, err := f.ReadAt(b, offset); err != nil {
			s.t.Fatal(err)
		}
		f.Close()
		r.body += string(b)
	case wsgi.MsgEnd, wsgi.MsgAbort:
		return true
	default:
		s.t.Fatalf("worker sent %q %s in a response", m.kind, m.payload)
	}
	return r.last
}

// appFolder makes an app folder from "path: content" pairs; a txtar would be
// longer than the tests.
func appFolder(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := shortdir.New(t)
	for _, d := range []string{"app", "plugins"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(strings.TrimPrefix(content, "\n")), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}
