package bridge

import (
	"context"
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// idleGrace is how long an idle HTTP/1 connection outlives the call of
// Shutdown.
const idleGrace = time.Second

// maxFinalAccepts bounds what is let in when a listener is closed.
const maxFinalAccepts = 4096

// Shutdown stops accepting and returns when all requests have their response.
// When ctx ends first it cuts what is left, as Close does, and returns why.
func (s *Server) Shutdown(ctx context.Context) error {
	s.init()
	s.drain()
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.accepting.Wait()
		s.greeting.Wait()
		s.shutdownH2(ctx)
		s.running.Wait()
		s.handlers.Wait()
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		s.cut()
		<-done
		return context.Cause(ctx)
	}
}

// Close cuts all connections and returns when nothing runs any more.
func (s *Server) Close() {
	s.init()
	s.drain()
	s.accepting.Wait()
	s.cut()
	s.running.Wait()
	s.handlers.Wait()
}

func (s *Server) drain() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.draining = true
	for ln := range s.listeners {
		lastCall(ln)
	}
	for c := range s.conns {
		c.drain()
	}
}

func (s *Server) isDraining() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.draining
}

// lastCall leaves a listener time for those who wait already, and no more.
func lastCall(ln net.Listener) {
	if d, ok := ln.(interface{ SetDeadline(t time.Time) error }); ok && d.SetDeadline(time.Now().Add(time.Millisecond)) == nil {
		return
	}
	_ = ln.Close()
}

// clientsWait tells whether the listener has a client that is not accepted yet.
func clientsWait(ln net.Listener) bool {
	sc, ok := ln.(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return false
	}
	ready := 0
	_ = raw.Control(func(fd uintptr) {
		p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		ready, _ = unix.Poll(p, 0)
	})
	return ready > 0
}

func (s *Server) cut() {
	for h := range s.h2servers() {
		_ = h.http.Close()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.raw {
		_ = c.Close()
	}
}
