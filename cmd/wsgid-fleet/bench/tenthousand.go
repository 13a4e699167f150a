package main

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// tenThousand is what a daemon costs that has ten thousand specs, and what it takes to
// ask for them.
func (b *bench) tenThousand(ctx context.Context, s site) error {
	d, err := b.disabledApps(ctx, s, "T", 10_000, func(dir string, i int) string {
		return "unix:" + filepath.Join(dir, fmt.Sprintf("app%d.sock", i)) // there are not so many ports
	})
	if err != nil {
		return err
	}
	c, err := b.children.start("ten-thousand", d.dir, nil, syscall.SIGTERM, b.fleet, append([]string{"run"}, d.args...)...)
	if err != nil {
		return err
	}
	defer c.stop(syscall.SIGTERM)
	if err := rest(ctx, []int{c.Process.Pid}); err != nil {
		return err
	}
	if err := sleep(ctx, comeToRest); err != nil {
		return err
	}
	size, err := rss([]int{c.Process.Pid})
	if err != nil {
		return err
	}
	mb := float64(size) / (1 << 20)
	b.table.add(row{
		what: "daemon with 10,000 specs: memory (RSS)", ours: fmt.Sprintf("%.0f MB", mb),
		value: mb, bar: bar{most: 200, unit: "MB"},
	})
	if err := b.edits(ctx, c, d.edit, "10,000", 100); err != nil {
		return err
	}
	for _, ask := range []struct {
		command string
		most    float64
	}{{"status", 1000}, {"plan", 1500}} {
		var times []float64
		for range b.rounds {
			begin := time.Now()
			out, err := exec.CommandContext(ctx, b.fleet, append([]string{ask.command}, d.args...)...).CombinedOutput()
			times = append(times, ms(time.Since(begin)))
			if err != nil {
				return fmt.Errorf("%s: %w\n%.1000s", ask.command, err, out)
			}
		}
		b.table.add(row{
			what: "daemon with 10,000 specs: " + ask.command, ours: fmt.Sprintf("%.0f ms", median(times)),
			value: median(times), bar: bar{most: ask.most, unit: "ms"},
		})
	}
	return nil
}
