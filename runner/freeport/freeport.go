// Package freeport finds ports for tests: of a server that is told where to listen,
// by its file or its arguments, and cannot be handed a socket.
//
// A port that the kernel chooses for an instant may be taken by any connection that
// leaves this machine, before the server listens there: it comes out of the range
// that the kernel takes those from. Here ports come from below that range, and each
// process that looks for some has blocks of its own.
package freeport

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"testing"
)

const (
	lowest, count = 15_000, 15_000 // the kernel's own begin at 32768, see ip_local_port_range
	block         = 100            // ports that a process takes at once
)

var (
	mu    sync.Mutex
	left  []int          // ports of our blocks that were not given yet
	taken []net.Listener // of each block: as long as this process lives it is nobody else's
)

// Addr is an address of 127.0.0.1 where nobody listens. No other call returns it while
// this process lives.
func Addr(t testing.TB) string {
	t.Helper()
	return "127.0.0.1:" + Port(t, "127.0.0.1")
}

// Port is a port on which nobody listens on any of the hosts. No other call returns it
// while this process lives, of another process neither.
func Port(t testing.TB, hosts ...string) string {
	t.Helper()
	var err error
	for {
		n, ok := next()
		if !ok {
			t.Fatalf("no port of %s is free: %v", strings.Join(hosts, ", "), err)
		}
		port := fmt.Sprint(n)
		if err = vacant(port, hosts); err == nil {
			return port
		}
	}
}

// next is a port that was not given yet; false: there is none.
func next() (int, bool) {
	mu.Lock()
	defer mu.Unlock()
	if len(left) == 0 {
		for _, n := range rand.Perm(count / block) {
			// A name without a file, which goes with the process.
			l, err := net.Listen("unix", fmt.Sprintf("@wsgid-fleet-freeport-%d", n)) //nolint:noctx // it does not wait
			if err != nil {
				continue
			}
			taken = append(taken, l)
			for _, i := range rand.Perm(block) {
				left = append(left, lowest+n*block+i)
			}
			break
		}
	}
	if len(left) == 0 {
		return 0, false
	}
	n := left[0]
	left = left[1:]
	return n, true
}

func vacant(port string, hosts []string) error {
	for _, host := range hosts {
		l, err := net.Listen("tcp", net.JoinHostPort(host, port)) //nolint:noctx // it does not wait
		if err != nil {
			return err
		}
		if err := l.Close(); err != nil {
			return err
		}
	}
	return nil
}
