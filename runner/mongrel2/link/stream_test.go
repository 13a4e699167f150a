package link_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"maps"

	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	zmq "github.com/pebbe/zmq4"

	"github.com/wsgid-fleet/wsgid-fleet/runner/await"
	"github.com/wsgid-fleet/wsgid-fleet/runner/mongrel2/link"
	"github.com/wsgid-fleet/wsgid-fleet/runner/mongrel2/link/lazyzmq"
	"github.com/wsgid-fleet/wsgid-fleet/runner/mongrel2/mongrel2test"
)

// ways are the ways an application sends many bytes.
var ways = map[string]func(t testing.TB, r *link.Reply, body []byte){
	"whole": func(t testing.TB, r *link.Reply, body []byte) { r.Head(head("200 OK", -1), body, true) },
	"pieces of unknown length": func(t testing.TB, r *link.Reply, body []byte) {
		pieces(r, -1, body)
	},
	"pieces of known length": func(t testing.TB, r *link.Reply, body []byte) {
		pieces(r, int64(len(body)), body)
	},
	"file": func(t testing.TB, r *link.Reply, body []byte) {
		r.Head(head("200 OK", int64(len(body))), nil, false)
		r.File(fileOf(t, body), 3, int64(len(body)), true)
	},
	"file of unknown length, and more": func(t testing.TB, r *link.Reply, body []byte) {
		cut := len(body) - 100
		r.Head(head("200 OK", -1), body[:50], false)
		r.File(fileOf(t, body[50:cut]), 3, int64(cut-50), false)
		r.Data(body[cut:cut+40], false)
		r.File(fileOf(t, body[cut+40:]), 3, 60, false)
		r.Data(nil, true)
	},
}

func pieces(r *link.Reply, length int64, body []byte) {
	r.Head(head("200 OK", length), nil, false)
	for len(body) > 0 {
		n := min(len(body), 100<<10)
		r.Data(body[:n], n == len(body))
		body = body[n:]
	}
}

// fileOf is a file with the text at offset 3.
func fileOf(t testing.TB, text []byte) *os.File {
	name := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(name, append([]byte("xyz"), append(bytes.Clone(text), "more"...)...), 0o600); err != nil {
		t.Error(err)
	}
	f, err := os.Open(name)
	if err != nil {
		t.Error(err)
	}
	return f
}

func random(n int) []byte {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{1})
	r.Read(b)
	return b
}

func TestLargeResponse(t *testing.T) {
	t.Parallel()
	s := mongrel2test.Start(t, mongrel2test.Options{})
	m := newMailbox()
	l := open(t, s, 0, m.events())
	body := random(20 << 20)
	want := sha256.Sum256(body)
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			c := dial(t, s).send("GET / HTTP/1.1\r\n\r\n")
			in := receive(t, "request", m.in)
			reply := in.Reply
			in.Release()
			way(t, reply, body)
			_, got := c.get("GET")
			if sha256.Sum256([]byte(got)) != want {
				t.Errorf("%d bytes of %d, or others", len(got), len(body))
			}
			await.True(t, "the end", func() bool { return l.Active() == 0 })
		})
	}
}

// TestSlowClient: mongrel2 kills a connection with more than sixteen messages
// queued. The client reads nothing until all is sent.
func TestSlowClient(t *testing.T) {
	t.Parallel()
	s := mongrel2test.Start(t, mongrel2test.Options{})
	m := newMailbox()
	l := open(t, s, 0, m.events())
	body := random(30 << 20)
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			c := dial(t, s).send("GET / HTTP/1.1\r\nConnection: close\r\n\r\n")
			in := receive(t, "request", m.in)
			reply := in.Reply
			in.Release()
			way(t, reply, body)
			await.True(t, "the end", func() bool { return l.Active() == 0 })
			if _, got := c.get("GET"); got != string(body) {
				t.Errorf("%d bytes of %d, or others", len(got), len(body))
			}
			if rest := c.rest(); rest != "" {
				t.Errorf("%d bytes more", len(rest))
			}
		})
	}
}

func TestManySmallPieces(t *testing.T) {
	t.Parallel()
	s := mongrel2test.Start(t, mongrel2test.Options{})
	m := newMailbox()
	open(t, s, 0, m.events())
	for _, pause := range []time.Duration{0, time.Millisecond} {
		c := dial(t, s).send("GET / HTTP/1.1\r\n\r\n")
		in := receive(t, "request", m.in)
		reply := in.Reply
		in.Release()
		reply.Head(head("200 OK", -1), nil, false)
		var want strings.Builder
		tick := time.NewTicker(pause + 1)
		for i := range 300 {
			fmt.Fprintf(&want, "piece %d\n", i)
			reply.Data(fmt.Appendf(nil, "piece %d\n", i), i == 299)
			<-tick.C
		}
		tick.Stop()
		if _, got := c.get("GET"); got != want.String() {
			t.Errorf("got %d bytes of %d", len(got), want.Len())
		}
	}
}

