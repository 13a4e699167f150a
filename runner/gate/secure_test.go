package gate

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/runner/await"
	"github.com/wsgid-fleet/wsgid-fleet/runner/certtest"
)

// secureNames is names for a listener whose clients speak TLS.
func secureNames(c map[string]string, def string) Config {
	config := names(c, def)
	config.Listeners = map[string]ListenerConfig{"it": {TLS: true}}
	config.TLS = map[string]bool{}
	for _, app := range c {
		config.TLS[app] = true
	}
	if def != "" {
		config.TLS[def] = true
	}
	return config
}

// secureApp is an app that takes over connections whose clients speak TLS: it answers
// each with its own name, the name that the gate goes by and the one that crypto/tls sees.
func (g *gateAtWork) secureApp(name string) *takerApp {
	a := g.app(name)
	pair := certtest.SelfSigned(g.t, certtest.Names(name)).TLS()
	secure := func(c net.Conn, p *Passed) {
		tc := tls.Server(&begun{Conn: c, first: slices.Clone(p.Bytes)}, &tls.Config{Certificates: []tls.Certificate{pair}, NextProtos: []string{"h2", "http/1.1"}})
		defer tc.Close()
		_ = tc.SetDeadline(time.Now().Add(patience))
		if tc.HandshakeContext(context.Background()) == nil {
			fmt.Fprintf(tc, "%s %q %q %s\n", a.name, p.Host, tc.ConnectionState().ServerName, p.Listen)
		}
	}
	a.loop.Call(func() { a.secure = secure })
	return a
}

// pieces sends what its client writes in pieces, the first message cut anew.
type pieces struct {
	net.Conn
	cut func(hello []byte) [][]byte
}

func (c *pieces) Write(b []byte) (int, error) {
	if c.cut == nil {
		return c.Conn.Write(b)
	}
	all := c.cut(b)
	c.cut = nil
	for _, part := range all {
		if _, err := c.Conn.Write(part); err != nil {
			return 0, err
		}
		if len(all) > 1 {
			time.Sleep(200 * time.Microsecond) // so that it comes alone, mostly
		}
	}
	return len(b), nil
}

func each(b []byte, n int) [][]byte { return slices.Collect(slices.Chunk(b, n)) }

func TestHellosLeadToApps(t *testing.T) {
	t.Parallel()
	g := startGate(t, secureNames(map[string]string{"blog.example": "blog", "*.blog.example": "blog", "shop.example": "shop", "127.0.0.1": "shop"}, "rest"))
	for _, name := range []string{"blog", "shop", "rest"} {
		g.secureApp(name)
	}
	whole := func(b []byte) [][]byte { return [][]byte{b} }
	for _, try := range []struct {
		what, server string
		cut          func([]byte) [][]byte
		alpn         []string
		want         string
	}{
		{"whole", "blog.example", whole, nil, "blog"},
		{"a byte a segment", "blog.example", func(b []byte) [][]byte { return each(b, 1) }, nil, "blog"},
		{"over 20 records", "shop.example", func(b []byte) [][]byte { return each(records(b, (len(b)-recordHead)/20+1), 100) }, nil, "shop"},
		{"a byte a record", "shop.example", func(b []byte) [][]byte { return [][]byte{records(b, 1)} }, nil, "shop"},
		{"nearly 16 KiB", "shop.example", func(b []byte) [][]byte { return each(b, 1000) }, slices.Repeat([]string{strings.Repeat("x", 255)}, 55), "shop"},
		{"upper case", "WWW.BLOG.Example", whole, nil, "blog"},
		{"no name", "", whole, nil, "rest"},
		{"a name that nobody has", "nobody.example", whole, nil, "rest"},
		{"an address", "blog.exam", func(b []byte) [][]byte {
			return [][]byte{[]byte(strings.Replace(string(b), "blog.exam", "127.0.0.1", 1))}
		}, nil, "shop"},
	} {
		t.Run(try.what, func(t *testing.T) {
			routed := g.counts().Apps[try.want]
			c := g.dial()
			defer c.Close()
			client := tls.Client(&pieces{Conn: c, cut: try.cut}, &tls.Config{ServerName: try.server, InsecureSkipVerify: true, NextProtos: append(try.alpn, "http/1.1")})
			_ = client.SetDeadline(time.Now().Add(patience))
			line, err := bufio.NewReader(client).ReadString('\n')
			server := try.server
			if try.what == "an address" {
				// What the client believes to have sent is not what came: it cannot go on.
				if err == nil {
					t.Fatalf("%q", line)
				}
				await.TrueIn(t, patience, "it to be routed", func() bool { return g.counts().Apps[try.want] != routed },
					func() any { return g.counts() })
				return
			}
			if want := fmt.Sprintf("%s %q %q it\n", try.want, server, server); line != want {
				t.Fatalf("%q, %v; not %q", line, err, want)
			}
		})
	}
	if c := g.counts(); c.TLS != c.Routed || c.TLS == 0 {
		t.Errorf("%+v", c)
	}
}

