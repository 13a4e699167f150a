package e2e

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// pss is what a process has of the memory, in KiB.
func pss(t *testing.T, pid int) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == "Pss:" {
			n, err := strconv.Atoi(f[1])
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
	}
	t.Fatalf("no Pss in %s", text)
	return 0
}

// TestTwentyThousandOpenConnections: heads that do not come to their end cost the gate
// little memory and others nothing.
func TestTwentyThousandOpenConnections(t *testing.T) {
	who := someone(t)
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if limit.Cur < 22_000 {
		// Where that is allowed. The gate asks for more by itself.
		_ = syscall.Setrlimit(unix.RLIMIT_NOFILE, &syscall.Rlimit{Cur: 22_000, Max: max(limit.Max, 22_000)})
		t.Cleanup(func() { _ = syscall.Setrlimit(unix.RLIMIT_NOFILE, &syscall.Rlimit{Cur: limit.Cur, Max: limit.Max}) })
		_ = unix.Getrlimit(unix.RLIMIT_NOFILE, &limit)
	}
	all := min(20_000, int(min(limit.Cur, 1<<20))-2_000)
	if all < 20_000 {
		t.Logf("the limit of descriptors is %d: %d connections are tried", limit.Cur, all)
	}
	if all < 2_000 {
		t.Skipf("the limit of descriptors is %d", limit.Cur)
	}
	b, addr := gated(t, who, "")
	b.run()
	gate := b.awaitGate(0)
	wantSite(t, addr, "alpha.test", "alpha")
	kept, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", addr)
	b.must(err)
	defer kept.Close()
	r := bufio.NewReader(kept)
	visitOn(t, kept, r, "alpha.test")
	for i := range all {
		if i%1000 == 0 { // before it has been idle for too long
			if status, _ := visitOn(t, kept, r, "alpha.test"); status != 200 {
				t.Fatalf("a kept connection, with %d others: %d", i, status)
			}
		}
		// Of several addresses: each may have a share only.
		from := &net.TCPAddr{IP: net.IPv4(127, 0, 0, byte(2+i%4))}
		c, err := (&net.Dialer{LocalAddr: from}).DialContext(t.Context(), "tcp", addr)
		if err != nil {
			t.Fatalf("connection %d: %v", i, err)
		}
		defer c.Close()
		if _, err := fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: alpha.test\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\nAccept: */*\r\n"); err != nil {
			t.Fatalf("connection %d: %v", i, err)
		}
		if i == min(10_000, all-1) {
			kib := pss(t, gate)
			t.Logf("with %d heads half there the gate has %d KiB", i, kib)
			if kib > 12<<10 {
				t.Errorf("with %d heads half there the gate has %d KiB", i, kib)
			}
		}
	}
	if status, _ := visitOn(t, kept, r, "alpha.test"); status != 200 {
		t.Errorf("a kept connection: %d", status)
	}
	if status, _ := visit(t, addr, "beta.test"); status != 200 {
		t.Errorf("a new one: %d", status)
	}
	if pid := b.awaitGate(0); pid != gate {
		t.Errorf("gate %d became %d", gate, pid)
	}
}
