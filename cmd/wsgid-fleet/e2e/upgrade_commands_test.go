package e2e

import (
	"syscall"
	"testing"
	"time"
)

// Commands that are given while the daemon executes itself anew succeed: the daemon resets
// the connections that it has accepted, and they are made again to the one that follows.
func TestCommandsDuringAnUpgrade(t *testing.T) {
	asEach(t, func(t *testing.T, who account) {
		b := newHarness(t, who)
		d := b.run()
		b.ok("apply")
		for _, args := range [][]string{{"reload", "hello"}, {"status", "-o", "json"}, {"plan"}, {"scale", "hello=2"}, {"apply"}, {"restart", "hello"}} {
			// Moments from before the signal is seen to after the program is another one.
			for _, after := range []time.Duration{0, 20 * time.Millisecond, 60 * time.Millisecond, 150 * time.Millisecond} {
				b.must(d.Process.Signal(syscall.SIGUSR2))
				time.Sleep(after)
				if out := b.fleet(args[0], args[1:]...); out.code != 0 {
					t.Errorf("%v, %v after the signal: %v", args, after, out)
				}
			}
		}
	})
}
