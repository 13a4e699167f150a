package e2e

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/sockets"
	"github.com/wsgid-fleet/wsgid-fleet/runner/freeport"
)

// TestNobodyElseWakesForAClient: the daemon, and who holds sockets for it, have the
// listening sockets of the gate and of apps, too, and none has the kernel tell it of
// clients: it would wake for each. So has a daemon that got them from others.
func TestNobodyElseWakesForAClient(t *testing.T) {
	b, addr := gated(t, someone(t), "")
	own := map[string]string{"alpha": freeport.Addr(t), "gamma": freeport.Addr(t)}
	for site, at := range own {
		b.replace("wsgid.d/"+site+".hcl", "  workers {", fmt.Sprintf("  sockets {\n    http { listen = %q }\n  }\n  workers {", at))
	}
	b.replace("wsgid.d/gamma.hcl", `"500ms"`, `"1h"`)
	for _, begin := range []string{"first daemon", "daemon after kill -9"} {
		d := b.run()
		b.awaitGate(0)
		wantSite(t, addr, "alpha.test", "alpha")
		wantSite(t, own["alpha"], "alpha.test", "alpha")
		wantSite(t, own["gamma"], "gamma.test", "gamma") // it is idle no more
		kept := 0
		for _, p := range processesOf(b.state) {
			if p.pid != d.Process.Pid && !strings.HasPrefix(p.args, sockets.HolderName) {
				continue
			}
			for _, at := range []string{addr, own["alpha"], own["gamma"]} {
				inode := b.listenerAt(at)
				if !slices.Contains(b.linksOf(p.pid), fmt.Sprintf("socket:[%d]", inode)) {
					continue
				}
				kept++
				if b.watches(p.pid, inode) {
					t.Errorf("%s: %d (%s) wakes for clients at %s", begin, p.pid, p.args, at)
				}
			}
		}
		if kept == 0 {
			t.Errorf("%s: nobody has a socket: nothing was tested", begin)
		}
		d.kill(t)
	}
}

// listenerAt is the inode of the socket that listens at an address of this machine.
func (b *harness) listenerAt(addr string) (inode int) {
	b.t.Helper()
	_, port, err := net.SplitHostPort(addr)
	b.must(err)
	var number int
	_, err = fmt.Sscan(port, &number)
	b.must(err)
	text, err := os.ReadFile("/proc/net/tcp")
	b.must(err)
	const listens = "0A"
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line)
		if len(f) > 9 && f[3] == listens && strings.HasSuffix(f[1], fmt.Sprintf(":%04X", number)) {
			_, err := fmt.Sscan(f[9], &inode)
			b.must(err)
			return inode
		}
	}
	b.t.Fatalf("nobody listens at %s", addr)
	return 0
}

// linksOf are what the descriptors of a process lead to.
func (b *harness) linksOf(pid int) (all []string) {
	b.t.Helper()
	fds, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	b.must(err)
	for _, fd := range fds {
		if target, err := os.Readlink(fd); err == nil { // else it is closed by now
			all = append(all, target)
		}
	}
	return all
}

// watches tells whether an epoll instance of a process has a socket.
func (b *harness) watches(pid, inode int) bool {
	b.t.Helper()
	infos, err := filepath.Glob(fmt.Sprintf("/proc/%d/fdinfo/*", pid))
	b.must(err)
	for _, path := range infos {
		text, _ := os.ReadFile(path) // that of one that is closed by now is empty
		for line := range strings.Lines(string(text)) {
			if strings.HasPrefix(line, "tfd:") && slices.Contains(strings.Fields(line), fmt.Sprintf("ino:%x", inode)) {
				return true
			}
		}
	}
	return false
}
