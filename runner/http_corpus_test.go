package runner

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/runner/http1"
	"github.com/wsgid-fleet/wsgid-fleet/runner/mongrel2/mongrel2test"
)

// recorderApp keeps what it is given, by the client's address: each case of a
// corpus comes from one of its own.
const recorderApp = `
import base64, json, threading
SEEN = {}
LOCK = threading.Lock()

def application(environ, start_response):
    if environ["PATH_INFO"] == "/--seen--":
        with LOCK:
            body = json.dumps(SEEN).encode()
            SEEN.clear()
    else:
        b = environ["wsgi.input"].read()
        line = [environ["REQUEST_METHOD"], environ["REQUEST_URI"], environ.get("HTTP_HOST", ""), base64.b64encode(b).decode()]
        with LOCK:
            SEEN.setdefault(environ["REMOTE_ADDR"], []).append(line)
        body = b""
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [body]
`

// seenRequest is a request as the recorder was given it: method, target, host,
// body.
type seenRequest struct {
	method, target, host, body string
}

func (r seenRequest) String() string {
	return fmt.Sprintf("%s %s host=%s body=%q", r.method, r.target, r.host, r.body)
}

// replay is one case: bytes for a connection of their own.
type replay struct {
	name   string
	raw    []byte
	piece  int           // bytes a write; 0: all at once
	open   bool          // do not end our side, but send one more request
	answer string        // all that came back
	seen   []seenRequest // what the application was given
	err    error
}

// statuses of the answers, without 100.
func (r *replay) statuses() []int {
	var all []int
	for _, m := range statusLine.FindAllStringSubmatch(r.answer, -1) {
		if n, _ := strconv.Atoi(m[1]); n != 100 {
			all = append(all, n)
		}
	}
	return all
}

var statusLine = regexp.MustCompile(`(?:^|\n)HTTP/1\.1 (\d\d\d) `)

// play sends each case from an address of its own and ends its side: no case
// has to wait for a time limit. Then it asks what the application was given.
func (a *testApp) play(t *testing.T, addr string, cases []*replay) {
	t.Helper()
	var wg sync.WaitGroup
	queue := make(chan int)
	for range 64 {
		wg.Go(func() {
			for i := range queue {
				cases[i].run(addr, localAddr(i))
			}
		})
	}
	for i := range cases {
		queue <- i
	}
	close(queue)
	wg.Wait()
	all := map[string][][4]string{}
	got := way{addr: a.addr}.get(t, "/--seen--")
	if err := json.Unmarshal([]byte(got.body), &all); err != nil {
		t.Fatalf("%v in %.200q", err, got.body)
	}
	for i, c := range cases {
		for _, r := range all[localAddr(i).IP.String()] {
			b, err := base64.StdEncoding.DecodeString(r[3])
			if err != nil {
				t.Fatal(err)
			}
			c.seen = append(c.seen, seenRequest{r[0], latin1(r[1]), r[2], string(b)})
		}
		if c.err != nil {
			t.Errorf("%s: %.200q: %v", c.name, c.raw, c.err)
		}
	}
}

// latin1 undoes what PEP 3333 makes of bytes.
func latin1(s string) string {
	var b []byte
	for _, r := range s {
		b = append(b, byte(r))
	}
	return string(b)
}

func localAddr(i int) *net.TCPAddr {
	return &net.TCPAddr{IP: net.IPv4(127, 9, byte(i>>8), byte(i)).To4()}
}

func (r *replay) run(addr string, local *net.TCPAddr) {
	d := net.Dialer{LocalAddr: local}
	nc, err := d.Dial("tcp", addr)
	if err != nil {
		r.err = err
		return
	}
	defer nc.Close()
	c := nc.(*net.TCPConn)
	_ = c.SetDeadline(time.Now().Add(patience))
	written := make(chan struct{})
	go func() {
		defer close(written)
		for rest := r.raw; len(rest) > 0; {
			n := len(rest)
			if r.piece > 0 {
				n = min(n, r.piece)
			}
			if _, err := c.Write(rest[:n]); err != nil {
				return // refused in the middle
			}
			rest = rest[n:]
		}
		if !r.open {
			_ = c.CloseWrite()
		}
	}()
	if r.open {
		r.goOn(c)
		return
	}
	b, err := io.ReadAll(c)
	r.answer = string(b)
	if isTimeout(err) {
		r.err = fmt.Errorf("it hangs after %.100q", b)
	}
	_ = c.Close()
	<-written
}

// afterwards is the request that goOn sends.
const afterwards = "GET /after HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"

// goOn sends another request behind the first answer, and reads until the
// server closes or nothing has come for a while. mongrel2 takes the end of our
// side for the end of the connection, and would drop what it has read.
func (r *replay) goOn(c net.Conn) {
	b := make([]byte, 64<<10)
	for sent := false; ; {
		_ = c.SetReadDeadline(time.Now().Add(time.Second))
		n, err := c.Read(b)
		r.answer += string(b[:n])
		if err != nil {
			return
		}
		if !sent {
			sent = true
			if _, err := io.WriteString(c, afterwards); err != nil {
				return
			}
		}
	}
}

