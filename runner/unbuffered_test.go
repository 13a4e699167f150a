package runner

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

// readerApp tells by its log what it reads, and when reading fails.
const readerApp = `
import hashlib, time
def application(environ, start_response):
    body, path = environ["wsgi.input"], environ["PATH_INFO"]
    def say(*what):
        print("request", environ["QUERY_STRING"], *what, file=environ["wsgi.errors"], flush=True)
    def answer(text):
        start_response("200 OK", [("Content-Length", str(len(text)))])
        return [text]
    if path == "/early":
        return answer(b"early")
    if path == "/hang":
        time.sleep(600)
    try:
        first = body.read(5)
        say("first", first)
        if path == "/hash":
            h = hashlib.sha256(first)
            while True:
                piece = body.read(10000)
                if not piece:
                    return answer(h.hexdigest().encode())
                h.update(piece)
        rest = body.read() + body.read(5)
    except OSError as e:
        say("raised", type(e).__name__, isinstance(e, ConnectionAbortedError))
        if path == "/stuck":
            time.sleep(600)
        raise
    return answer(first + b"|" + rest + b"|" + environ.get("CONTENT_LENGTH", "none").encode())
`

func unbuffered(t *testing.T, change func(*appspec.Spec)) *testApp {
	return newTestApp(t, readerApp, func(s *appspec.Spec) {
		s.Request.Buffering = false
		if change != nil {
			change(s)
		}
	})
}

// With request.buffering = false the app reads a body as it arrives, and connections
// live on behind it; where the rest does not come, or too much, reading fails.
func TestBodyIsReadAsItArrives(t *testing.T) {
	for _, secure := range []bool{false, true} {
		t.Run(map[bool]string{false: "HTTP", true: "HTTPS"}[secure], func(t *testing.T) {
			t.Parallel()
			testBodyIsReadAsItArrives(t, secure)
		})
	}
}

