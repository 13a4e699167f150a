package bridge

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// socketPair is a connection with its client's side, as it comes from another process.
func socketPair(t *testing.T, network, addr string) (c *socket, client net.Conn) {
	t.Helper()
	ln, err := (&net.ListenConfig{}).Listen(t.Context(), network, addr)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	if client, err = (&net.Dialer{}).DialContext(t.Context(), network, ln.Addr().String()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	_ = client.SetDeadline(time.Now().Add(time.Minute))
	accepted, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer accepted.Close()
	file, err := accepted.(interface{ File() (*os.File, error) }).File()
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	fd, err := unix.FcntlInt(file.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	if c, err = newSocket(fd); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if network == "tcp" && (c.RemoteAddr().String() != accepted.RemoteAddr().String() || c.LocalAddr().String() != accepted.LocalAddr().String()) {
		t.Errorf("%v %v, not %v %v", c.RemoteAddr(), c.LocalAddr(), accepted.RemoteAddr(), accepted.LocalAddr())
	}
	return c, client
}

// Over TCP of either family and a unix socket: what is sent arrives, also where the other
// side is slow, and the ends of both sides are told apart.
func TestSocket(t *testing.T) {
	for _, at := range [][2]string{{"tcp", "127.0.0.1:0"}, {"tcp", "[::1]:0"}, {"unix", t.TempDir() + "/s"}} {
		t.Run(at[0]+" "+at[1], func(t *testing.T) {
			c, client := socketPair(t, at[0], at[1])
			sent := bytes.Repeat([]byte("0123456789abcdef"), 1<<18)
			wrote := make(chan error, 1)
			go func() {
				n, err := c.Write(sent)
				if err == nil && n != len(sent) {
					err = io.ErrShortWrite
				}
				_ = c.raw.Control(func(fd uintptr) { _ = unix.Shutdown(int(fd), unix.SHUT_WR) })
				wrote <- err
			}()
			if got, err := io.ReadAll(client); err != nil || !bytes.Equal(got, sent) {
				t.Errorf("%d bytes, %v", len(got), err)
			}
			if err := <-wrote; err != nil {
				t.Error(err)
			}
			if _, err := client.Write([]byte("still")); err != nil {
				t.Fatal(err)
			}
			client.Close()
			if got, err := io.ReadAll(c); err != nil || string(got) != "still" {
				t.Errorf("%q, %v", got, err)
			}
			c.Close()
			if _, err := c.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
				t.Errorf("%v", err)
			}
			if _, err := c.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
				t.Errorf("%v", err)
			}
		})
	}
}

// TLS goes on after a read that was too late: by such a read an idle connection of HTTP/2
// is told to end.
func TestSocketSurvivesDeadlines(t *testing.T) {
	c, client := socketPair(t, "tcp", "127.0.0.1:0")
	certFile, keyFile := writePair(t, t.TempDir(), "it")
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	server := tls.Server(c, &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS13})
	told := make(chan struct{})
	done := make(chan error, 1)
	go func() {
		tc := tls.Client(client, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13})
		err := tc.HandshakeContext(t.Context())
		if err == nil {
			<-told
			_, err = tc.Write([]byte("x"))
		}
		done <- err
	}()
	if err := server.HandshakeContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	_ = server.SetReadDeadline(time.Unix(1, 0))
	var b [1]byte
	if _, err := server.Read(b[:]); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("%v", err)
	}
	_ = server.SetReadDeadline(time.Now().Add(time.Minute))
	close(told)
	if _, err := io.ReadFull(server, b[:]); err != nil || b[0] != 'x' {
		t.Errorf("%q, %v", b, err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}
