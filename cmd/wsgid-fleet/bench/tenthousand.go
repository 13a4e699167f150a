package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// tenThousand is what a daemon costs that has ten thousand specs, and what it takes to
// ask for them. All are disabled: what workers cost is in other rows.
func (b *bench) tenThousand(ctx context.Context, s site) error {
	const (
		n   = 10_000
		off = "  enabled = false\n"
	)
	dir, err := b.temp("T")
	if err != nil {
		return err
	}
	specs, state := filepath.Join(dir, "d"), b.state(dir)
	if err := os.Mkdir(specs, 0o755); err != nil {
		return err
	}
	write := func(i int, attrs string) error {
		name := fmt.Sprintf("app%d", i)
		folder := filepath.Join(dir, name)
		if err := b.appFolder(folder, s.app); err != nil {
			return err
		}
		disabled := s
		disabled.spec = attrs
		// There are not so many ports.
		socket := fmt.Sprintf("    http { listen = \"unix:%s\" }", filepath.Join(dir, name+".sock"))
		return writeWhole(filepath.Join(specs, name+".hcl"), disabled.hcl(name, folder, socket))
	}
	for i := range n {
		if err := write(i, off); err != nil {
			return err
		}
	}
	args := []string{"--dir", specs, "--state-dir", state}
	if out, err := exec.CommandContext(ctx, b.fleet, append([]string{"apply"}, args...)...).CombinedOutput(); err != nil {
		return fmt.Errorf("apply: %w\n%s", err, out)
	}
	c, err := b.children.start("ten-thousand", dir, nil, syscall.SIGTERM, b.fleet, append([]string{"run"}, args...)...)
	if err != nil {
		return err
	}
	defer c.stop(syscall.SIGTERM)
	if err := rest(ctx, []int{c.Process.Pid}); err != nil {
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
	edit := func(debug bool) (file string, err error) {
		return filepath.Join(dir, fmt.Sprintf("app%d", n/2), "wsgid.json"), write(n/2, fmt.Sprintf("%s  debug = %v\n", off, debug))
	}
	if err := b.edits(ctx, c, edit, "10,000", 100); err != nil {
		return err
	}
	for _, ask := range []struct {
		command string
		most    float64
	}{{"status", 1000}, {"plan", 1500}} {
		var times []float64
		for range b.rounds {
			begin := time.Now()
			out, err := exec.CommandContext(ctx, b.fleet, append([]string{ask.command}, args...)...).CombinedOutput()
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