func testBodyIsReadAsItArrives(t *testing.T, secure bool) {
	a := unbuffered(t, func(s *appspec.Spec) {
		s.Request.MaxBody = 3 << 20
		if secure {
			s.Sockets.HTTP[0].TLS = writeCertificate(t, t.TempDir())
		}
	})
	h := a.start(StateReady)
	to := way{addr: a.addr}
	if secure {
		to.tls = &tls.Config{InsecureSkipVerify: true}
	}
	want := func(c *client, status int, body string) {
		t.Helper()
		if got := c.answer("POST"); got.StatusCode != status || body != "" && got.body != body {
			t.Errorf("%s %q, not %d %q", got.Status, got.body, status, body)
		}
	}
	ends := func(c *client) {
		t.Helper()
		if _, err := io.ReadAll(c.r); err != nil {
			t.Errorf("the connection does not end: %v", err)
		}
	}

	c := to.dial(t)
	c.send("POST /?length HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nhello")
	a.mustLogLine("request length first b'hello'")
	c.send("world")
	want(c, 200, "hello|world|10")
	c.send("POST /?chunked HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
	a.mustLogLine("request chunked first b'hello'")
	c.send("5\r\nworld\r\n0\r\n\r\nGET /early HTTP/1.1\r\nHost: h\r\n\r\n")
	want(c, 200, "hello|world|none")
	want(c, 200, "early")

	c.send("POST /?expect HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\nExpect: 100-continue\r\n\r\n")
	if line, err := c.r.ReadString('\n'); err != nil || !strings.HasPrefix(line, "HTTP/1.1 100 ") {
		t.Errorf("not told to go on: %q, %v", line, err)
	}
	_, _ = c.r.ReadString('\n')
	c.send("helloworld")
	want(c, 200, "hello|world|10")
	c.send("POST /?whole HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nhelloworld")
	want(c, 200, "hello|world|10")

	// Who is answered before the rest has come cannot go on.
	c.send("POST /early HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\nExpect: 100-continue\r\n\r\n")
	want(c, 200, "early")
	ends(c)
	c = to.dial(t)
	c.send("POST /early HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
	want(c, 200, "early")
	_ = c.Close()

	c = to.dial(t)
	c.send("POST /?gone HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
	a.mustLogLine("request gone first b'hello'")
	_ = c.Close()
	a.mustLogLine("request gone raised ClientGone True")
	a.mustLogLine("POST /", "the client went away in the middle of its request")

	c = to.dial(t)
	c.send("POST /?large HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
	a.mustLogLine("request large first b'hello'")
	c.send(fmt.Sprintf("%x\r\n", 3<<20))
	go func() { _, _ = c.Write(make([]byte, 3<<20)) }()
	want(c, 413, "")
	a.mustLogLine("request large raised ClientGone True")

	c = to.dial(t)
	c.send("POST /?broken HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
	a.mustLogLine("request broken first b'hello'")
	c.send("x\r\n")
	want(c, 400, "")
	a.mustLogLine("request broken raised ClientGone True")

	st := a.wait(h, func(st Status) bool { return st.Requests.Active == 0 })
	if st.Restarts != 0 || st.Requests.Timeouts != 0 || st.Requests.Errors != 0 {
		t.Errorf("%+v", st)
	}
}

// A request for a static file may have a body, which nobody reads: it is not taken for
// the next request.
func TestBodyBehindAStaticFileIsNoRequest(t *testing.T) {
	for _, secure := range []bool{false, true} {
		t.Run(map[bool]string{false: "HTTP", true: "HTTPS"}[secure], func(t *testing.T) {
			t.Parallel()
			a := unbuffered(t, func(s *appspec.Spec) {
				staticBlocks(s)
				if secure {
					s.Sockets.HTTP[0].TLS = writeCertificate(t, t.TempDir())
				}
			})
			a.put("app/static/a.txt", "static")
			a.start(StateReady)
			to := way{addr: a.addr}
			if secure {
				to.tls = &tls.Config{InsecureSkipVerify: true}
			}
			const body = "GET /early HTTP/1.1\r\nHost: h\r\n\r\n"
			for name, framed := range map[string]string{
				"length":  fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(body), body),
				"chunked": fmt.Sprintf("Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", len(body), body),
				"later":   "Content-Length: 100000\r\n\r\n" + body,
			} {
				c := to.dial(t)
				c.send("GET /static/a.txt HTTP/1.1\r\nHost: h\r\n" + framed)
				if got := c.answer("GET"); got.StatusCode != http.StatusOK || got.body != "static" {
					t.Errorf("%s: %s %q", name, got.Status, got.body)
				}
				_ = c.Conn.(interface{ CloseWrite() error }).CloseWrite()
				if rest, err := io.ReadAll(c.r); err != nil || len(rest) > 0 {
					t.Errorf("%s: behind the answer come %q, %v", name, rest, err)
				}
			}
		})
	}
}

// A worker waits for its client without an end, but not behind one that has gone.
func TestWorkerIsStuckBehindAClientThatHasGone(t *testing.T) {
	for _, secure := range []bool{false, true} {
		t.Run(map[bool]string{false: "HTTP", true: "HTTPS"}[secure], func(t *testing.T) {
			t.Parallel()
			a := unbuffered(t, func(s *appspec.Spec) {
				s.Workers.RequestTimeout = appspec.Duration(4 * time.Second)
				if secure {
					s.Sockets.HTTP[0].TLS = writeCertificate(t, t.TempDir())
				}
			})
			h := a.start(StateReady)
			to := way{addr: a.addr}
			if secure {
				to.tls = &tls.Config{InsecureSkipVerify: true}
			}
			c := to.dial(t)
			c.send("POST /stuck?gone HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nhello")
			a.mustLogLine("request gone first b'hello'")
			_ = c.Close()
			a.mustLogLine("request gone raised ClientGone True")
			a.wait(h, func(st Status) bool { return st.Requests.Timeouts == 1 && st.Requests.Active == 0 })
		})
	}
}

// held is a connection whose client sends several records of TLS in one piece.
type held struct {
	net.Conn

	on  bool
	all []byte
}

func (h *held) Write(b []byte) (int, error) {
	if h.on {
		h.all = append(h.all, b...)
		return len(b), nil
	}
	return h.Conn.Write(b)
}

// A client that has ended its side right behind its body, before the application asks for
// that, has sent it all and is answered.
func TestClientEndsItsSideBehindItsBody(t *testing.T) {
	t.Parallel()
	a := unbuffered(t, func(s *appspec.Spec) { s.Sockets.HTTP[0].TLS = writeCertificate(t, t.TempDir()) })
	h := a.start(StateReady)
	busy := way{addr: a.addr, tls: &tls.Config{InsecureSkipVerify: true}}.dial(t)
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		busy.send(fmt.Sprintf("POST /?busy%x HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nhello", version))
		a.mustLogLine(fmt.Sprintf("request busy%x first b'hello'", version))
		c := dial(t, a.addr)
		raw := &held{Conn: c.Conn}
		conn := tls.Client(raw, &tls.Config{InsecureSkipVerify: true, MaxVersion: version})
		c.Conn, c.r = conn, bufio.NewReader(conn)
		c.send("POST /?ends HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n")
		a.wait(h, func(st Status) bool { return st.Requests.Active == 2 })
		raw.on = true
		c.send("helloworld")
		if err := conn.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		_ = raw.SetDeadline(time.Now().Add(patience)) // CloseWrite has let it run out
		if _, err := raw.Conn.Write(raw.all); err != nil {
			t.Fatal(err)
		}
		busy.send("world")
		if got := busy.answer("POST"); got.body != "hello|world|10" {
			t.Errorf("%s %q", got.Status, got.body)
		}
		if got := c.answer("POST"); got.StatusCode != http.StatusOK || got.body != "hello|world|10" {
			t.Errorf("TLS %x: %s %q %v", version, got.Status, got.body, got.err)
		}
	}
}

// What an app reads of a body is what was sent, also where it reads more slowly than
// it comes; bodies of many requests do not mix.
func TestLargeBodiesAsTheyArrive(t *testing.T) {
	for _, proto := range []string{"HTTP", "HTTPS", "HTTP2"} {
		t.Run(proto, func(t *testing.T) {
			t.Parallel()
			testLargeBodiesAsTheyArrive(t, proto)
		})
	}
}

func testLargeBodiesAsTheyArrive(t *testing.T, proto string) {
	a := unbuffered(t, func(s *appspec.Spec) {
		s.Workers.Min, s.Workers.Max, s.Workers.Threads = 2, 2, 2
		if proto != "HTTP" {
			s.Sockets.HTTP[0].TLS = writeCertificate(t, t.TempDir())
		}
	})
	h := a.start(StateReady)
	web, scheme := clientBy(t, proto)
	data := make([]byte, 5_000_000)
	r := rand.New(rand.NewPCG(5, 6))
	for i := range data {
		data[i] = byte(r.Uint32())
	}
	failed := make(chan error)
	const all = 8
	for i := range all {
		go func() {
			part := data[i:]
			var body io.Reader = bytes.NewReader(part)
			if i%2 == 0 {
				body = io.MultiReader(body) // its length is not known: chunked
			}
			resp, err := web.Post(scheme+a.addr+"/hash", "", body)
			if err == nil {
				var got []byte
				got, err = io.ReadAll(resp.Body)
				_ = resp.Body.Close()
				if want := fmt.Sprintf("%x", sha256.Sum256(part)); err == nil && string(got) != want {
					err = fmt.Errorf("%s: %.80q, not %s", resp.Status, got, want)
				}
			}
			failed <- err
		}()
	}
	for range all {
		if err := <-failed; err != nil {
			t.Error(err)
		}
	}
	a.wait(h, func(st Status) bool { return st.Requests.Active == 0 && st.Requests.Total == all && st.Restarts == 0 })
}

// While a worker waits for its client the time of the app does not run; a client that
// sends nothing is told, and an app that hangs is found out as ever.
func TestTimeOfABodyThatArrives(t *testing.T) {
	for _, secure := range []bool{false, true} {
		t.Run(map[bool]string{false: "HTTP", true: "HTTPS"}[secure], func(t *testing.T) {
			t.Parallel()
			testTimeOfABodyThatArrives(t, secure)
		})
	}
}

func testTimeOfABodyThatArrives(t *testing.T, secure bool) {
	const limit = 3 * time.Second
	a := unbuffered(t, func(s *appspec.Spec) {
		s.Workers.Min, s.Workers.Max = 3, 3
		s.Workers.RequestTimeout = appspec.Duration(limit)
		s.Request.BodyTimeout = appspec.Duration(5 * limit)
		s.Request.MinRate = 0
		if secure {
			s.Sockets.HTTP[0].TLS = writeCertificate(t, t.TempDir())
		}
	})
	a.start(StateReady)
	to := way{addr: a.addr}
	if secure {
		to.tls = &tls.Config{InsecureSkipVerify: true}
	}
	const head = " HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nhello"
	slow, silent, hanging := to.dial(t), to.dial(t), to.dial(t)
	slow.send("POST /?slow" + head)
	silent.send("POST /?silent" + head)
	hanging.send("POST /hang?" + head)
	a.mustLogLine("request slow first b'hello'")
	a.mustLogLine("request silent first b'hello'")
	if got := hanging.answer("POST"); got.StatusCode != http.StatusGatewayTimeout {
		t.Errorf("an app that hangs: %s", got.Status)
	}
	time.Sleep(limit / 2) // longer than an app may take, together
	slow.send("world")
	if got := slow.answer("POST"); got.body != "hello|world|10" {
		t.Errorf("a slow client: %s %q", got.Status, got.body)
	}
	if got := silent.answer("POST"); got.StatusCode != http.StatusRequestTimeout {
		t.Errorf("a client that sends nothing: %s", got.Status)
	}
	a.mustLogLine("408", "no byte of the body within 15s (request.body_timeout)")
	a.mustLogLine("request silent raised ClientGone True")
}
