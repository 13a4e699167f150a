package e2e

import (
	"syscall"
	"time"
)

// Nothing excuses a request that is lost by what happens to the gate.

// gateNow is the process of the gate, once one is ready.
func (s *storm) gateNow() (pid int, err error) {
	return pid, wait(patience, func() error {
		pid, err = s.gatePID()
		return err
	})
}

func (s *storm) strikeGate(signal syscall.Signal) error {
	pid, err := s.gateNow()
	if err != nil {
		return err
	}
	s.diary.note("  %v to gate %d", signal, pid)
	_ = syscall.Kill(pid, signal) // it may have been replaced
	return nil
}

// killBoth kills gate and daemon, in either order, and starts another daemon a moment
// later.
func (s *storm) killBoth() error {
	pid, err := s.gateNow()
	if err != nil {
		return err
	}
	first, between := s.rand.IntN(2) == 0, s.upTo(30*time.Millisecond)
	s.diary.note("  gate %d first: %v; then, after %v, the other", pid, first, between)
	if first {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	} else {
		s.daemon.kill(s.t)
	}
	time.Sleep(between) // the moment is what is tried
	if first {
		s.daemon.kill(s.t)
	} else {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	s.breathe()
	s.start()
	return nil
}

// restartGateKilled kills a gate in a moment of its replacement.
func (s *storm) restartGateKilled() error {
	pid, err := s.gateNow()
	if err != nil {
		return err
	}
	done := s.background("restart", "_gate")
	time.Sleep(s.upTo(200 * time.Millisecond)) // the moment is what is tried
	pids, _ := s.masters(&stormApp{name: "_gate"})
	if len(pids) > 0 {
		pid = pids[s.rand.IntN(len(pids))]
	}
	s.diary.note("  killed gate %d of %v", pid, pids)
	_ = syscall.Kill(pid, syscall.SIGKILL)
	return s.told(<-done, &stormApp{name: "_gate"})
}
