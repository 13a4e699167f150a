// Package freeport finds ports for tests: of a server that is told where to listen,
// by its file or its arguments, and cannot be handed a socket.
//
// A port that the kernel chooses for an instant may be taken by any connection that
// leaves this machine, before the server listens there: it comes out of the range
// that the kernel takes those from. Here ports come from below that range.
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
	tries         = 1000
)

var given sync.Map // ports that were given by this process

// Addr is an address of 127.0.0.1 where nobody listens. No other call in this process
// returns it.
func Addr(t testing.TB) string {
	t.Helper()
	return "127.0.0.1:" + Port(t, "127.0.0.1")
}

// Port is a port on which nobody listens on any of the hosts. No other call in this
// process returns it.
func Port(t testing.TB, hosts ...string) string {
	t.Helper()
	var err error
	for range tries {
		port := fmt.Sprint(lowest + rand.IntN(count))
		if _, is := given.LoadOrStore(port, true); is {
			continue
		}
		if err = vacant(port, hosts); err == nil {
			return port
		}
	}
	t.Fatalf("no port of %s is free: %v", strings.Join(hosts, ", "), err)
	return ""
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
