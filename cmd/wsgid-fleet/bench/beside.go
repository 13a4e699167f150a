package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// besideApp is what programs beside an app's workers cost: memory of the daemon and of
// the app's master for each, and how often the daemon wakes up while nothing happens.
func (b *bench) besideApp(ctx context.Context, s site) error {
	const n = 200
	var sizes, wakes [2]int64
	for i, count := range []int{0, n} {
		var err error
		if sizes[i], wakes[i], err = b.restBeside(ctx, s, count); err != nil {
			return err
		}
	}
	kb := float64(sizes[1]-sizes[0]) / (1 << 10) / n
	b.table.add(row{
		what: "200 processes beside an app: memory (RSS) of daemon and master for each", ours: fmt.Sprintf("%.1f kB", kb),
		value: kb, bar: bar{most: 30, unit: "kB"},
	})
	b.table.add(row{
		what: "200 processes beside an app: the daemon's wake-ups in 20 s", peer: "without them",
		ours: fmt.Sprint(wakes[1]), their: fmt.Sprint(wakes[0]),
	})
	return nil
}

// restBeside is the memory of daemon and master, and the daemon's wake-ups in a while,
// with so many programs beside the workers.
func (b *bench) restBeside(ctx context.Context, s site, count int) (size, wakes int64, err error) {
	addr, err := freePort()
	if err != nil {
		return 0, 0, err
	}
	s.spec += fmt.Sprintf("  process \"bot\" {\n    command = [\"/bin/sleep\", \"infinity\"]\n    count   = %d\n  }\n", count)
	v, log, err := b.fleetOf(ctx, s, fmt.Sprintf("    http { listen = %q }", addr))
	if v != nil {
		defer v.stop()
	}
	if err != nil {
		return 0, 0, err
	}
	if err := up(ctx, "http://"+addr, log); err != nil {
		return 0, 0, err
	}
	const master, worker = 1, 1
	for deadline := time.Now().Add(time.Minute); len(v.pids()) < master+worker+count; {
		if time.Now().After(deadline) {
			return 0, 0, fmt.Errorf("%d of %d processes do not run: %s", count, len(v.pids()), log)
		}
		if err := sleep(ctx, 50*time.Millisecond); err != nil {
			return 0, 0, err
		}
	}
	if err := rest(ctx, []int{v.daemon, v.pids()[0]}); err != nil {
		return 0, 0, err
	}
	before, err := switches(v.daemon)
	if err != nil {
		return 0, 0, err
	}
	if err := sleep(ctx, 20*time.Second); err != nil {
		return 0, 0, err
	}
	after, err := switches(v.daemon)
	if err != nil {
		return 0, 0, err
	}
	size, err = rss([]int{v.daemon, v.pids()[0]})
	return size, after - before, err
}

// switches is how often the threads of a process have gone to sleep.
func switches(pid int) (n int64, err error) {
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
	if err != nil || len(threads) == 0 {
		return 0, errors.Join(fmt.Errorf("cannot read the threads of process %d", pid), err)
	}
	for _, path := range threads {
		text, err := os.ReadFile(path)
		if err != nil {
			return 0, err
		}
		_, rest, _ := strings.Cut(string(text), "\nvoluntary_ctxt_switches:")
		var one int64
		if _, err := fmt.Sscan(rest, &one); err != nil {
			return 0, fmt.Errorf("cannot read %s: %w", path, err)
		}
		n += one
	}
	return n, nil
}
