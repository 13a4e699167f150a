package link_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/runner/await"
	"github.com/wsgid-fleet/wsgid-fleet/runner/mongrel2/link"
	"github.com/wsgid-fleet/wsgid-fleet/runner/mongrel2/mongrel2test"
	"github.com/wsgid-fleet/wsgid-fleet/runner/wsgi"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds every wait of these tests.
const patience = time.Minute

// open opens a link to a handler of the server and waits until it is ready.
func open(t testing.TB, s *mongrel2test.Server, i int, ev link.Events, change ...func(*link.Config)) *link.Link {
	t.Helper()
	h := s.Handlers[i]
	cfg := link.Config{Recv: h.Recv, Send: h.Send, Chroot: s.Chroot, Style: link.Style{Fields: []byte("X-Wsgid: test\r\n"), Reasons: true}}
	for _, f := range change {
		f(&cfg)
	}
	l, err := link.Open(cfg, ev)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	await.True(t, "the link: "+l.State().Reason, func() bool { return l.State().Phase == link.PhaseReady })
	return l
}

func head(status string, length int64) *wsgi.ResponseHead {
	h := &wsgi.ResponseHead{Line: []byte(status), Fields: []byte("Content-Type: text/plain\r\n"), ContentLength: length}
	fmt.Sscan(status, &h.Status)
	return h
}

// echo answers at once with what it got.
func echo(in *link.Incoming) {
	body := string(in.Body)
	if in.File != nil {
		b, _ := io.ReadAll(io.NewSectionReader(in.File, 0, 1<<30))
		body = fmt.Sprintf("file %d %d:", in.Size, len(b)) + string(b)
		in.File.Close()
	}
	text := fmt.Sprintf("%s %s|%s?%s|%s|%s", in.Request.Method, in.Request.ScriptName, in.Request.Path[len(in.Request.ScriptName):], in.Request.Query, in.Request.Host, body)
	r := in.Reply
	in.Release()
	r.Head(head("200 OK", -1), []byte(text), true)
}

// mailbox keeps what a link gives out, for a test that answers by hand.
type mailbox struct {
	in   chan *link.Incoming
	gone chan *link.Reply
}

func newMailbox() *mailbox {
	return &mailbox{in: make(chan *link.Incoming, 1000), gone: make(chan *link.Reply, 1000)}
}

func (m *mailbox) events() link.Events {
	return link.Events{
		Request: func(in *link.Incoming) { m.in <- in },
		Gone:    func(r *link.Reply) { m.gone <- r },
	}
}

// drive has a link work in a loop that is not its own, as a master has it, until it is
// done; turned is called after each turn.
func drive(l *link.Link, turned func()) (ended <-chan struct{}) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-l.Done():
				return
			default:
			}
			d := l.Turn()
			turned()
			ms := 50 // to see Done
			if d >= 0 {
				ms = min(ms, int(d/time.Millisecond)+1)
			}
			_, _ = unix.Poll([]unix.PollFd{{Fd: int32(l.FD()), Events: unix.POLLIN}}, ms)
		}
	}()
	return done
}

func receive[T any](t testing.TB, what string, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		t.Fatalf("waited in vain for %s", what)
		panic("unreachable")
	}
}

// client is one raw connection to the server.
type client struct {
	net.Conn
	t testing.TB
	r *bufio.Reader
}

func dial(t testing.TB, s *mongrel2test.Server) *client {
	t.Helper()
	c, err := net.Dial("tcp", s.Addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(patience))
	return &client{c, t, bufio.NewReader(c)}
}

func (c *client) send(s string) *client {
	c.t.Helper()
	if _, err := io.WriteString(c.Conn, s); err != nil {
		c.t.Fatal(err)
	}
	return c
}

// get reads a response to a request of the method.
func (c *client) get(method string) (status int, body string) {
	c.t.Helper()
	resp, err := http.ReadResponse(c.r, &http.Request{Method: method})
	if err != nil {
		c.t.Fatalf("no response: %v", err)
	}
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatalf("body of %d bytes ends with: %v", len(b), err)
	}
	return resp.StatusCode, string(b)
}

// rest reads until the server closes.
func (c *client) rest() string {
	c.t.Helper()
	b, err := io.ReadAll(c.r)
	if err != nil && !strings.Contains(err.Error(), "reset") {
		c.t.Fatalf("connection not closed after %q: %v", b, err)
	}
	return string(b)
}

// withoutDate takes the Date line, which changes, out of a response.
func withoutDate(s string) string {
	at := strings.Index(s, "Date: ")
	if at < 0 {
		return s
	}
	return s[:at] + s[at+strings.Index(s[at:], "\n")+1:]
}

// files lists a directory.
func files(t testing.TB, dir string) []string {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range list {
		names = append(names, e.Name())
	}
	return names
}

// sent makes lines of a log available to a test.
type logBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
