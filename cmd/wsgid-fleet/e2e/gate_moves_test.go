package e2e

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// TestAKeptConnectionFollowsItsName: who has asked for a name, and keeps the connection, is
// answered by the app that has the name now: also where it was or is another's by a wildcard, or
// as the app for all other names.
func TestAKeptConnectionFollowsItsName(t *testing.T) {
	b, plain, secure, a := secured(t, someone(t), "  default = \"beta\"\n")
	b.replace("wsgid.d/gate.hcl", "    redirect = \"https\"\n", "")
	b.run()
	b.awaitGate(0)
	own := b.text("wsgid.d/gamma.hcl")
	for _, try := range []struct{ host, before string }{{"any.alpha.test", "alpha"}, {"whoever.test", "beta"}} {
		client := returning{addr: plain}
		_, server, _ := strings.Cut(try.host, ".")
		trust := a.trust("www." + server)
		trust.InsecureSkipVerify = true // the default app has no certificate for this one
		answers := func(site string, status int) error {
			if status, text := client.visit(t, try.host); status != 200 || !strings.HasPrefix(text, site+" ") {
				return fmt.Errorf("by a kept connection: %d %q", status, text)
			}
			over, err := greet(t, secure, trust) // 421 ends it
			if err != nil {
				return err
			}
			defer over.Close()
			if is, text := visitOn(t, over, bufio.NewReader(over), try.host); is != status || is == 200 && !strings.HasPrefix(text, site+" ") {
				return fmt.Errorf("over TLS, by a connection of another name: %d %q", is, text)
			}
			return nil
		}
		want := func(site string, status int) {
			t.Helper()
			if err := answers(site, status); err != nil {
				t.Errorf("%s is to be answered by %s: %v", try.host, site, err)
			}
		}
		eventually(t, patience, try.before+" to answer", func() error { return answers(try.before, 200) })
		b.write("wsgid.d/gamma.hcl", strings.Replace(own, `"gamma.test", `, fmt.Sprintf(`"gamma.test", %q, `, try.host), 1))
		b.ok("apply")
		b.ok("restart", try.before) // the connection is handed over before it is asked by
		want("gamma", 421)
		b.write("wsgid.d/gamma.hcl", own)
		b.ok("apply")
		want(try.before, 200)
	}
}

// TestAConnectionIsHandedBackAsTheGateDies: the master has not noticed, and passes the connection
// to the next gate.
func TestAConnectionIsHandedBackAsTheGateDies(t *testing.T) {
	b, addr := gated(t, someone(t), "")
	b.run()
	gate := b.awaitGate(0)
	c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", addr)
	b.must(err)
	defer c.Close()
	r := bufio.NewReader(c)
	// The first one of beta has a link to the gate from here on.
	for _, site := range []string{"alpha", "beta", "alpha"} {
		eventually(t, patience, site+" to answer", func() error {
			if status, text := visitOn(t, c, r, site+".test"); status != 200 || !strings.HasPrefix(text, site+" ") {
				return fmt.Errorf("%d %q", status, text)
			}
			return nil
		})
	}
	master := b.await("alpha", "ready", 1).Master.PID
	b.must(syscall.Kill(master, syscall.SIGSTOP))
	defer func() { _ = syscall.Kill(master, syscall.SIGCONT) }()
	eventually(t, patience, "the master to stand still", func() error {
		if running(master) {
			return fmt.Errorf("%d runs", master)
		}
		return nil
	})
	fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: beta.test\r\n\r\n")
	fd, err := unix.PidfdOpen(gate, 0)
	b.must(err)
	defer unix.Close(fd)
	b.must(syscall.Kill(gate, syscall.SIGKILL))
	waitEnd(fd)
	b.must(syscall.Kill(master, syscall.SIGCONT))
	asking{c, "a kept connection that asks for another app"}.wants(t, 200)
}