func (g *gateAtWork) dial() net.Conn {
	g.t.Helper()
	c, err := (&net.Dialer{}).DialContext(g.t.Context(), "tcp", g.addr)
	if err != nil {
		g.t.Fatal(err)
	}
	_ = c.SetDeadline(time.Now().Add(patience))
	return c
}

func TestHellosThatAreRefused(t *testing.T) {
	t.Parallel()
	config := secureNames(map[string]string{"blog.example": "blog"}, "")
	config.Table = NewTable(map[string]string{"blog.example": "blog", "bare.example": "bare"}, "")
	g := startGate(t, config)
	g.secureApp("blog")
	hello := helloOf(t, &tls.Config{ServerName: "blog.examplex"})
	long := helloOf(t, &tls.Config{ServerName: "blog.example", NextProtos: slices.Repeat([]string{strings.Repeat("x", 255)}, 63)})
	need := recordHead + 4 + MaxHello
	for len(long) < need { // 16 KiB + 1 of a message
		long = append(long, 0)
	}
	for _, try := range []struct {
		what, sent string
		reason     string
		alert      byte
	}{
		{"a dot at the end of the name", strings.Replace(string(hello), "blog.examplex", "blog.example.", 1), refusedHello, alertDecodeError},
		{"a NUL in the name", strings.Replace(string(hello), "blog.examplex", "blog\x00example.", 1)[:len(hello)], refusedHello, 0},
		{"16 KiB and a byte", "\x16\x03\x01\x40\x00\x01\x00\x40\x01" + string(long[9:]), refusedHello, alertDecodeError},
		{"no name, no default app", string(helloOf(t, &tls.Config{InsecureSkipVerify: true})), refusedName, alertUnrecognizedName},
		{"a name that nobody has", string(hello), refusedName, alertUnrecognizedName},
		{"an app without a certificate", string(helloOf(t, &tls.Config{ServerName: "bare.example"})), refusedCert, alertUnrecognizedName},
		{"a challenge that nobody has ordered", string(helloOf(t, &tls.Config{ServerName: "blog.example", NextProtos: []string{challengeProtocol}})), refusedHello, alertNoProtocol},
	} {
		before := g.counts().Refused[try.reason]
		c := g.dial()
		fmt.Fprint(c, try.sent)
		b, err := io.ReadAll(c)
		c.Close()
		if try.alert == 0 {
			continue // whichever way it is refused
		}
		if string(b) != string(alert(try.alert)) {
			t.Errorf("%s: %x, %v", try.what, b, err)
		}
		if n := g.counts().Refused[try.reason]; n != before+1 {
			t.Errorf("%s: refused %v", try.what, g.counts().Refused)
		}
	}
	c := g.dial()
	defer c.Close()
	if status, text := ask(t, c, bufio.NewReader(c), "blog.example"); status != 400 || !strings.Contains(text, "speaks HTTPS") {
		t.Errorf("without TLS: %d %q", status, text)
	}
}