// TestPiecesArriveAsTheyCome: each piece is with the client before the next is
// made.
func TestPiecesArriveAsTheyCome(t *testing.T) {
	t.Parallel()
	s := mongrel2test.Start(t, mongrel2test.Options{})
	m := newMailbox()
	open(t, s, 0, m.events())
	c := dial(t, s).send("GET / HTTP/1.0\r\n\r\n")
	in := receive(t, "request", m.in)
	reply := in.Reply
	in.Release()
	reply.Head(head("200 OK", -1), nil, false)
	for line := "x"; line != "\r\n"; {
		var err error
		if line, err = c.r.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 40 {
		piece := fmt.Sprintf("piece %d\n", i)
		reply.Data([]byte(piece), false)
		if got, err := c.r.ReadString('\n'); err != nil || got != piece {
			t.Fatalf("%q, %v", got, err)
		}
	}
	reply.Data(nil, true)
	if rest := c.rest(); rest != "" {
		t.Errorf("more: %q", rest)
	}
}

func TestFileThatEndsEarly(t *testing.T) {
	t.Parallel()
	s := mongrel2test.Start(t, mongrel2test.Options{})
	m := newMailbox()
	l := open(t, s, 0, m.events())
	c := dial(t, s).send("GET / HTTP/1.1\r\n\r\n")
	in := receive(t, "request", m.in)
	reply := in.Reply
	in.Release()
	reply.Head(head("200 OK", 1<<20), []byte("begin"), false)
	reply.File(fileOf(t, []byte("short")), 3, 1<<20-5, true)
	got := c.rest()
	if !strings.HasSuffix(got, "\r\n\r\nbegin") {
		t.Errorf("%q", got)
	}
	await.True(t, "the end", func() bool { return l.Active() == 0 })
}

func TestClientGoneWhileAFileIsSent(t *testing.T) {
	t.Parallel()
	s := mongrel2test.Start(t, mongrel2test.Options{})
	m := newMailbox()
	l := open(t, s, 0, m.events())
	c := dial(t, s).send("GET / HTTP/1.1\r\n\r\n")
	in := receive(t, "request", m.in)
	reply := in.Reply
	in.Release()
	reply.Head(head("200 OK", -1), []byte("begin"), false)
	f := fileOf(t, random(10<<20))
	c.Close()
	reply.File(f, 3, 10<<20, false)
	receive(t, "notice", m.gone)
	reply.Data(nil, true)
	await.True(t, "the file to be closed", func() bool { _, err := f.Stat(); return err != nil })
	await.True(t, "the end", func() bool { return l.Active() == 0 })
}

// server is a mongrel2 of the test's own that counts messages.
type server struct {
	t          testing.TB
	recv, send string
	push, sub  *zmq.Socket

	mu       sync.Mutex
	messages map[string][][]byte // payloads by connection id, guarded by mu
}

func newServer(t testing.TB) *server {
	t.Helper()
	if err := lazyzmq.Load(); err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "m2")
	if err != nil {
		t.Fatal(err)
	}
	s := &server{t: t, recv: "ipc://" + dir + "/in", send: "ipc://" + dir + "/out", messages: map[string][][]byte{}}
	ctx, err := zmq.NewContext()
	if err != nil {
		t.Fatal(err)
	}
	if s.push, err = ctx.NewSocket(zmq.PUSH); err != nil {
		t.Fatal(err)
	}
	if s.sub, err = ctx.NewSocket(zmq.SUB); err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{s.push.SetLinger(0), s.push.Bind(s.recv), s.sub.SetSubscribe("fake"), s.sub.SetRcvhwm(0), s.sub.SetRcvtimeo(50 * time.Millisecond), s.sub.Bind(s.send)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default:
			}
			msg, err := s.sub.RecvBytes(0)
			if err != nil {
				continue
			}
			var id string
			_, rest, _ := bytes.Cut(msg, []byte(":"))
			a, payload, _ := bytes.Cut(rest, []byte(", "))
			id = string(a)
			s.mu.Lock()
			s.messages[id] = append(s.messages[id], payload)
			s.mu.Unlock()
		}
	}()
	t.Cleanup(func() {
		close(stop)
		<-stopped
		s.push.Close()
		s.sub.Close()
		ctx.Term()
		os.RemoveAll(dir)
	})
	return s
}

