package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"time"
)

// rolloutWorkers is how many workers a rollout replaces.
const rolloutWorkers = 4

// rollouts is how long it takes until all workers of a Django app run new code, beside
// an earlier build (-before) if there is one.
func (b *bench) rollouts(ctx context.Context, s site) error {
	times := map[string][]float64{}
	var ratios []float64
	programs := []string{b.fleet}
	if b.before != "" {
		programs = append(programs, b.before)
	}
	fleets := map[string]*fleetOfOne{}
	for _, program := range programs {
		f, err := b.rolloutFleet(ctx, s, program)
		if f != nil {
			defer f.stop()
		}
		if err != nil {
			return err
		}
		fleets[program] = f
	}
	for range b.rounds {
		for _, program := range programs {
			took, err := fleets[program].rollout(ctx)
			if err != nil {
				return err
			}
			times[program] = append(times[program], ms(took))
		}
		if last := len(times[b.fleet]) - 1; b.before != "" {
			ratios = append(ratios, times[b.fleet][last]/times[b.before][last])
		}
	}
	r := row{
		what: fmt.Sprintf("rollout of a Django app, %d workers: until all run the new code", rolloutWorkers),
		ours: fmt.Sprintf("%.0f ms", median(times[b.fleet])),
	}
	if b.before != "" {
		r.peer, r.their = "the build before", fmt.Sprintf("%.0f ms", median(times[b.before]))
		r.ratio, r.bar = median(ratios), bar{most: 0.6}
	}
	b.table.add(r)
	return nil
}

// fleetOfOne is a running fleet that can be asked.
type fleetOfOne struct {
	*server
	program string
	args    []string // where it lies
}

func (b *bench) rolloutFleet(ctx context.Context, s site, program string) (*fleetOfOne, error) {
	addr, err := freePort()
	if err != nil {
		return nil, err
	}
	mine := *b
	mine.fleet = cmp.Or(program, b.fleet)
	s.workers = fmt.Sprintf("count = %d", rolloutWorkers)
	v, log, err := mine.fleetOf(ctx, s, fmt.Sprintf("    http { listen = %q }", addr))
	if err != nil {
		return nil, err
	}
	dir := filepath.Dir(v.specs)
	f := &fleetOfOne{server: v, program: mine.fleet, args: []string{"--dir", v.specs, "--state-dir", b.state(dir)}}
	if err := up(ctx, "http://"+addr+"/hello", log); err != nil {
		return f, err
	}
	_, err = f.settled(ctx, nil)
	return f, err
}

// rollout is the time from the command until no worker is one of those before.
func (f *fleetOfOne) rollout(ctx context.Context) (time.Duration, error) {
	before, err := f.settled(ctx, nil)
	if err != nil {
		return 0, err
	}
	begin := time.Now()
	if out, err := exec.CommandContext(ctx, f.program, append([]string{"reload", "bench"}, f.args...)...).CombinedOutput(); err != nil {
		return 0, fmt.Errorf("reload: %w\n%s", err, out)
	}
	if _, err := f.settled(ctx, before); err != nil {
		return 0, err
	}
	return time.Since(begin), nil
}

// settled waits until as many workers as there should be are ready, and none of those
// in old is among them, and returns them.
func (f *fleetOfOne) settled(ctx context.Context, old map[int]bool) (map[int]bool, error) {
	for end := time.Now().Add(time.Minute); ; {
		out, _ := exec.CommandContext(ctx, f.program, append([]string{"status", "-o", "json"}, f.args...)...).Output()
		var status struct {
			Apps []struct {
				State   string
				Workers []struct {
					PID   int
					State string
				}
			}
		}
		if json.Unmarshal(out, &status) == nil && len(status.Apps) == 1 && status.Apps[0].State == "ready" {
			now := map[int]bool{}
			for _, w := range status.Apps[0].Workers {
				if (w.State == "idle" || w.State == "busy") && !old[w.PID] {
					now[w.PID] = true
				}
			}
			if len(now) == rolloutWorkers && len(status.Apps[0].Workers) == rolloutWorkers {
				return now, nil
			}
		}
		if err := sleep(ctx, 5*time.Millisecond); err != nil { // who asks takes time from them
			return nil, err
		}
		if time.Now().After(end) {
			return nil, fmt.Errorf("%d workers were not ready within a minute: %s", rolloutWorkers, out)
		}
	}
}
