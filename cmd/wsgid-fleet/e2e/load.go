package e2e

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Load sends requests to one address from several connections, each with one
// request at a time, and counts what came of every single one. It has a client
// of its own because net/http's repeats a request whose connection breaks, and
// so hides what this is here to count.
type Load struct {
	App         string // named in Lost
	Addr        string // host:port
	Host        string // the Host header; empty: Addr
	Connections int
	KeepAlive   bool          // false: one connection for each request
	Pause       time.Duration // between two requests of a connection
	Timeout     time.Duration // of one request, its connect included
	TLS         *tls.Config   // nil: HTTP
	Hold        time.Duration // how long a new connection says nothing
	Rest        time.Duration // how long it reads nothing, every 64 KiB of an answer
	HalfClose   bool          // says after a request that it says no more; without TLS and KeepAlive

	// Request gives the method, the target and the body of request number n, and
	// Check looks at the body of a 200. Nil: GET of a path of its own, which the
	// answer must contain.
	Request func(n uint64) (method, target string, body []byte)
	Check   func(n uint64, body []byte) error
	// Answered is told how long a good answer took, by several goroutines at once;
	// nil: nobody is.
	Answered func(time.Duration)

	sent   atomic.Uint64
	good   atomic.Uint64
	mu     sync.Mutex
	lost   []Lost // guarded by mu
	cancel context.CancelFunc
	done   sync.WaitGroup
}

// Cause is the kind of a loss.
type Cause string

// The causes that have no status code. A status other than 200 is "status 502".
const (
	Refused  Cause = "connection refused"
	Reset    Cause = "connection reset"
	Closed   Cause = "closed without an answer"
	Cut      Cause = "answer cut off"
	TimedOut Cause = "no answer in time"
	Wrong    Cause = "wrong answer"
	Other    Cause = "other"
)

// Lost is one request without a good answer.
type Lost struct {
	App   string
	Cause Cause
	Text  string // the error, or the start of the answer
	Kept  bool   // the connection had served another one before
	// Since is when the server was last known to live: when the request was begun,
	// or, on a kept connection, the request before it. (That one's answer may have
	// been read when who sent it was dead already.)
	Since, Until time.Time
}

// clock is how times are shown: losses are a matter of microseconds.
const clock = "15:04:05.000000"

func (l Lost) String() string {
	return fmt.Sprintf("%s: %s (%s … %s): %s", l.App, l.Cause,
		l.Since.Format(clock), l.Until.Format(clock), l.Text)
}

// Counts is what a Load has counted.
type Counts struct {
	Sent, Good uint64
	Lost       []Lost
}

// ByCause counts the losses.
func (c Counts) ByCause() map[Cause]int {
	m := map[Cause]int{}
	for _, l := range c.Lost {
		m[l.Cause]++
	}
	return m
}

func (c Counts) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d requests, %d good, %d lost", c.Sent, c.Good, len(c.Lost))
	by := c.ByCause()
	for _, cause := range slices.Sorted(maps.Keys(by)) {
		fmt.Fprintf(&b, "; %s: %d", cause, by[cause])
	}
	return b.String()
}

// Start begins to send.
func (l *Load) Start() {
	ctx, cancel := context.WithCancel(context.Background())
	l.cancel = cancel
	for range max(l.Connections, 1) {
		l.done.Go(func() { l.connection(ctx) })
	}
}

// Stop lets every request that is under way have its answer and returns the
// counts.
func (l *Load) Stop() Counts {
	l.cancel()
	l.done.Wait()
	return l.Counts()
}

// Counts returns what was counted so far.
func (l *Load) Counts() Counts {
	l.mu.Lock()
	defer l.mu.Unlock()
	return Counts{Sent: l.sent.Load(), Good: l.good.Load(), Lost: slices.Clone(l.lost)}
}

// connection sends one request after the other until ctx ends. ctx is asked
// between requests only: none is abandoned.
func (l *Load) connection(ctx context.Context) {
	var c net.Conn
	var r *bufio.Reader
	var since, begun time.Time
	defer func() {
		if c != nil {
			c.Close()
		}
	}()
	for ctx.Err() == nil {
		since, begun = begun, time.Now()
		if c == nil {
			since = begun
		}
		n := l.sent.Add(1)
		keep, err := l.one(n, &c, &r)
		if err != nil {
			l.mu.Lock()
			l.lost = append(l.lost, Lost{App: l.App, Cause: causeOf(err), Text: err.Error(), Kept: since != begun, Since: since, Until: time.Now()})
			l.mu.Unlock()
			keep = keep && !gone(err)
		} else {
			l.good.Add(1)
			if l.Answered != nil {
				l.Answered(time.Since(begun))
			}
		}
		if !keep && c != nil {
			c.Close()
			c = nil
		}
		if c == nil && err != nil {
			pause(ctx, 5*time.Millisecond) // no storm of refused connects
		}
		pause(ctx, l.Pause)
	}
}

