package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// consoleApps is how many apps the console shows here.
const consoleApps = 1000

// consolePage is what it costs to look at a large fleet, and to be able to.
func (b *bench) consolePage(ctx context.Context, s site) error {
	without, before, err := b.daemonAtRest(ctx, s, nil, nil)
	if err != nil {
		return err
	}
	addr, err := freePort()
	if err != nil {
		return err
	}
	var seen figuresOfPage
	with, quiet, err := b.daemonAtRest(ctx, s, []string{"--console", addr}, func(c *child, state string) (err error) {
		seen, err = b.browse(ctx, c.Process.Pid, state)
		return err
	})
	if err != nil {
		return err
	}
	value := func(what string, v float64, format string, most float64, unit string) {
		b.console.add(row{what: what, ours: fmt.Sprintf(format, v), value: v, bar: bar{most: most, unit: unit}})
	}
	value("page of 1,000 apps: first paint", seen.Paint, "%.0f ms", 1000, "ms")
	value("an update of it, an app that changes its state: main thread of the browser", seen.Update, "%.1f ms", 50, "ms")
	value("daemon while one looks on, of a core, beyond one without console", max(0, seen.looked-before), "%.2f %%", 1, "%")
	value("daemon while nobody looks, of a core, beyond one without console", max(0, quiet-before), "%.2f %%", 0.1, "%")
	value("memory (PSS) of the daemon beyond one without console, after that", float64(with-without)/(1<<20), "%.1f MB", 2, "MB")
	return nil
}

// daemonAtRest runs a daemon with so many idle apps, has something done with it, and
// returns its memory at rest, and its percentage of a core then.
func (b *bench) daemonAtRest(ctx context.Context, s site, args []string, then func(c *child, state string) error) (size int64, quiet float64, err error) {
	specs, err := b.idleSpecs(s, consoleApps)
	if err != nil {
		return 0, 0, err
	}
	state := b.state(filepath.Dir(specs))
	c, err := b.children.start("console", filepath.Dir(specs), nil, syscall.SIGTERM, b.fleet,
		append([]string{"run", "--dir", specs, "--state-dir", state}, args...)...)
	if err != nil {
		return 0, 0, err
	}
	defer c.stop(syscall.SIGTERM)
	pids := []int{c.Process.Pid}
	if err := rest(ctx, pids); err != nil {
		return 0, 0, err
	}
	if then != nil {
		if err := then(c, state); err != nil {
			return 0, 0, err
		}
		if err := rest(ctx, pids); err != nil {
			return 0, 0, err
		}
	}
	if quiet, err = share(ctx, c.Process.Pid); err != nil {
		return 0, 0, err
	}
	size, err = pss(pids)
	return size, quiet, err
}

// share is the percentage of a core that a process takes for a while.
func share(ctx context.Context, pid int) (float64, error) {
	const span = 20 * time.Second
	before, began := cpu([]int{pid}), time.Now()
	if err := sleep(ctx, span); err != nil {
		return 0, err
	}
	return 100 * float64(cpu([]int{pid})-before) / float64(time.Since(began)), nil
}

// figuresOfPage are those of browser/figures.mjs, in milliseconds, and the daemon's
// percentage of a core meanwhile.
type figuresOfPage struct {
	Paint, Update, Worst float64
	looked               float64
}

// browse has a browser look at the console of a daemon.
func (b *bench) browse(ctx context.Context, daemon int, state string) (f figuresOfPage, err error) {
	fleet := func(args ...string) (string, error) {
		out, err := exec.CommandContext(ctx, b.fleet, append(args, "--state-dir", state)...).Output()
		return strings.TrimSpace(string(out)), err
	}
	login, err := fleet("console")
	if err != nil {
		return f, fmt.Errorf("cannot log in: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "node", filepath.Join(b.root, "cmd/wsgid-fleet/e2e/browser/figures.mjs"))
	home, err := b.temp("h")
	if err != nil {
		return f, err
	}
	cmd.Env = append(os.Environ(), "MODULES="+filepath.Join(b.root, ".cache/browser"), "CHROMIUM=/usr/bin/chromium", "HOME="+home,
		"LOGIN="+login, fmt.Sprintf("APPS=%d", consoleApps))
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return f, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return f, err
	}
	if err := cmd.Start(); err != nil {
		return f, fmt.Errorf("cannot start node: %w", err)
	}
	var problem error
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		switch text := lines.Text(); text {
		case "do stop", "do start":
			_, problem = fleet(strings.TrimPrefix(text, "do "), "app0")
		case "do look on":
			f.looked, problem = share(ctx, daemon)
		default:
			problem = json.Unmarshal([]byte(text), &f)
		}
		if problem != nil {
			cancel()
			break
		}
		_, _ = stdin.Write([]byte("\n")) // it may have ended
	}
	return f, errors.Join(problem, cmd.Wait())
}

// debian is the size of the Debian package of this checkout.
func (b *bench) debian(ctx context.Context, _ site) error {
	deb := filepath.Join(b.dir, "wsgid-fleet.deb")
	cmd := exec.CommandContext(ctx, "make", "-s", "deb", "DEB="+deb)
	cmd.Dir = b.root
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("cannot make the package: %w\n%s", err, out)
	}
	info, err := os.Stat(deb)
	if err != nil {
		return err
	}
	mb := float64(info.Size()) / (1 << 20)
	b.table.add(row{what: "the Debian package", ours: fmt.Sprintf("%.1f MB", mb), value: mb, bar: bar{most: 15, unit: "MB"}})
	return nil
}
