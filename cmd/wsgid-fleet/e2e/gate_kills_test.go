package e2e

import (
	"bufio"
	"flag"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

var gateKills = flag.Int("gate.kills", 12, "how many TestAGateIsKilledOverAndOver makes")

// asking is a client that has sent the first half of a head.
type asking struct {
	net.Conn
	what string
}

// longField is a field that makes a head longer than one look at it.
var longField = "Cookie: c=" + strings.Repeat("c", 24<<10) + "\r\n"

// askHalf connects and sends a head up to the middle of its host.
func (b *harness) askHalf(network, addr, field string) asking {
	b.t.Helper()
	c, err := (&net.Dialer{Timeout: patience}).DialContext(b.t.Context(), network, addr)
	b.must(err)
	b.t.Cleanup(func() { c.Close() })
	a := asking{c, fmt.Sprintf("a client by %s with a head of %d bytes", network, 30+len(field))}
	a.send(b.t, "GET / HTTP/1.1\r\n"+field+"Ho")
	return a
}

func (a asking) send(t *testing.T, text string) {
	t.Helper()
	_ = a.SetDeadline(time.Now().Add(patience))
	if _, err := a.Write([]byte(text)); err != nil {
		t.Errorf("%s: %v", a.what, err)
	}
}

// wants is the status of its answer.
func (a asking) wants(t *testing.T, want int) {
	t.Helper()
	resp, err := http.ReadResponse(bufio.NewReader(a), nil)
	if err != nil {
		t.Errorf("%s: %v", a.what, err)
	} else if resp.Body.Close(); resp.StatusCode != want {
		t.Errorf("%s: %s, want %d", a.what, resp.Status, want)
	}
	a.Close()
}

// TestAGateIsKilledOverAndOver: under load, and with clients that have said half of what
// they want, by TCP and by a unix socket, shortly and at length.
func TestAGateIsKilledOverAndOver(t *testing.T) {
	t.Parallel()
	b, addr := gated(t, someone(t), "")
	socket := filepath.Join(b.dir, "gate.sock")
	b.replace("wsgid.d/gate.hcl", "gate {\n", fmt.Sprintf("gate {\n  http { listen = %q }\n", "unix:"+socket))
	b.run()
	gate := b.awaitGate(0)
	wantSite(t, addr, "alpha.test", "alpha")
	wantSite(t, addr, "beta.test", "beta")
	var loads []*Load
	for _, keep := range []bool{true, false} {
		l := &Load{App: "alpha", Addr: addr, Host: "alpha.test", Connections: 2, KeepAlive: keep, Pause: 2 * time.Millisecond}
		l.Start()
		loads = append(loads, l)
	}
	kept, err := (&net.Dialer{}).DialContext(t.Context(), "unix", socket)
	b.must(err)
	defer kept.Close()
	r := bufio.NewReader(kept)
	for i := range *gateKills {
		// An app has this one, whatever becomes of the gate.
		if status, text := visitOn(t, kept, r, "alpha.test"); status != 200 || !strings.HasPrefix(text, "alpha ") {
			t.Fatalf("kill %d: a kept connection: %d %q", i, status, text)
		}
		var clients []asking
		for network, at := range map[string]string{"tcp": addr, "unix": socket} {
			for _, field := range []string{"", longField} {
				clients = append(clients, b.askHalf(network, at, field))
			}
		}
		b.must(syscall.Kill(gate, syscall.SIGKILL))
		for _, c := range clients {
			c.send(t, "st: beta.test\r\n\r\n")
		}
		for _, c := range clients {
			c.wants(t, 200)
		}
		if t.Failed() {
			t.Fatalf("at kill %d", i)
		}
		gate = b.awaitGate(gate)
	}
	for _, l := range loads {
		if counts := l.Stop(); counts.Good == 0 || len(counts.Lost) > 0 {
			t.Errorf("keep-alive %v: %v: %v", l.KeepAlive, counts, counts.Lost[:min(len(counts.Lost), 5)])
		}
	}
}

// TestTwoFleetsWithAGateEach: what one fleet's gate had when it was killed comes to that
// fleet's next gate, though the other fleet's was killed at the same moment.
func TestTwoFleetsWithAGateEach(t *testing.T) {
	t.Parallel()
	who := someone(t)
	type fleet struct {
		*harness
		addr, own string
		gate      int
	}
	var fleets []*fleet
	for _, own := range []string{"first.test", "second.test"} {
		b, addr := gated(t, who, "")
		b.replace("wsgid.d/alpha.hcl", "alpha.test", own)
		b.run()
		fleets = append(fleets, &fleet{harness: b, addr: addr, own: own})
	}
	for _, f := range fleets {
		f.gate = f.awaitGate(0)
		wantSite(t, f.addr, f.own, "alpha")
	}
	for i := range 3 {
		var clients []asking
		for _, f := range fleets {
			clients = append(clients, f.askHalf("tcp", f.addr, ""), f.askHalf("tcp", f.addr, longField))
		}
		for _, f := range fleets {
			f.must(syscall.Kill(f.gate, syscall.SIGKILL))
		}
		for j, c := range clients {
			c.send(t, "st: "+[]string{"first.test", "second.test"}[j%2]+"\r\n\r\n")
		}
		// Each fleet has one of the names.
		for j, c := range clients {
			c.wants(t, map[bool]int{true: 200, false: 421}[j/2 == j%2])
		}
		if t.Failed() {
			t.Fatalf("at kill %d", i)
		}
		for _, f := range fleets {
			f.gate = f.awaitGate(f.gate)
		}
	}
}