func (s *server) request(id int, text string) {
	s.t.Helper()
	headers := `{"METHOD":"GET","VERSION":"HTTP/1.1","PATH":"/","URI":"/","PATTERN":"/","URL_SCHEME":"http","REMOTE_ADDR":"127.0.0.1"}`
	msg := fmt.Sprintf("fake %d / %d:%s,0:,", id, len(headers), headers)
	if text != "" {
		msg = text
	}
	if _, err := s.push.Send(msg, 0); err != nil {
		s.t.Fatal(err)
	}
}

func (s *server) got(id int) (count int, closed bool, all []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.messages[fmt.Sprint(id)] {
		count++
		all = append(all, p...)
		closed = len(p) == 0
	}
	return count, closed, all
}

// TestMessagesOfAResponse: none takes more than fifteen, however it is made;
// one that is there as a whole takes one.
func TestMessagesOfAResponse(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds: thousands of messages")
	}
	t.Parallel()
	s := newServer(t)
	m := newMailbox()
	l, err := link.Open(link.Config{Recv: s.recv, Send: s.send}, m.events())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	await.True(t, "the link", func() bool { return l.State().Phase == link.PhaseReady })
	all := map[string]func(t testing.TB, r *link.Reply, body []byte){
		"300 small": func(t testing.TB, r *link.Reply, body []byte) {
			r.Head(head("200 OK", -1), nil, false)
			for i := range 300 {
				r.Data(body[i*10:i*10+10], i == 299)
			}
		},
		"3000 larger": func(t testing.TB, r *link.Reply, body []byte) {
			r.Head(head("200 OK", -1), nil, false)
			for i := range 3000 {
				r.Data(body[i*10000:i*10000+10000], i == 2999)
			}
		},
	}
	maps.Copy(all, ways)
	body := random(64 << 20)
	id := 0
	for name, way := range all {
		id++
		t.Run(name, func(t *testing.T) {
			s.request(id, "")
			in := receive(t, "request", m.in)
			reply := in.Reply
			in.Release()
			began := time.Now()
			way(t, reply, body)
			await.True(t, "the end", func() bool { return l.Active() == 0 })
			took := time.Since(began)
			var count, size int
			await.True(t, "all of it", func() bool {
				n, _, all := s.got(id)
				count, size = n, len(all)
				return bytes.HasSuffix(all, []byte("0\r\n\r\n")) || len(all) >= len(body)
			})
			// Fifteen may be queued. Those that the server has surely passed on do not
			// count any more: with pauses of a quarter of a second, as a busy machine makes
			// them, where a slow client has read all; else one follows each second.
			limit := 15 + int(took/time.Second)
			if size <= 64<<10+int(took.Seconds()*(64<<10)) {
				limit = 15 * (1 + int(took/(250*time.Millisecond)))
			}
			if name == "whole" {
				limit = 1
			}
			if count > limit {
				t.Errorf("%d messages in %v, want at most %d", count, took, limit)
			}
			t.Logf("%d messages in %v", count, took)
		})
	}
}

// TestRubbish: no message stops a link.
func TestRubbish(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	m := newMailbox()
	l, err := link.Open(link.Config{Recv: s.recv, Send: s.send}, m.events())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	await.True(t, "the link", func() bool { return l.State().Phase == link.PhaseReady })
	for _, msg := range []string{" ", "x", "fake", "fake 1", "fake x / 2:{},0:,", "fake 1 / 2:{},0:,", "fake 1 @* 17:{\"METHOD\":\"JSON\"},21:{\"type\":\"disconnect\"},", "fake 1 / 5:{\"a\":,0:,", "fake 99999999999999999999 / 0:},0:,"} {
		s.request(0, msg)
	}
	s.request(7, "")
	in := receive(t, "request", m.in)
	if string(in.Message.ClientID) != "7" {
		t.Fatalf("%s", in.Message.ClientID)
	}
	echo(in)
	await.True(t, "the answer", func() bool { n, _, _ := s.got(7); return n == 1 })
}

// TestFloodOfPipelinedRequests: a client that pipelines without end is cut off.
func TestFloodOfPipelinedRequests(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	m := newMailbox()
	l, err := link.Open(link.Config{Recv: s.recv, Send: s.send}, m.events())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	await.True(t, "the link", func() bool { return l.State().Phase == link.PhaseReady })
	for range 400 {
		s.request(1, "")
	}
	await.True(t, "all messages", func() bool { return l.Received() == 400 })
	echo(receive(t, "request", m.in))
	await.True(t, "the close", func() bool { n, closed, _ := s.got(1); return n == 2 && closed })
	if len(m.in) != 0 || l.Active() != 0 {
		t.Error("more was given out")
	}
}
