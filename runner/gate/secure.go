package gate

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/runner/wsgi"
)

// Alerts that we send ourselves (RFC 8446, section 6).
const (
	alertDecodeError      = 50
	alertInternalError    = 80
	alertUnrecognizedName = 112
	alertNoProtocol       = 120
)

// alertOf is what a client that speaks TLS is told where another gets a status.
func alertOf(status int) []byte {
	switch status {
	case 421:
		return alert(alertUnrecognizedName)
	case 400, 431:
		return alert(alertDecodeError)
	}
	return alert(alertInternalError)
}

func alert(n byte) []byte { return []byte{21, 3, 1, 0, 2, 2, n} }

// means names our answer in the log.
func (c *conn) means(status int) string {
	if c.tls {
		return "TLS alert " + strconv.Itoa(int(alertOf(status)[6]))
	}
	return strconv.Itoa(status)
}

// lookHello finds out whom a connection at a listener with TLS is for. data is what it
// begins with, all that with a PROXY header before it.
func (c *conn) lookHello(all, data []byte) {
	s := c.s
	if !isTLS(data[0]) {
		s.Counts.Refused[refusedHello]++
		s.say(fmt.Sprintf("%s: 400: %s speaks HTTPS, the request came without TLS", c.from(), c.at.name))
		c.explain(400, "this port speaks HTTPS, the request came without TLS")
		return
	}
	c.tls = true
	h, err := readHello(data)
	if err != nil {
		s.say(fmt.Sprintf("%s: its ClientHello is refused: %v", c.from(), err))
		c.refuse(refusedHello, 400)
		return
	}
	if h == nil {
		c.keep(all)
		return
	}
	if slices.Contains(h.ALPN, challengeProtocol) {
		c.answerChallenge(h, slices.Clone(data))
		return
	}
	name := s.config.Table.Lookup([]byte(h.Name))
	switch {
	case name == "" && h.Name == "":
		s.say(c.from() + ": " + c.means(421) + ": its ClientHello has no server name, and there is no default app")
		c.refuse(refusedName, 421)
	case name == "":
		s.say(fmt.Sprintf("%s: %s: no app has the host %q, and there is no default app", c.from(), c.means(421), clip([]byte(h.Name))))
		c.refuse(refusedName, 421)
	case !s.config.TLS[name]:
		c.refuseUncertified(name, []byte(h.Name))
	default:
		c.host = []byte(h.Name)
		c.enough(all, data)
		s.appOf(name).give(c)
	}
}

// refuseUncertified refuses a client over TLS for whose host its app has no certificate.
func (c *conn) refuseUncertified(app string, host []byte) {
	c.s.say(fmt.Sprintf("%s: %s: there is no certificate for app %s, for the host %q", c.from(), c.means(421), app, clip(host)))
	c.refuse(refusedCert, 421)
}

// answerHere answers a request whose head is in s.req where no app has to: it is a
// challenge, or to be made by HTTPS.
func (c *conn) answerHere() bool {
	s := c.s
	r := &s.req
	if text, ok := s.challenges[string(r.Path)]; ok && (c.isHead || string(r.Method) == "GET") {
		s.Counts.Challenges++
		s.say(fmt.Sprintf("%s: answered a challenge of a certificate authority for %q", c.from(), clip(r.Host)))
		b := append(s.wbuf[:0], "HTTP/1.1 200 OK\r\n"...)
		b = append(b, s.dateLine()...)
		b = append(b, "Content-Type: text/plain\r\nConnection: close\r\nContent-Length: "+strconv.Itoa(len(text))+"\r\n\r\n"...)
		if !c.isHead {
			b = append(b, text...)
		}
		c.say(b)
		return true
	}
	if !c.at.Redirect || s.config.Certified == nil || s.config.Certified.Lookup(r.Host) == "" {
		return false
	}
	host, _ := canonical(r.Host)
	s.Counts.Redirected++
	b := append(s.wbuf[:0], "HTTP/1.1 308 Permanent Redirect\r\n"...)
	b = append(b, s.dateLine()...)
	b = append(b, "Location: https://"+host+s.config.HTTPS...)
	b = appendTarget(b, r)
	c.say(append(b, "\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"...))
	return true
}

// appendTarget writes what a request asks of its host.
func appendTarget(b []byte, r *wsgi.Request) []byte {
	if string(r.Path) == "*" {
		return append(b, '/')
	}
	b = append(b, r.Path...)
	if r.Query != nil {
		b = append(append(b, '?'), r.Query...)
	}
	return b
}

// maxAnswering bounds the challenges over TLS that are answered at a time.
const maxAnswering = 32

// answerChallenge shows the certificate that was asked for, which ends the connection.
// Nothing else speaks the protocol of challenges: no app is asked.
func (c *conn) answerChallenge(h *Hello, first []byte) {
	s := c.s
	name, _ := canonical([]byte(h.Name))
	pair := s.challengePairs[name]
	if pair == nil || s.answering >= maxAnswering {
		s.say(fmt.Sprintf("%s: a certificate authority asks for %q, but no order for it is in progress", c.from(), clip([]byte(h.Name))))
		s.Counts.Refused[refusedHello]++
		c.say(alert(alertNoProtocol))
		return
	}
	if !c.take() {
		c.close()
		return
	}
	s.say(fmt.Sprintf("%s: answered a challenge of a certificate authority for %q", c.from(), clip([]byte(h.Name))))
	s.Counts.Challenges++
	s.answering++
	c.leave()
	c.unwatch()
	c.closed = true
	fd := c.fd
	go func() {
		showChallenge(os.NewFile(uintptr(fd), "client"), first, pair)
		s.Loop.Post(func() {
			s.answering--
			s.checkEmpty()
		})
	}()
}

// showChallenge does the handshake of a challenge (RFC 8737, section 3) on a connection,
// of which something was read, and closes it.
func showChallenge(f *os.File, first []byte, pair *tls.Certificate) {
	c, err := net.FileConn(f)
	_ = f.Close()
	if err != nil {
		return
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(headTimeout))
	t := tls.Server(&begun{Conn: c, first: first}, &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{challengeProtocol}, Certificates: []tls.Certificate{*pair}})
	if err := t.HandshakeContext(context.Background()); err == nil || !errors.Is(err, os.ErrDeadlineExceeded) {
		_ = t.Close()
	}
}

// begun is a connection of which something was read.
type begun struct {
	net.Conn
	first []byte
}

// Read implements net.Conn.
func (c *begun) Read(b []byte) (int, error) {
	if len(c.first) > 0 {
		n := copy(b, c.first)
		c.first = c.first[n:]
		return n, nil
	}
	return c.Conn.Read(b)
}
