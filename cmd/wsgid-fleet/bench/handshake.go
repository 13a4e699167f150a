package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"
)

// handshakes loads a server with connections that are all new, one request each: wrk's
// own take up the TLS session of the one before.
func (b *bench) handshakes(ctx context.Context, url string, connections int) (run, error) {
	ctx, cancel := context.WithTimeout(ctx, b.seconds+30*time.Second)
	defer cancel()
	var (
		mu    sync.Mutex
		times []time.Duration
		r     run
		last  error
		wg    sync.WaitGroup
	)
	begin := time.Now()
	for range connections {
		wg.Go(func() {
			client := http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{
				DisableKeepAlives: true,
				// The client is to cost as little as it can: a group of keys that every server
				// has, and no chain to verify.
				TLSClientConfig: &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13, CurvePreferences: []tls.CurveID{tls.X25519}}, //nolint:gosec // a server of ours, by a certificate of ours
			}}
			for time.Since(begin) < b.seconds && ctx.Err() == nil {
				start := time.Now()
				err := fetch(ctx, &client, url)
				took := time.Since(start)
				mu.Lock()
				if err == nil {
					times = append(times, took)
				} else {
					r.errors++
					last = err
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	whole := time.Since(begin)
	if len(times) == 0 {
		return run{}, fmt.Errorf("cannot load %s: no request was answered: %w", url, last)
	}
	slices.Sort(times)
	r.requests, r.rate = len(times), float64(len(times))/whole.Seconds()
	r.p50, r.p99 = times[len(times)/2], times[len(times)*99/100]
	return r, ctx.Err()
}

func fetch(ctx context.Context, client *http.Client, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return errors.New(resp.Status)
	}
	return nil
}
