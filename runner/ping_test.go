package runner

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/runner/control"
)

// A master of a release that knows no ping lives if it tells its state.
func TestPingOfAnOldMaster(t *testing.T) {
	for answer, alive := range map[string]bool{`{"status": {"version": 3}}`: true, `{"error": "no"}`: false} {
		h := &Handle{Record: control.Record{App: "blog", PID: os.Getpid()}, dir: t.TempDir()}
		serveAt(t, control.SocketPath(h.dir, h.PID), func(c net.Conn) {
			line, _ := bufio.NewReader(c).ReadString('\n')
			if strings.Contains(line, `"status"`) {
				fmt.Fprintln(c, answer)
			} else {
				fmt.Fprintln(c, `{"error": "`+control.NoSuchOperation("ping")+`"}`)
			}
			_ = c.Close()
		})
		if _, err := h.Ping(t.Context(), true); (err == nil) != alive {
			t.Errorf("it answers %s, and the ping %v", answer, err)
		}
	}
}

// serveAt serves the connections that come to a unix socket until the test ends.
func serveAt(t *testing.T, path string, serve func(net.Conn)) {
	t.Helper()
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go serve(c)
		}
	}()
}
