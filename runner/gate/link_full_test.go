package gate

import (
	"errors"
	"fmt"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/runner/await"
	"github.com/wsgid-fleet/wsgid-fleet/runner/evloop"
)

// running runs a loop until the test ends.
func running(t *testing.T, loop *evloop.Loop) {
	t.Helper()
	done := make(chan struct{})
	go func() { defer close(done); _ = loop.Run() }()
	t.Cleanup(func() {
		loop.Post(loop.Stop)
		<-done
	})
}

// TestAFullLinkIsWaitedFor: a link takes no more than its socket while the other side is at
// something else. What is to be passed waits until there is room; each connection comes, once,
// and in its turn.
func TestAFullLinkIsWaitedFor(t *testing.T) {
	ends, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.SetsockoptInt(ends[0], unix.SOL_SOCKET, unix.SO_SNDBUF, 16<<10); err != nil {
		t.Fatal(err)
	}
	var loops [2]*evloop.Loop
	for i := range loops {
		if loops[i], err = evloop.New(); err != nil {
			t.Fatal(err)
		}
	}
	gate, master := loops[0], loops[1]
	const all = 200
	clients := descriptors(t, all)
	t.Cleanup(func() { evloop.CloseAll(clients) })
	var arrived, writable, next int
	from := &Link{Loop: gate, Room: &Room{}, Arrived: func(what any) {
		if what != arrived {
			t.Errorf("connection %v has arrived as number %d", what, arrived)
		}
		arrived++
	}, Taken: func(int, *Passed) {}, Over: func([]any) {}}
	pass := func() (err error) {
		for ; next < all && err == nil; next++ {
			if err = from.Pass(clients[next], &Passed{Host: fmt.Append(nil, next), Listen: "l"}, next); err != nil {
				return err
			}
		}
		return err
	}
	from.Writable = func() {
		writable++
		if err := pass(); err != nil && !errors.Is(err, unix.EAGAIN) {
			t.Error(err)
		}
	}
	running(t, gate)
	gate.Call(func() {
		if err := from.Open(ends[0]); err != nil {
			t.Error(err)
		}
		if err := pass(); !errors.Is(err, unix.EAGAIN) || next == 0 || next == all {
			t.Errorf("of %d connections %d were passed to nobody: %v", all, next, err)
		}
		full := next
		if err := pass(); !errors.Is(err, unix.EAGAIN) || next != full || from.Sent() != full {
			t.Errorf("a full link takes more: %d after %d, %v", next, full, err)
		}
	})
	taken := 0
	to := &Link{Loop: master, Room: &Room{}, Arrived: func(any) {}, Writable: func() {}, Over: func([]any) {}, Taken: func(fd int, p *Passed) {
		if string(p.Host) != fmt.Sprint(taken) {
			t.Errorf("connection %s came as number %d", p.Host, taken)
		}
		taken++
		_ = unix.Close(fd)
	}}
	running(t, master)
	master.Call(func() {
		if err := to.Open(ends[1]); err != nil {
			t.Error(err)
		}
	})
	await.True(t, "all have come, and are known to have", func() bool {
		n, m := 0, 0
		master.Call(func() { n = taken })
		gate.Call(func() { m = arrived })
		return n == all && m == all
	})
	gate.Call(func() {
		if writable == 0 || from.Sent() != 0 {
			t.Errorf("it was told of room %d times, and %d are on their way", writable, from.Sent())
		}
	})
}
