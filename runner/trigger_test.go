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

// A master of a release that cannot be asked for a schedule is not asked again and again:
// the answer says what to do.
func TestTriggerOfAnOldMaster(t *testing.T) {
	h := &Handle{Record: control.Record{App: "blog", PID: os.Getpid()}, dir: t.TempDir()}
	ln, err := net.Listen("unix", control.SocketPath(h.dir, h.PID))
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	go func() {
		c, err := ln.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		if _, err := bufio.NewReader(c).ReadString('\n'); err == nil {
			fmt.Fprintln(c, `{"error": "cannot trigger: no such operation"}`)
		}
	}()
	got, err := h.Trigger(t.Context(), "nightly", "x")
	if err != nil {
		t.Fatal(err)
	}
	if got.Later || !strings.Contains(got.Refused, "run wsgid-fleet restart blog, and then this again") {
		t.Errorf("%+v", got)
	}
}
