package e2e

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"time"
)

// gateQuestion is one request, and what is to come of it.
type gateQuestion struct {
	kind       string // of client
	host, path string
	method     string
	size       int    // of the answer, about
	body       []byte // nil: none
	fields     string // lines of its head
	from       string // whom the app sees
	sni        string // the name of the connection; empty: plain HTTP
	begun      time.Time
	since      time.Time // when the server was known to live: on a kept connection, when the request before was made
	made       time.Time // of a TLS connection: it is of who had its name then
	before     string    // the host of the request before, whose app has the connection; empty: nobody has
	// returned tells that its connection may be on its way from an app to the gate and on,
	// long that its head may be read by the gate: the gate alone has it then.
	returned, long bool
}

func (g *gateGust) question(host string) *gateQuestion {
	g.asked++
	q := &gateQuestion{kind: g.kind, host: host, path: fmt.Sprintf("/%d/%d", g.number, g.asked), method: http.MethodGet, from: g.from, begun: time.Now()}
	q.since = q.begun
	return q
}

// text is the request as it is sent.
func (q *gateQuestion) text() string {
	length := ""
	if q.body != nil {
		length = fmt.Sprintf("Content-Length: %d\r\n", len(q.body))
	}
	return fmt.Sprintf("%s %s?%d HTTP/1.1\r\nHost: %s\r\n%s%s\r\n", q.method, q.path, q.size, q.host, q.fields, length)
}

// exchange sends a request and takes its answer; false: the connection is of no more use.
func (g *gateGust) exchange(c net.Conn, r *bufio.Reader, q *gateQuestion) bool {
	if _, err := io.WriteString(c, q.text()+string(q.body)); err != nil {
		g.lost(q, err)
		return false
	}
	return g.answer(r, q)
}

// answer takes the answer to a request that was sent.
func (g *gateGust) answer(r io.Reader, q *gateQuestion) bool {
	b, ok := r.(*bufio.Reader)
	if !ok {
		b = bufio.NewReader(r)
	}
	resp, err := http.ReadResponse(b, &http.Request{Method: q.method})
	if err == nil && resp.StatusCode == http.StatusContinue {
		resp, err = http.ReadResponse(b, &http.Request{Method: q.method})
	}
	if err != nil {
		g.lost(q, err)
		return false
	}
	return g.judge(q, resp) && !resp.Close
}

// judge reads an answer to its end and holds it against what may be.
func (g *gateGust) judge(q *gateQuestion, resp *http.Response) bool {
	body, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if err != nil {
		g.lost(q, err)
		return false
	}
	owners := g.owners(q.host, q.begun)
	switch nobody := slices.Contains(owners, ""); {
	case resp.StatusCode == http.StatusOK:
		if err := g.right(q, body, owners); err != nil {
			g.t.Errorf("seed %d: %s: %s %s of %s: %v; it is of %q\n%s", g.seed, q.kind, q.method, q.path, q.host, err, owners, g.around(q.begun, time.Now()))
			return false
		}
		g.count("answered")
	case resp.StatusCode == http.StatusMisdirectedRequest && (nobody || q.sni != "" && g.foreign(q, owners)):
		g.count("answered 421")
	default:
		g.t.Errorf("seed %d: %s: %s %s of %s (%s): %s %.100q; it is of %q\n%s", g.seed, q.kind, q.method, q.path, q.host, q.sni, resp.Status, body, owners, g.around(q.begun, time.Now()))
		return false
	}
	return true
}

// foreign tells whether a name may be another app's than that of its TLS connection.
func (g *gateGust) foreign(q *gateQuestion, owners []string) bool {
	here := g.owners(q.sni, q.made)
	return len(owners) > 1 || len(here) > 1 || owners[0] != here[0]
}

// right tells what is wrong with an answer of 200: each line of it has to be that of the
// request, by an app that had the name.
func (g *gateGust) right(q *gateQuestion, body []byte, owners []string) error {
	line, _, _ := bytes.Cut(body, []byte{'\n'})
	app, rest, _ := strings.Cut(string(line), " ")
	scheme := "http"
	if q.sni != "" {
		scheme = "https"
	}
	if want := fmt.Sprintf("%s %s %s %s %d %d", scheme, q.from, q.host, q.path, len(q.body), crc32.ChecksumIEEE(q.body)); rest != want {
		return fmt.Errorf("the answer is %q, want … %q", line, want)
	}
	if !slices.Contains(owners, app) {
		return fmt.Errorf("the answer is of %s", app)
	}
	whole := append(slices.Clip(line), '\n')
	if want := max(1, q.size/len(whole)) * len(whole); len(body) != want {
		return fmt.Errorf("the answer has %d bytes, want %d", len(body), want)
	}
	for at := 0; at < len(body); at += len(whole) {
		if !bytes.Equal(body[at:at+len(whole)], whole) {
			return fmt.Errorf("at byte %d the answer goes on with %q, want %q", at, body[at:at+len(whole)], whole)
		}
	}
	return nil
}

// lost is a request without an answer: it has to have been inside what was killed.
func (g *gateGust) lost(q *gateQuestion, err error) {
	owners := g.owners(q.host, q.since)
	switch {
	case q.sni != "":
		owners = g.owners(q.sni, q.made)
	case q.before != "":
		owners = append(owners, g.owners(q.before, q.since)...)
	}
	ended := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
	switch {
	case !ended && !strings.Contains(err.Error(), "remote error") && !isHTTP2End(err):
	case g.struck(owners, q.since):
		g.count("lost: inside a killed master")
		return
	case (q.returned || q.long) && g.struck([]string{theGate}, q.since):
		g.count("lost: the killed gate alone had it")
		return
	case slices.Contains(owners, "") && q.since != q.begun:
		g.count("lost: on a kept connection of an app that was taken out")
		return
	}
	g.t.Errorf("seed %d: lost without an excuse: %s: %s %s of %s (%s), since %s, begun %s, until %s: %v; it is of %q\n%s", g.seed, q.kind, q.method, q.path, q.host, q.sni,
		q.since.Format(clock), q.begun.Format(clock), time.Now().Format(clock), err, owners, g.around(q.since, time.Now()))
}

func isHTTP2End(err error) bool {
	return strings.Contains(err.Error(), "http2: ") || strings.Contains(err.Error(), "stream error")
}
