package runner

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

// client is a raw connection that reads responses.
type client struct {
	net.Conn
	t testing.TB
	r *bufio.Reader
}

func dial(t testing.TB, addr string) *client {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(patience))
	return &client{Conn: c, t: t, r: bufio.NewReader(c)}
}

// send writes a request as it stands.
func (c *client) send(text string) {
	c.t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		c.t.Fatalf("cannot send: %v", err)
	}
}

// response reads the head of a response; its body is read by the caller.
func (c *client) response(method string) *http.Response {
	c.t.Helper()
	resp, err := http.ReadResponse(c.r, &http.Request{Method: method})
	if err != nil {
		c.t.Fatalf("no response to %s: %v", method, err)
	}
	return resp
}

// answer is a whole response.
type answer struct {
	*http.Response
	body string
	err  error // of reading the body: io.ErrUnexpectedEOF where it was cut
}

// text is status and body, of an answer that came whole.
func (a answer) text(t testing.TB) string {
	t.Helper()
	if a.err != nil {
		t.Fatalf("the answer %d is cut: %v after %.200q", a.StatusCode, a.err, a.body)
	}
	return fmt.Sprintf("%d %s", a.StatusCode, a.body)
}

// answer reads a whole response to a request of the method.
func (c *client) answer(method string) answer {
	c.t.Helper()
	resp := c.response(method)
	b, err := io.ReadAll(resp.Body)
	return answer{resp, string(b), err}
}

// closed reads on: nothing may come any more but the end.
func (c *client) closed() {
	c.t.Helper()
	b, err := io.ReadAll(c.r)
	if len(b) > 0 || isTimeout(err) {
		c.t.Errorf("the connection is not closed: %q, %v", b, err)
	}
}

func isTimeout(err error) bool {
	return errors.Is(err, os.ErrDeadlineExceeded)
}

// update changes the app's spec in place, from what it was started with.
func (a *testApp) update(h *Handle, set func(*appspec.Spec)) {
	a.t.Helper()
	st, err := h.Status(a.ctx(), 0)
	if err != nil {
		a.t.Fatal(err)
	}
	spec := *a.spec
	set(&spec)
	if err := h.Update(a.ctx(), &spec, st.Generation+1, false); err != nil {
		a.t.Fatal(err)
	}
}

// dial opens a connection to the app over HTTP.
func (a *testApp) dial() *client {
	a.t.Helper()
	return dial(a.t, a.addr)
}

// ask sends bytes on a connection of its own and returns the status of the answer.
func (a *testApp) ask(request string) int {
	a.t.Helper()
	return way{addr: a.addr}.ask(a.t, request).StatusCode
}

// raw sends bytes on a connection of its own and returns all that comes back.
func (a *testApp) raw(text string) string {
	a.t.Helper()
	c := a.dial()
	defer c.Close()
	c.send(text)
	b, err := io.ReadAll(c)
	if err != nil {
		a.t.Fatalf("%v after %q", err, b)
	}
	return string(b)
}

// send asks for a path on a connection of its own, and does not wait.
func (a *testApp) send(path string) *client {
	a.t.Helper()
	c := a.dial()
	c.send("GET " + path + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	return c
}
