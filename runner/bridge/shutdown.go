package bridge

import (
	"context"
	"time"
)

// idleGrace is how long an idle connection outlives the call of Shutdown.
const idleGrace = time.Second

// Shutdown has Greet take nobody any more, and returns when HTTP1 has what is its own and
// all requests over HTTP/2 have their response.
// When ctx ends first it cuts what is left, as Close does, and returns why.
func (s *Server) Shutdown(ctx context.Context) error {
	s.init()
	s.drain()
	done := make(chan struct{})
	go func() {
		defer close(done)
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
	s.cut()
	s.greeting.Wait()
	s.running.Wait()
	s.handlers.Wait()
}

func (s *Server) drain() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.draining = true
}

func (s *Server) isDraining() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.draining
}

func (s *Server) cut() {
	for h := range s.h2servers() {
		_ = h.http.Close()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.http2 {
		_ = c.Close()
	}
	for g := range s.greetings {
		g.expire()
	}
}
