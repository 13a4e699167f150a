package fleet

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/runner"
)

const (
	// metricsRetry is how often an address that cannot be had is tried again.
	metricsRetry = 10 * time.Second
	// maxScrapes is how many scrapes may go on at a time.
	maxScrapes = 4
)

// CheckMetricsAddress tells what is wrong with an address for Daemon.Metrics.
func CheckMetricsAddress(addr string) error {
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("%q is not host:port, such as 127.0.0.1:9190", addr)
	}
	if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
		return fmt.Errorf("%q has no port from 1 to 65535, such as 127.0.0.1:9190", addr)
	}
	return nil
}

// metricsPage answers a scrape.
func (d *Daemon) metricsPage(w http.ResponseWriter, r *http.Request) {
	select {
	case d.scrapes <- struct{}{}:
		defer func() { <-d.scrapes }()
	default:
		http.Error(w, fmt.Sprintf("%d scrapes go on already", maxScrapes), http.StatusServiceUnavailable)
		return
	}
	writeMetrics(w, r, d.metrics(r.Context()))
}

// serveMetrics serves Metrics until ctx ends. An address that cannot be had is
// no reason not to run the fleet: it is reported and tried again.
func (d *Daemon) serveMetrics(ctx context.Context) {
	told := ""
	for {
		network, address := runner.TCPAddress(d.Metrics)
		ln, err := (&net.ListenConfig{}).Listen(ctx, network, address)
		if err == nil {
			d.e.log.Info("metrics are served", "address", "http://"+ln.Addr().String()+"/metrics")
			if err = d.serveMetricsOn(ctx, ln); err == nil {
				return
			}
		}
		if ctx.Err() != nil {
			return
		}
		if text := plainNet(err).Error(); text != told {
			told = text
			d.e.log.Error("cannot serve metrics", "address", d.Metrics, "err", text,
				"next", fmt.Sprintf("tried again every %v; the fleet runs on without", d.metricsRetry))
		}
		pause(ctx, d.metricsRetry)
	}
}

func (d *Daemon) serveMetricsOn(ctx context.Context, ln net.Listener) error {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", d.metricsPage)
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = fmt.Fprintf(w, "wsgid-fleet %s\nmetrics: /metrics\n", d.opts.Version)
	})
	srv := &http.Server{
		Handler: mux, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: 16 << 10, ErrorLog: log.New(&quietLog{d.e.log}, "", 0),
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
