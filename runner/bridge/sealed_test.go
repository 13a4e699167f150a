package bridge

import (
	"bytes"
	"crypto/tls"
	"io"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/runner/certtest"
)

// packets is a connection that keeps apart what is sent by one call.
type packets struct {
	undated
	fd   int
	left []byte
	came int
}

// Read implements net.Conn.
func (p *packets) Read(b []byte) (int, error) {
	if len(p.left) == 0 {
		buf := make([]byte, 128<<10)
		n, err := unix.Read(p.fd, buf)
		if err != nil || n == 0 {
			return 0, io.ErrUnexpectedEOF
		}
		p.left, p.came = buf[:n], p.came+1
	}
	n := copy(b, p.left)
	p.left = p.left[n:]
	return n, nil
}

// Write implements net.Conn.
func (p *packets) Write(b []byte) (int, error) { return unix.Write(p.fd, b) }

// sealedPair is a connection whose handshake is done, and its client.
func sealedPair(t *testing.T) (c *Sealed, client *tls.Conn, at *packets) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fds[0]); unix.Close(fds[1]) })
	for _, fd := range fds {
		_ = unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 60})
	}
	certFile, keyFile := t.TempDir()+"/c", t.TempDir()+"/k"
	certtest.SelfSigned(t).Write(t, certFile, keyFile)
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{Conn: &packets{fd: fds[0]}}
	c = &Sealed{fd: fds[0], tls: tls.Server(w, &tls.Config{Certificates: []tls.Certificate{pair}})}
	at = &packets{fd: fds[1]}
	client = tls.Client(at, &tls.Config{InsecureSkipVerify: true})
	shaken := make(chan error, 1)
	go func() { shaken <- client.HandshakeContext(t.Context()) }()
	if err := c.tls.HandshakeContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-shaken; err != nil {
		t.Fatal(err)
	}
	w.Conn = sealedConn{Sealed: c}
	return c, client, at
}

// TestTheFarewellGoesWithTheLastWrite, in one call, and is not said again.
func TestTheFarewellGoesWithTheLastWrite(t *testing.T) {
	t.Parallel()
	c, client, w := sealedPair(t)
	before := w.came
	c.Last()
	if n, errno := c.Write([]byte("head "), []byte("body")); n != 9 || errno != 0 {
		t.Fatal(n, errno)
	}
	if b, err := io.ReadAll(client); string(b) != "head body" || err != nil {
		t.Errorf("%q, %v", b, err)
	}
	if w.came-before != 1 {
		t.Errorf("it came by %d calls, want 1", w.came-before)
	}
	c.Farewell()
	if n, _, err := unix.Recvfrom(w.fd, make([]byte, 100), unix.MSG_DONTWAIT); err == nil {
		t.Errorf("a second farewell of %d bytes", n)
	}
}

// TestWhatIsNotTakenWhollyIsNotTheEnd: the rest is still to come, and the farewell after it.
func TestWhatIsNotTakenWhollyIsNotTheEnd(t *testing.T) {
	t.Parallel()
	c, client, _ := sealedPair(t)
	body := bytes.Repeat([]byte("x"), maxSeal+10)
	c.Last()
	n, errno := c.Write(body, nil)
	if n != maxSeal || errno != 0 {
		t.Fatal(n, errno)
	}
	if n, errno := c.Write(body[n:], nil); n != 10 || errno != 0 {
		t.Fatal("the rest: ", n, errno)
	}
	c.Farewell()
	if b, err := io.ReadAll(client); !bytes.Equal(b, body) || err != nil {
		t.Errorf("%d bytes, %v", len(b), err)
	}
}