func pause(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// one sends request n, on *c where that is open, and reads its answer to the
// end. keep tells that the connection can serve another.
func (l *Load) one(n uint64, c *net.Conn, r **bufio.Reader) (keep bool, err error) {
	timeout := l.Timeout
	if timeout == 0 {
		timeout = 30 * time.Second
	}
	deadline := time.Now().Add(timeout)
	if *c == nil {
		d := net.Dialer{Deadline: deadline}
		conn, err := d.DialContext(context.Background(), "tcp", l.Addr)
		if err != nil {
			return false, err
		}
		if l.TLS != nil {
			conn = tls.Client(conn, l.TLS)
		}
		time.Sleep(l.Hold)
		*c, *r = conn, bufio.NewReader(&resting{Reader: conn, rest: l.Rest})
	}
	if err := (*c).SetDeadline(deadline); err != nil {
		return false, err
	}
	if t, ok := (*c).(*tls.Conn); ok {
		if err := t.HandshakeContext(context.Background()); err != nil {
			return false, ended(err)
		}
	}
	method, target, body := http.MethodGet, fmt.Sprintf("/load/%d", n), []byte(nil)
	if l.Request != nil {
		method, target, body = l.Request(n)
	}
	if err := l.write(*c, method, target, body); err != nil {
		return false, err
	}
	if t, ok := (*c).(*net.TCPConn); ok && l.HalfClose {
		if err := t.CloseWrite(); err != nil {
			return false, err
		}
	}
	resp, err := http.ReadResponse(*r, &http.Request{Method: method})
	if err != nil {
		return false, ended(err)
	}
	answer, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if err != nil {
		if isTimeout(err) {
			return false, err
		}
		return false, lossError{Cut, err.Error()}
	}
	keep = l.KeepAlive && !resp.Close
	if resp.StatusCode != http.StatusOK {
		return keep, lossError{Cause(fmt.Sprintf("status %d", resp.StatusCode)), firstLine(answer)}
	}
	if l.Check != nil {
		err = l.Check(n, answer)
	} else if !strings.Contains(string(answer)+"\n", target+"\n") {
		err = fmt.Errorf("the answer to %s is %q", target, firstLine(answer))
	}
	if err != nil {
		return keep, lossError{Wrong, err.Error()}
	}
	return keep, nil
}

func (l *Load) write(c net.Conn, method, target string, body []byte) error {
	var b strings.Builder
	host := l.Host
	if host == "" {
		host = l.Addr
	}
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\n", method, target, host)
	if body != nil {
		fmt.Fprintf(&b, "Content-Length: %d\r\n", len(body))
	}
	if !l.KeepAlive {
		b.WriteString("Connection: close\r\n")
	}
	b.WriteString("\r\n")
	b.Write(body)
	_, err := io.WriteString(c, b.String())
	return err
}

// resting is a connection that is not read for a while every restEvery bytes.
type resting struct {
	io.Reader
	rest time.Duration
	had  int
}

const restEvery = 64 << 10

func (r *resting) Read(b []byte) (int, error) {
	n, err := r.Reader.Read(b)
	if r.had += n; r.rest > 0 && r.had >= restEvery {
		r.had = 0
		time.Sleep(r.rest)
	}
	return n, err
}

// ended is err, or where that is the end of the connection, the loss that it is.
func ended(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return lossError{Closed, err.Error()}
	}
	return err
}

// gone tells whether a loss leaves nothing of the connection.
func gone(err error) bool {
	var loss lossError
	return !errors.As(err, &loss) || loss.cause == Closed || loss.cause == Cut
}

// lossError is a loss whose cause is known where it happens.
type lossError struct {
	cause Cause
	text  string
}

func (e lossError) Error() string { return e.text }

func causeOf(err error) Cause {
	var loss lossError
	switch {
	case errors.As(err, &loss):
		return loss.cause
	case errors.Is(err, syscall.ECONNREFUSED):
		return Refused
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return Reset
	case isTimeout(err):
		return TimedOut
	default:
		return Other
	}
}

func isTimeout(err error) bool {
	var n net.Error
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.As(err, &n) && n.Timeout()
}

func firstLine(b []byte) string {
	line, _, _ := strings.Cut(string(b), "\n")
	return line[:min(len(line), 200)]
}
