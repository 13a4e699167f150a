package runner

import (
	"bufio"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/runner/control"
)

// A request to take connections over that is cut off, or is none, leaves nothing
// behind: their clients see that nobody serves them, and the master has its
// descriptors back.
func TestAdoptCutOff(t *testing.T) {
	a := newTestApp(t, helloApp, nil)
	h := a.start(StateReady)
	a.get("/")
	before := openFiles(t, h.PID)
	for name, line := range map[string]string{
		"cut off":       `{"op":"adopt","conns":[{"listener":"x"`,
		"of another op": `{"op":"status"}` + "\n",
		"rubbish":       "rubbish\n",
		"too few":       `{"op":"adopt","conns":[]}` + "\n",
	} {
		t.Run(name, func(t *testing.T) {
			ctrl, err := control.Dial(control.SocketPath(h.dir, h.PID))
			if err != nil {
				t.Fatal(err)
			}
			pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
			if err != nil {
				t.Fatal(err)
			}
			client := os.NewFile(uintptr(pair[0]), "client")
			defer client.Close()
			if _, _, err := ctrl.WriteMsgUnix([]byte(line), unix.UnixRights(pair[1]), nil); err != nil {
				t.Fatal(err)
			}
			_ = unix.Close(pair[1])
			_ = ctrl.CloseWrite()
			_ = client.SetReadDeadline(time.Now().Add(patience))
			c, err := net.FileConn(client)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			_ = c.SetReadDeadline(time.Now().Add(patience))
			if n, err := c.Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) {
				t.Errorf("the client of a connection that nobody serves reads %d bytes, %v; want io.EOF", n, err)
			}
			_ = ctrl.Close()
		})
	}
	eventually(t, "the master has closed what came", func() bool { return openFiles(t, h.PID) <= before })
	if code, _ := a.get("/"); code != 200 {
		t.Errorf("status %d", code)
	}
}

// A successor that is gone, or goes in the middle, costs no client its
// connection before his next request is answered.
func TestSuccessorThatIsGone(t *testing.T) {
	for name, serve := range map[string]func(net.Conn){
		"nobody there": nil,
		"goes at once": func(c net.Conn) { _ = c.Close() },
		"refuses": func(c net.Conn) {
			defer c.Close()
			for r := bufio.NewReader(c); ; {
				if _, err := r.ReadSlice('\n'); err != nil {
					return
				}
				_, _ = io.WriteString(c, `{"error":"not now"}`+"\n")
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			a := newTestApp(t, helloApp, nil)
			h := a.start(StateReady)
			path := filepath.Join(filepath.Dir(a.spec.Path), "heir")
			if serve != nil {
				serveAt(t, path, serve)
			}
			var clients []*client
			for range 5 {
				c := a.dial()
				c.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
				if r := c.answer("GET"); r.StatusCode != 200 {
					t.Fatalf("status %d", r.StatusCode)
				}
				clients = append(clients, c)
			}
			// Of one the next request has begun.
			clients[0].send("GET / HTTP/1.1\r\n")
			if _, _, err := h.ask(a.ctx(), "drain", &control.Request{Op: "drain", Successor: path}); err != nil {
				t.Fatal(err)
			}
			clients[0].send("Host: x\r\n\r\n")
			for i, c := range clients {
				if i > 0 {
					c.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
				}
				if r := c.answer("GET"); r.StatusCode != 200 {
					t.Errorf("client %d: status %d", i, r.StatusCode)
				}
				c.closed()
			}
			if err := h.Wait(a.ctx()); err != nil {
				t.Error(err)
			}
		})
	}
}
