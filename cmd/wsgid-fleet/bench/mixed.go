package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"time"
)

// The mixed load: clients that pause between two requests, one in ten of which is for a
// view that waits 100 ms. Four workers have time enough for all of them; what is left to
// a server is whom it has wait for whom.
const (
	mixedClients = 16
	mixedPause   = 60 * time.Millisecond // on average
	mixedTime    = 5 * time.Second       // of one measurement
)

// mixedLoad compares the slowest of the quick requests.
func (b *bench) mixedLoad(ctx context.Context, s site) error {
	servers, stop, err := b.startAll(ctx, s.several(4), []maker{ours, uwsgiHTTP})
	defer stop()
	if err != nil {
		return err
	}
	p99 := make([][]float64, len(servers))
	var ratios []float64
	for round := range b.rounds {
		for i, v := range servers {
			times, err := mixed(ctx, v.url, uint64(round))
			if err != nil {
				return fmt.Errorf("%s: %w", v.name, err)
			}
			p99[i] = append(p99[i], ms(quantile(times, 99)))
		}
		ratios = append(ratios, p99[0][round]/p99[1][round])
	}
	b.table.add(row{
		what: "mixed load, 4 workers, 9 of 10 hello, 1 a view of 100 ms: p99 of hello", peer: servers[1].name,
		ours: fmt.Sprintf("%.1f ms", median(p99[0])), their: fmt.Sprintf("%.1f ms", median(p99[1])),
		ratio: median(ratios), bar: bar{most: 0.5},
	})
	return nil
}

// mixed returns the times of the quick requests. The same seed asks in the same way.
func mixed(ctx context.Context, url string, seed uint64) ([]time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, mixedTime+30*time.Second)
	defer cancel()
	var (
		wg     sync.WaitGroup
		mu     sync.Mutex
		all    []time.Duration
		failed error
	)
	end := time.Now().Add(mixedTime)
	for client := range mixedClients {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(seed, uint64(client))) //nolint:gosec // the same load for every server
			web := &http.Client{Transport: &http.Transport{}}
			defer web.CloseIdleConnections()
			var times []time.Duration
			var err error
			for err == nil && time.Now().Before(end) {
				slow := r.IntN(10) == 0
				path := "/hello"
				if slow {
					path = "/wait/100"
				}
				begin := time.Now()
				if err = get(ctx, web, url+path); err == nil && !slow {
					times = append(times, time.Since(begin))
				}
				if err == nil {
					err = sleep(ctx, time.Duration(r.ExpFloat64()*float64(mixedPause)))
				}
			}
			mu.Lock()
			defer mu.Unlock()
			all = append(all, times...)
			if failed == nil {
				failed = err
			}
		})
	}
	wg.Wait()
	if failed == nil && len(all) == 0 {
		failed = fmt.Errorf("nothing was answered within %v", mixedTime)
	}
	return all, failed
}

// quantile is the least time that so many of a hundred are not above.
func quantile(times []time.Duration, percent int) time.Duration {
	s := slices.Sorted(slices.Values(times))
	if len(s) == 0 {
		return 0
	}
	return s[max((len(s)*percent+99)/100-1, 0)]
}
