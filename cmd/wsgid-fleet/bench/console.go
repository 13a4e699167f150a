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
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// consoleApps is how many apps the console shows here.
const consoleApps = 1000

// watched is for how many seconds daemons at rest are watched: just as long as from one of
// their rounds, in which they look at their files, to the next.
const watched = 30

// consolePage is what it costs to look at a large fleet, and to be able to: two daemons
// stand beside each other, and a browser looks at one of them.
func (b *bench) consolePage(ctx context.Context, s site) error {
	addr, err := freePort()
	if err != nil {
		return err
	}
	without, _, err := b.daemonOfMany(ctx, s)
	if err != nil {
		return err
	}
	defer without.stop(syscall.SIGTERM)
	with, state, err := b.daemonOfMany(ctx, s, "--console", addr)
	if err != nil {
		return err
	}
	defer with.stop(syscall.SIGTERM)
	both := []int{without.Process.Pid, with.Process.Pid}
	before, err := excessOf(ctx, both)
	if err != nil {
		return err
	}
	seen, err := b.browse(ctx, both, state)
	if err != nil {
		return err
	}
	// A browser that is closed is missed a little later.
	if err := sleep(ctx, 15*time.Second); err != nil {
		return err
	}
	after, err := excessOf(ctx, both)
	if err != nil {
		return err
	}
	value := func(what string, v float64, format string, most float64, unit string) {
		b.console.add(row{what: what, ours: fmt.Sprintf(format, v), value: v, bar: bar{most: most, unit: unit}})
	}
	value("page of 1,000 apps: first paint", seen.Paint, "%.0f ms", 1000, "ms")
	value("an update of it, an app that changes its state: main thread of the browser", seen.Update, "%.1f ms", 50, "ms")
	value("a minute of updates, an app each second: the browser's own process, of a core", seen.browser, "%.1f %%", 5, "%")
	value("a minute of updates, an app each second: the page's process, of a core", seen.pages, "%.1f %%", 5, "%")
	value("daemon while one looks on, of a core, beyond one without console", max(0, seen.looked), "%.2f %%", 1, "%")
	value("daemon while nobody looks, of a core, beyond one without console", max(0, before.share, after.share), "%.2f %%", 0.1, "%")
	value("memory (PSS) of the daemon beyond one without console, before that", before.mb, "%.1f MB", 2, "MB")
	value("memory (PSS) of the daemon beyond one without console, after that", after.mb, "%.1f MB", 2, "MB")
	return nil
}

// daemonOfMany starts a daemon with many idle apps.
func (b *bench) daemonOfMany(ctx context.Context, s site, args ...string) (c *child, state string, err error) {
	specs, err := b.idleSpecs(s, consoleApps)
	if err != nil {
		return nil, "", err
	}
	state = b.state(filepath.Dir(specs))
	c, err = b.children.start("console", filepath.Dir(specs), nil, syscall.SIGTERM, b.fleet,
		append([]string{"run", "--dir", specs, "--state-dir", state}, args...)...)
	if err != nil {
		return nil, "", err
	}
	if err := rest(ctx, []int{c.Process.Pid}); err != nil {
		c.stop(syscall.SIGTERM)
		return nil, "", err
	}
	return c, state, nil
}

// excess is what the second of two processes at rest needs beyond the first.
type excess struct {
	share float64 // of a core, in percent, but for rounds
	mb    float64 // on the average
}

// excessOf watches two daemons for as long as each needs for all that it does at rest. The
// two busiest seconds of each are those of its rounds, which differ by more than what is
// looked for here.
func excessOf(ctx context.Context, both []int) (e excess, err error) {
	var busy [2][]float64
	for range watched {
		var before [2]time.Duration
		began := time.Now()
		for i, pid := range both {
			before[i] = ran(pid)
		}
		if err := sleep(ctx, time.Second); err != nil {
			return e, err
		}
		span := time.Since(began)
		for i, pid := range both {
			busy[i] = append(busy[i], 100*float64(ran(pid)-before[i])/float64(span))
			size, err := pss([]int{pid})
			if err != nil {
				return e, err
			}
			e.mb += [2]float64{-1, 1}[i] * float64(size) / (1 << 20) / watched
		}
	}
	var mean [2]float64
	for i := range busy {
		slices.Sort(busy[i])
		for _, v := range busy[i][:watched-2] {
			mean[i] += v / (watched - 2)
		}
	}
	e.share = mean[1] - mean[0]
	return e, nil
}

// ran is how long the threads of a process have run so far, to the nanosecond.
func ran(pid int) (sum time.Duration) {
	paths, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		first, _, _ := strings.Cut(string(text), " ")
		n, _ := strconv.ParseInt(first, 10, 64)
		sum += time.Duration(n)
	}
	return sum
}

// share is what the second of two processes needs of a core beyond the first, in percent,
// from one round of theirs to the next.
func share(ctx context.Context, both []int) (float64, error) {
	before, began := cpu(both[1:])-cpu(both[:1]), time.Now()
	if err := sleep(ctx, watched*time.Second); err != nil {
		return 0, err
	}
	return 100 * float64(cpu(both[1:])-cpu(both[:1])-before) / float64(time.Since(began)), nil
}

// figuresOfPage are those of browser/figures.mjs, in milliseconds, and the percentage of a
// core that the daemon needs meanwhile beyond the other one.
type figuresOfPage struct {
	Paint, Update, Worst float64
	looked               float64
	// browser and pages are percentages of a core in a minute of updates: of the browser's
	// own process, and of those of its pages.
	browser, pages float64
}

// browse has a browser look at the console of the second of two daemons.
func (b *bench) browse(ctx context.Context, both []int, state string) (f figuresOfPage, err error) {
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
		case "do update for a minute":
			f.browser, f.pages, problem = minuteOfUpdates(ctx, cmd.Process.Pid, fleet)
		case "do look on":
			f.looked, problem = share(ctx, both)
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

// minuteOfUpdates is what the browser's own process and those of its pages need of a core, in
// percent, while every second an app changes its state.
func minuteOfUpdates(ctx context.Context, driver int, fleet func(...string) (string, error)) (own, pages float64, err error) {
	var of [2][]int
	for _, pid := range tree(driver) {
		if pid == driver {
			continue
		}
		command, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		if err != nil {
			return 0, 0, fmt.Errorf("cannot tell what a process of the browser is: %w", err)
		}
		switch {
		case strings.Contains(string(command), "--type=renderer"):
			of[1] = append(of[1], pid)
		case !strings.Contains(string(command), "--type=") && !strings.Contains(string(command), "crashpad"):
			of[0] = append(of[0], pid)
		}
	}
	before := [2]time.Duration{cpu(of[0]), cpu(of[1])}
	began := time.Now()
	for i := 0; time.Since(began) < time.Minute; i++ {
		if _, err := fleet([]string{"stop", "start"}[i%2], "app0"); err != nil {
			return 0, 0, err
		}
		if err := sleep(ctx, time.Until(began.Add(time.Duration(i+1)*time.Second))); err != nil {
			return 0, 0, err
		}
	}
	span := float64(time.Since(began)) / 100
	own, pages = float64(cpu(of[0])-before[0])/span, float64(cpu(of[1])-before[1])/span
	_, err = fleet("start", "app0")
	return own, pages, err
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