// recorder starts recorderApp and returns a check that nothing has died.
func recorder(t *testing.T, change func(*appspec.Spec)) (a *testApp, unharmed func()) {
	t.Helper()
	a = newTestApp(t, recorderApp, func(s *appspec.Spec) {
		s.Debug = true // the answers tell why
		s.Workers.Threads = 2
		if change != nil {
			change(s)
		}
	})
	h := a.start(StateReady)
	st, err := h.Status(a.ctx(), 0)
	if err != nil {
		t.Fatal(err)
	}
	return a, func() {
		t.Helper()
		now := a.wait(h, func(st Status) bool { return st.Requests.Active == 0 && st.Requests.Waiting == 0 })
		if now.PID != st.PID || len(now.Workers) != 1 || now.Workers[0].PID != st.Workers[0].PID || now.Restarts != 0 {
			t.Errorf("processes changed: %+v, before %+v", now, st)
		}
	}
}

// ownCorpus reads http1's corpus, whose form its head tells.
func ownCorpus(t *testing.T) (cases []*replay, want []string) {
	t.Helper()
	f, err := os.Open("http1/testdata/requests.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	c := &replay{}
	for s := bufio.NewScanner(f); s.Scan(); {
		line := s.Text()
		switch {
		case line == "" || line[0] == '#':
		case line[0] == '>':
			quoted, times := strings.TrimSpace(line[1:]), 1
			if i := strings.LastIndex(quoted, "\" *"); i >= 0 {
				times, _ = strconv.Atoi(quoted[i+3:])
				quoted = quoted[:i+1]
			}
			piece, err := strconv.Unquote(quoted)
			if err != nil {
				t.Fatalf("%s: %v", line, err)
			}
			c.raw = append(c.raw, strings.Repeat(piece, times)...)
		case line[0] == '=':
			want = append(want, strings.TrimSpace(line[1:]))
			cases = append(cases, c)
			c = &replay{}
		default:
			c.name = line
		}
	}
	if len(cases) < 150 {
		t.Fatalf("only %d cases", len(cases))
	}
	return cases, want
}

// expectation reads a line of the corpus: the requests, and the refusal.
func expectation(line string) (requests []string, status int, reason string) {
	for e := range strings.SplitSeq(line, " | ") {
		e = strings.TrimPrefix(e, "body: ")
		switch {
		case e == "", e == "close", strings.HasPrefix(e, "wait"):
		case e[0] >= '0' && e[0] <= '9':
			code, text, _ := strings.Cut(e, " ")
			status, _ = strconv.Atoi(code)
			reason = text
		default:
			requests = append(requests, e)
		}
	}
	return requests, status, reason
}

// Every malformed request of http1's corpus, on real connections: the
// application is given what http1 says, nothing else, and the client its
// refusal.
func TestOwnCorpusOnAMaster(t *testing.T) {
	t.Parallel()
	a, unharmed := recorder(t, func(s *appspec.Spec) {
		s.Request.MaxBody = 1 << 62
		s.Request.MaxLine, s.Request.MaxHead, s.Request.MaxHeaders = http1.DefaultMaxLine, http1.DefaultMaxHead, http1.DefaultMaxFields
	})
	for _, piece := range []int{0, 7} {
		cases, want := ownCorpus(t)
		for _, c := range cases {
			if len(c.raw) < 2000 {
				c.piece = piece
			}
		}
		a.play(t, a.addr, cases)
		for i, c := range cases {
			requests, status, reason := expectation(want[i])
			var seen []string
			for _, r := range c.seen {
				seen = append(seen, r.String())
			}
			if !slices.Equal(seen, requests) {
				t.Errorf("%s: the application was given %q, want %q", c.name, seen, requests)
			}
			var codes []int
			for range requests {
				codes = append(codes, 200)
			}
			if status > 0 {
				codes = append(codes, status)
			}
			if got := c.statuses(); !slices.Equal(got, codes) {
				t.Errorf("%s: answers %v, want %v: %.200q", c.name, got, codes, c.answer)
			}
			if !strings.Contains(c.answer, reason) {
				t.Errorf("%s: %.300q does not say %q", c.name, c.answer, reason)
			}
		}
		unharmed()
	}
}

// readCorpus reads a file of what others have collected.
func readCorpus(t *testing.T, name string, v any) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("../testdata/corpora", name))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, v); err != nil {
		t.Fatal(err)
	}
}

