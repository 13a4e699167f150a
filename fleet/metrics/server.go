package metrics

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/runner"
)

const (
	// retryAfter is how often an address that cannot be had is tried again.
	retryAfter = 10 * time.Second
	// maxScrapes is how many scrapes may go on at a time.
	maxScrapes = 4
)

// Server answers scrapes. Set the exported fields.
type Server struct {
	Version string
	Log     *slog.Logger
	// Read looks at the fleet for one scrape.
	Read func(ctx context.Context) *Fleet
	// Retry is how often an address that cannot be had is tried again; 0: 10 s.
	Retry time.Duration

	scrapes atomic.Int32 // that go on
}

// CheckAddress tells what is wrong with an address for Listen.
func CheckAddress(addr string) error {
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("%q is not host:port, such as 127.0.0.1:9190", addr)
	}
	if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
		return fmt.Errorf("%q has no port from 1 to 65535, such as 127.0.0.1:9190", addr)
	}
	return nil
}

// ServeHTTP answers a scrape.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	defer s.scrapes.Add(-1)
	if s.scrapes.Add(1) > maxScrapes {
		http.Error(w, fmt.Sprintf("%d scrapes go on already", maxScrapes), http.StatusServiceUnavailable)
		return
	}
	write(w, r, s.Read(r.Context()).families())
}

// Listen serves /metrics at an address until ctx ends. An address that cannot be had
// is no reason not to run the fleet: it is reported and tried again.
func (s *Server) Listen(ctx context.Context, addr string) {
	retry := s.Retry
	if retry == 0 {
		retry = retryAfter
	}
	told := ""
	for {
		network, address := runner.TCPAddress(addr)
		ln, err := (&net.ListenConfig{}).Listen(ctx, network, address)
		if err == nil {
			s.Log.Info("metrics are served", "address", "http://"+ln.Addr().String()+"/metrics")
			if err = s.serve(ctx, ln); err == nil {
				return
			}
		}
		if ctx.Err() != nil {
			return
		}
		if text := reason(err); text != told {
			told = text
			s.Log.Error("cannot serve metrics", "address", addr, "err", text,
				"next", fmt.Sprintf("retrying every %v; the fleet continues without it", retry))
		}
		select {
		case <-ctx.Done():
		case <-time.After(retry):
		}
	}
}

// reason is the last word of an error of package net.
func reason(err error) string {
	if en, ok := errors.AsType[syscall.Errno](err); ok {
		return en.Error()
	}
	return err.Error()
}

func (s *Server) serve(ctx context.Context, ln net.Listener) error {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", s)
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = fmt.Fprintf(w, "wsgid-fleet %s\nmetrics: /metrics\n", s.Version)
	})
	srv := &http.Server{
		Handler: mux, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: 16 << 10, ErrorLog: slog.NewLogLogger(s.Log.Handler(), slog.LevelDebug), // of bad clients
		BaseContext: func(net.Listener) context.Context { return ctx },
	}
	stop := context.AfterFunc(ctx, func() { _ = srv.Close() })
	defer stop()
	err := srv.Serve(ln)
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}