func TestRequestsAreSentToHTTPS(t *testing.T) {
	t.Parallel()
	config := names(map[string]string{"blog.example": "blog", "*.blog.example": "blog", "shop.example": "shop"}, "")
	config.Listeners = map[string]ListenerConfig{"it": {Redirect: true}}
	config.Certified, config.HTTPS = NewTable(map[string]string{"blog.example": "blog", "*.blog.example": "blog"}, ""), ":8443"
	g := startGate(t, config)
	g.app("blog")
	g.app("shop")
	if err := g.challenges(&Challenges{HTTP: map[string]string{challengePath + "abc": "abc.key"}}); err != nil {
		t.Fatal(err)
	}
	for _, try := range []struct{ request, want string }{
		{"GET /a?b=c HTTP/1.1\r\nHost: Blog.Example.:80\r\n\r\n", "308 https://blog.example:8443/a?b=c "},
		{"GET http://a.blog.example?q HTTP/1.1\r\nHost: other.example\r\n\r\n", "308 https://a.blog.example:8443/?q "},
		{"OPTIONS * HTTP/1.1\r\nHost: blog.example\r\n\r\n", "308 https://blog.example:8443/ "},
		{"POST /%0d%0aX: HTTP/1.1\r\nHost: blog.example\r\nContent-Length: 3\r\n\r\nabc", "308 https://blog.example:8443/%0d%0aX: "},
		{"GET /.well-known/acme-challenge/abc HTTP/1.1\r\nHost: blog.example\r\n\r\n", "200  abc.key"},
		{"GET /.well-known/acme-challenge/abc HTTP/1.1\r\nHost: nobody.example\r\n\r\n", "200  abc.key"},
		{"HEAD /.well-known/acme-challenge/abc HTTP/1.1\r\nHost: blog.example\r\n\r\n", "200  "},
		{"GET /.well-known/acme-challenge/other HTTP/1.1\r\nHost: blog.example\r\n\r\n", "308 https://blog.example:8443/.well-known/acme-challenge/other "},
		{"GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n", "200  shop "},
		{"GET / HTTP/1.1\r\nHost: nobody.example\r\n\r\n", "421  421 Misdirected Request\n"},
	} {
		c := g.dial()
		fmt.Fprint(c, try.request)
		method, _, _ := strings.Cut(try.request, " ")
		resp, err := http.ReadResponse(bufio.NewReader(c), &http.Request{Method: method})
		if err != nil {
			t.Fatalf("%q: %v", try.request, err)
		}
		body, _ := io.ReadAll(io.LimitReader(resp.Body, max(resp.ContentLength, 0)))
		c.Close()
		if got := fmt.Sprintf("%d %s %s", resp.StatusCode, resp.Header.Get("Location"), body); got != try.want {
			t.Errorf("%q: %q, not %q", try.request, got, try.want)
		}
	}
	// What an app has on a kept connection is as new for another host.
	c := g.dial()
	defer c.Close()
	r := bufio.NewReader(c)
	if status, _ := ask(t, c, r, "shop.example"); status != 200 {
		t.Fatal(status)
	}
	if status, _ := ask(t, c, r, "blog.example"); status != 308 {
		t.Errorf("a host with a certificate, on a connection of one without: %d", status)
	}
}

func (g *gateAtWork) challenges(c *Challenges) (err error) {
	g.lead.Call(func() { err = g.s.SetChallenges(c) })
	return err
}

func TestChallengesOverTLS(t *testing.T) {
	t.Parallel()
	g := startGate(t, secureNames(map[string]string{"blog.example": "blog"}, ""))
	g.secureApp("blog")
	id := asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 31} // RFC 8737, section 6.1
	is := func(e pkix.Extension) bool { return e.Id.Equal(id) }
	pair := certtest.SelfSigned(t, certtest.Names("blog.example"), func(c *x509.Certificate) {
		c.ExtraExtensions = append(c.ExtraExtensions, pkix.Extension{Id: id, Critical: true, Value: []byte{4, 2, 1, 2}})
	})
	pems := ChallengePair{Cert: pair.Cert, Key: pair.Key}
	if err := g.challenges(&Challenges{TLS: map[string]ChallengePair{"Blog.Example": pems}}); err != nil {
		t.Fatal(err)
	}
	shown := func(protocols ...string) (*tls.ConnectionState, error) {
		c := tls.Client(g.dial(), &tls.Config{ServerName: "blog.example", InsecureSkipVerify: true, NextProtos: protocols})
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(patience))
		err := c.HandshakeContext(t.Context())
		state := c.ConnectionState()
		return &state, err
	}
	state, err := shown(challengeProtocol)
	if err != nil || state.NegotiatedProtocol != challengeProtocol || !slices.ContainsFunc(state.PeerCertificates[0].Extensions, is) {
		t.Fatalf("%+v, %v", state, err)
	}
	if state, err = shown("http/1.1"); err != nil || slices.ContainsFunc(state.PeerCertificates[0].Extensions, is) {
		t.Errorf("others are served while an order is under way: %v", err)
	}
	// One that cannot be used changes nothing; none at all ends it.
	if err := g.challenges(&Challenges{TLS: map[string]ChallengePair{"blog.example": {}}}); err == nil {
		t.Error("a challenge without a certificate is taken")
	}
	if err := g.challenges(&Challenges{HTTP: map[string]string{"/index.html": "x"}}); err == nil {
		t.Error("a challenge at any path is taken")
	}
	if _, err = shown(challengeProtocol); err != nil {
		t.Error(err)
	}
	if err := g.challenges(nil); err != nil {
		t.Error(err)
	}
	if _, err = shown(challengeProtocol); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("after the order: %v", err)
	}
	if n := g.counts().Challenges; n != 2 {
		t.Errorf("%d challenges", n)
	}
}
