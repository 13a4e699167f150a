package freeport

import (
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// What it gives can be listened on, and is given once.
func TestAddr(t *testing.T) {
	seen := map[string]bool{}
	for range 3 * block / 2 {
		addr := Addr(t)
		if seen[addr] {
			t.Fatalf("%s is given twice", addr)
		}
		seen[addr] = true
		l, err := net.Listen("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
	}
}

// Nor is it given to the tests of another package, which run at the same time.
func TestAddrOfAnotherProcess(t *testing.T) {
	const n = 3 * block
	if os.Getenv("FREEPORT_LIST") != "" {
		for range n {
			t.Log("at " + Addr(t))
		}
		return
	}
	if testing.Short() {
		t.Skip("starts processes")
	}
	ours := map[string]bool{}
	for range n {
		ours[Addr(t)] = true
	}
	for range 10 {
		cmd := exec.Command(os.Args[0], "-test.run=^TestAddrOfAnotherProcess$", "-test.v")
		cmd.Env = append(os.Environ(), "FREEPORT_LIST=1")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		found := 0
		for line := range strings.Lines(string(out)) {
			if _, addr, ok := strings.Cut(strings.TrimSpace(line), " at "); ok {
				found++
				if ours[addr] {
					t.Errorf("%s is given twice", addr)
				}
			}
		}
		if found != n {
			t.Errorf("%d addresses of %d:\n%s", found, n, out)
		}
	}
}
