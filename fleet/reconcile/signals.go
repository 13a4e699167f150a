package reconcile

import (
	"os"
	"os/signal"
	"syscall"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/hold"
)

// Signals are those that the daemon listens to, each kind in a channel of its own:
// many of one push none of another out. One that is queued already says all.
type Signals struct {
	End     chan os.Signal // TERM, INT; the second ends the apps at once
	Hangup  chan os.Signal
	Upgrade chan os.Signal
}

// ListenToSignals begins to listen.
func ListenToSignals() *Signals {
	s := &Signals{End: make(chan os.Signal, 2), Hangup: make(chan os.Signal, 1), Upgrade: make(chan os.Signal, 1)}
	s.listen()
	hold.Listening()
	return s
}

func (s *Signals) listen() {
	signal.Notify(s.End, syscall.SIGTERM, syscall.SIGINT)
	signal.Notify(s.Hangup, syscall.SIGHUP)
	signal.Notify(s.Upgrade, syscall.SIGUSR2)
}

// Stop has them do again what they do by themselves.
func (s *Signals) Stop() {
	signal.Stop(s.End)
	signal.Stop(s.Hangup)
	signal.Stop(s.Upgrade)
}

// Ending tells whether somebody has asked for the end.
func (s *Signals) Ending() bool { return s != nil && len(s.End) > 0 }

// Hold keeps what has come and what comes for the program that this goroutine
// executes next in this process. release takes it back.
func (s *Signals) Hold() (release func()) {
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
	for _, c := range []chan os.Signal{s.End, s.Hangup, s.Upgrade} {
		for len(c) > 0 {
			came = append(came, <-c)
		}
	}
	hold.Again(came)
	return hold.Open
}