func TestCorpusOfRequestsOnAMaster(t *testing.T) {
	t.Parallel()
	var stored []struct {
		Name    string `json:"name"`
		Raw     []byte `json:"raw_b64"`
		RawHost []byte `json:"raw_host_b64"`
	}
	var expected struct {
		Requests map[string]struct {
			Tier string      `json:"tier"`
			App  [][4]string `json:"app"`
		} `json:"gunicorn-requests"`
	}
	readCorpus(t, "gunicorn-requests/cases.json", &stored)
	readCorpus(t, "expected.json", &expected)
	a, unharmed := recorder(t, nil)
	var cases []*replay
	for _, c := range stored {
		raw := c.Raw
		if c.RawHost != nil {
			raw = c.RawHost
		}
		cases = append(cases, &replay{name: c.Name, raw: raw})
	}
	a.play(t, a.addr, cases)
	tiers := map[string]int{}
	for _, c := range cases {
		want := expected.Requests[c.name]
		tiers[want.Tier]++
		switch want.Tier {
		case "must_accept":
			for i, r := range want.App {
				body, err := base64.StdEncoding.DecodeString(r[3])
				if err != nil {
					t.Fatal(err)
				}
				target := r[1]
				if r[2] != "" {
					target += "?" + r[2]
				}
				if i >= len(c.seen) || c.seen[i].method != r[0] || c.seen[i].target != target || c.seen[i].body != string(body) {
					t.Errorf("%s: the application was given %q, want %q with body %q", c.name, c.seen, r, body)
					break
				}
			}
		case "must_refuse":
			if s := c.statuses(); len(c.seen) > 0 || len(s) != 1 || s[0] < 400 {
				t.Errorf("%s: given %q, answered %v; want a refusal", c.name, c.seen, s)
			}
		case "advisory":
		default:
			t.Errorf("%s: tier %q is not known", c.name, want.Tier)
		}
	}
	if tiers["must_accept"] == 0 || tiers["must_refuse"] == 0 {
		t.Errorf("the corpus holds nothing to check: %v", tiers)
	}
	unharmed()
}

// smuggled makes the cases of the smuggling corpus: each hides a request in a
// body that only Transfer-Encoding would end early.
func smuggled(t *testing.T) []*replay {
	t.Helper()
	var stored []struct {
		Name   string `json:"name"`
		Header []byte `json:"header_b64"`
	}
	readCorpus(t, "smuggler-te/cases.json", &stored)
	if len(stored) < 1000 {
		t.Fatalf("only %d cases were read", len(stored))
	}
	const hidden = "0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n"
	length := fmt.Sprintf("Content-Length: %d\r\n", len(hidden))
	var cases []*replay
	for _, c := range stored {
		header := string(c.Header) + "\r\n"
		for _, fields := range []string{header + length, length + header} {
			cases = append(cases, &replay{name: c.Name, raw: []byte("POST /first HTTP/1.1\r\nHost: h\r\n" + fields + "\r\n" + hidden)})
		}
	}
	return cases
}

func checkSmuggled(t *testing.T, cases []*replay) {
	t.Helper()
	for _, c := range cases {
		for _, r := range c.seen {
			if r.target != "/first" && (!c.open || r.target != "/after") {
				t.Errorf("%s: %q runs %s", c.name, c.raw, r)
			}
		}
		if !c.open && len(c.seen) > 1 {
			t.Errorf("%s: %q is %d requests", c.name, c.raw, len(c.seen))
		}
	}
}

func TestSmugglingOnAMaster(t *testing.T) {
	t.Parallel()
	a, unharmed := recorder(t, nil)
	cases := smuggled(t)
	a.play(t, a.addr, cases)
	checkSmuggled(t, cases)
	for _, c := range cases {
		if len(c.statuses()) != 1 {
			t.Errorf("%s: %q is answered %.200q", c.name, c.raw, c.answer)
		}
	}
	unharmed()
}

// Behind mongrel2 the same must hold, though mongrel2 itself reads some of them
// as two requests.
func TestCorporaBehindMongrel2(t *testing.T) {
	t.Parallel()
	s := mongrel2test.Start(t, mongrel2test.Options{})
	a, unharmed := recorder(t, func(spec *appspec.Spec) {
		spec.Sockets.Mongrel2 = []appspec.Mongrel2Socket{{Recv: s.Handlers[0].Recv, Send: s.Handlers[0].Send}}
	})
	a.mustLogLine("mongrel2 at " + s.Handlers[0].Recv + " is ready")
	pid := s.PID()
	cases := smuggled(t)
	for _, c := range cases {
		c.open = true
	}
	a.play(t, s.Addr, cases)
	checkSmuggled(t, cases)
	own, want := ownCorpus(t)
	for _, c := range own {
		c.open = true
	}
	a.play(t, s.Addr, own)
	for i, c := range own {
		if strings.Contains(want[i], "/smuggled") || c.name == "pipeline-then-bad" {
			continue // it is a request of its own; the bad one before it lacks only Host, which mongrel2 does not mind
		}
		for _, r := range c.seen {
			if strings.Contains(r.target, "smuggled") {
				t.Errorf("%s: %.300q runs %s", c.name, c.raw, r)
			}
		}
	}
	if s.PID() != pid {
		t.Error("mongrel2 died")
	}
	unharmed()
}
