package main

import (
	"context"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// run is what one run of wrk saw.
type run struct {
	requests int
	errors   int // statuses past 399, time-outs
	rate     float64
	p50, p99 time.Duration
}

// wrk loads an address for the time with so many connections. Without keep, a
// connection serves one request.
func (b *bench) wrk(ctx context.Context, url, script string, connections int, keep bool) (run, error) {
	args := []string{
		"-t", "1", "-c", strconv.Itoa(connections), "-d", strconv.Itoa(int(b.seconds/time.Second)) + "s",
		"--timeout", "10s", "-s", b.data(script),
	}
	if !keep {
		args = append(args, "-H", "Connection: close")
	}
	ctx, cancel := context.WithTimeout(ctx, b.seconds+30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, "wrk", append(args, url)...)
	var out []byte
	err := b.onCores(front, func() (err error) {
		out, err = cmd.CombinedOutput()
		return err
	})
	if err != nil {
		return run{}, fmt.Errorf("cannot run wrk on %s: %w: %s", url, err, out)
	}
	r, err := parseWrk(string(out))
	if err != nil {
		return run{}, fmt.Errorf("cannot read wrk's result on %s: %w", url, err)
	}
	return r, nil
}

// parseWrk reads the line that our scripts print: requests, duration,
// errors, p50 and p99, times in microseconds.
func parseWrk(out string) (run, error) {
	_, line, found := strings.Cut(out, "\nresult ")
	if !found {
		return run{}, fmt.Errorf("no result in %q", out)
	}
	line, _, _ = strings.Cut(line, "\n")
	var requests, micros, errs, p50, p99 int
	if _, err := fmt.Sscan(line, &requests, &micros, &errs, &p50, &p99); err != nil {
		return run{}, fmt.Errorf("%q: %w", line, err)
	}
	if requests == 0 || micros == 0 {
		return run{}, fmt.Errorf("no request was answered")
	}
	return run{
		requests: requests, errors: errs, rate: float64(requests) / (float64(micros) / 1e6),
		p50: time.Duration(p50) * time.Microsecond, p99: time.Duration(p99) * time.Microsecond,
	}, nil
}
