package fleet

import (
	"os"
	"os/signal"
	"syscall"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/hold"
)

// signals are those that the daemon listens to, each kind in a channel of its own:
// many of one push none of another out. One that is queued already says all.
type signals struct {
	end     chan os.Signal // TERM, INT; the second ends the apps at once
	hangup  chan os.Signal
	upgrade chan os.Signal
}

func listenToSignals() *signals {
	s := &signals{end: make(chan os.Signal, 2), hangup: make(chan os.Signal, 1), upgrade: make(chan os.Signal, 1)}
	s.listen()
	hold.Listening()
	return s
}

func (s *signals) listen() {
	signal.Notify(s.end, syscall.SIGTERM, syscall.SIGINT)
	signal.Notify(s.hangup, syscall.SIGHUP)
	signal.Notify(s.upgrade, syscall.SIGUSR2)
}

func (s *signals) stop() {
	signal.Stop(s.end)
	signal.Stop(s.hangup)
	signal.Stop(s.upgrade)
}

// ending tells whether somebody has asked for the end.
func (s *signals) ending() bool { return s != nil && len(s.end) > 0 }

// hold keeps what has come and what comes for the program that this goroutine
// executes next in this process. release takes it back.
func (s *signals) hold() (release func()) {
	if s == nil {
		return func() {}
	}
	// Its end tells that all that has come is in the channels. It must not be the
	// last that listens to its signal: that would open a thread again.
	idle := make(chan os.Signal, 1)
	signal.Notify(idle, syscall.SIGUSR2)
	hold.Shut()
	signal.Stop(idle)
	var came []os.Signal
	for _, c := range []chan os.Signal{s.end, s.hangup, s.upgrade} {
		for len(c) > 0 {
			came = append(came, <-c)
		}
	}
	hold.Again(came)
	return hold.Open
}
