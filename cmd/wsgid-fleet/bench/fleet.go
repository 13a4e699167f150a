package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// many is a number of apps that are written, and served, in one way: as specs
// of ours, as an Emperor's vassals, as supervisord's programs.
type many struct {
	name  string
	write func(i int, addr string) error // makes app number i known
	start func() (*child, error)         // the daemon
	// tell makes the daemon look; nil: it looks by itself
	tell func(context.Context) error
}

// manyOurs prepares a fleet of apps, each with a copy of the code in its folder.
func (b *bench) manyOurs(s site) (many, error) {
	dir, err := b.temp("w")
	if err != nil {
		return many{}, err
	}
	specs, state := filepath.Join(dir, "d"), b.state(dir)
	if err := os.Mkdir(specs, 0o755); err != nil {
		return many{}, err
	}
	return many{
		name: ours.name,
		write: func(i int, addr string) error {
			name := fmt.Sprintf("app%d", i)
			folder := filepath.Join(dir, name)
			if err := b.appFolder(folder, s.app); err != nil {
				return err
			}
			return writeWhole(filepath.Join(specs, name+".hcl"), s.hcl(name, folder, fmt.Sprintf("    http { listen = %q }", addr)))
		},
		start: func() (*child, error) {
			return b.children.start("fleet", dir, nil, syscall.SIGTERM, b.fleet, "run", "--dir", specs, "--state-dir", state)
		},
	}, nil
}

// manyEmperor prepares uWSGI's Emperor with its own defaults, and the same
// copies.
func (b *bench) manyEmperor(s site) (many, error) {
	dir, err := b.temp("e")
	if err != nil {
		return many{}, err
	}
	vassals := filepath.Join(dir, "vassals")
	if err := os.Mkdir(vassals, 0o755); err != nil {
		return many{}, err
	}
	return many{
		name: "uWSGI Emperor",
		write: func(i int, addr string) error {
			folder := filepath.Join(dir, fmt.Sprintf("app%d", i))
			if err := b.appFolder(folder, s.app); err != nil {
				return err
			}
			return writeWhole(filepath.Join(vassals, fmt.Sprintf("app%d.ini", i)), fmt.Sprintf(
				"[uwsgi]\nhttp-socket = %s\nmaster = true\nprocesses = 1\nneed-app = true\ndisable-logging = true\npythonpath = %s\nmodule = %s\n",
				addr, filepath.Join(folder, "app"), s.wsgi))
		},
		start: func() (*child, error) {
			return b.children.start("emperor", dir, nil, syscall.SIGKILL, "uwsgi_python3", "--die-on-term", "--emperor", vassals)
		},
	}, nil
}

// manySupervisord prepares supervisord with a gunicorn for each app, and the
// same copies.
func (b *bench) manySupervisord(s site) (many, error) {
	dir, err := b.temp("v")
	if err != nil {
		return many{}, err
	}
	programs := filepath.Join(dir, "conf.d")
	if err := os.Mkdir(programs, 0o755); err != nil {
		return many{}, err
	}
	conf, err := b.fill("supervisord.conf", dir, "DIR", dir)
	if err != nil {
		return many{}, err
	}
	return many{
		name: "supervisord + gunicorn",
		write: func(i int, addr string) error {
			name := fmt.Sprintf("app%d", i)
			folder := filepath.Join(dir, name)
			if err := b.appFolder(folder, s.app); err != nil {
				return err
			}
			return writeWhole(filepath.Join(programs, name+".conf"), fmt.Sprintf(
				"[program:%s]\ncommand=gunicorn --bind %s --workers 1 --pythonpath %s %s\nstartsecs=0\nstdout_logfile=NONE\nstderr_logfile=NONE\n",
				name, addr, filepath.Join(folder, "app"), s.wsgi))
		},
		start: func() (*child, error) {
			return b.children.start("supervisord", dir, nil, syscall.SIGTERM, "supervisord", "-n", "-c", conf)
		},
		tell: func(ctx context.Context) error {
			if out, err := exec.CommandContext(ctx, "supervisorctl", "-c", conf, "update").CombinedOutput(); err != nil {
				return fmt.Errorf("supervisorctl update: %w\n%s", err, out)
			}
			return nil
		},
	}, nil
}

// writeWhole writes a file that nobody sees half of.
func writeWhole(path, text string) error {
	tmp := path + ".tmp"
	if err := os.WriteFile(tmp, []byte(text), 0o644); err != nil {
		return err
	}
	return os.Rename(tmp, path)
}

// fleetOfMany compares many apps at once with other ways to run them.
func (b *bench) fleetOfMany(ctx context.Context, s site) error {
	type result struct{ cold, first float64 }
	var ours result
	for i, prepare := range []func(site) (many, error){b.manyOurs, b.manyEmperor, b.manySupervisord} {
		m, err := prepare(s)
		if err != nil {
			return err
		}
		var r result
		if r.cold, r.first, err = b.coldStart(ctx, m); err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
		if i == 0 {
			ours = r
			continue
		}
		cold, first := bar{}, bar{}
		if i == 1 {
			cold, first = bar{most: 0.45}, bar{most: 0.2}
		}
		b.table.add(row{
			what: fmt.Sprintf("%d apps, cold start to the last one's first answer", b.apps), peer: m.name,
			ours: fmt.Sprintf("%.1f s", ours.cold), their: fmt.Sprintf("%.1f s", r.cold),
			ratio: ours.cold / r.cold, bar: cold,
		})
		b.table.add(row{
			what: "a new spec among them to the new app's first answer", peer: m.name,
			ours: fmt.Sprintf("%.2f s", ours.first), their: fmt.Sprintf("%.2f s", r.first),
			ratio: ours.first / r.first, bar: first,
		})
	}
	return b.thousand(ctx, s)
}

// coldStart returns the seconds from the daemon's start until all apps have
// answered, the median of several, as after a boot: they have run once before, so
// folders, byte code and page cache are there. And the median of those from the
// write of one more spec to its app's first answer.
func (b *bench) coldStart(ctx context.Context, m many) (all, one float64, err error) {
	addrs := make([]string, b.apps)
	for i := range addrs {
		if addrs[i], err = freePort(); err != nil {
			return 0, 0, err
		}
		if err := m.write(i, addrs[i]); err != nil {
			return 0, 0, err
		}
	}
	var c *child
	var starts []float64
	for range 1 + b.rounds {
		if c != nil {
			c.stop(syscall.SIGTERM)
		}
		begin := time.Now()
		if c, err = m.start(); err != nil {
			return 0, 0, err
		}
		for _, addr := range addrs {
			if err := up(ctx, "http://"+addr, c.log); err != nil {
				c.stop(syscall.SIGTERM)
				return 0, 0, err
			}
		}
		starts = append(starts, time.Since(begin).Seconds())
	}
	all = median(starts[1:])
	defer c.stop(syscall.SIGTERM)
	var times []float64
	for i := range b.rounds {
		addr, err := freePort()
		if err != nil {
			return 0, 0, err
		}
		// An operator writes at any moment; the Emperor looks every three seconds,
		// and again at once while a vassal is starting.
		if err := sleep(ctx, time.Second+time.Duration(i)*700*time.Millisecond); err != nil {
			return 0, 0, err
		}
		begin := time.Now()
		if err := m.write(b.apps+i, addr); err != nil {
			return 0, 0, err
		}
		if m.tell != nil {
			if err := m.tell(ctx); err != nil {
				return 0, 0, err
			}
		}
		if err := up(ctx, "http://"+addr, c.log); err != nil {
			return 0, 0, err
		}
		times = append(times, time.Since(begin).Seconds())
	}
	return all, median(times), nil
}

// thousand is what a thousand disabled apps cost the daemon, and how long a
// plan takes when one of them was edited.
func (b *bench) thousand(ctx context.Context, s site) error {
	d, err := b.disabledApps(ctx, s, "t", 1000, func(_ string, i int) string { return fmt.Sprintf("127.0.0.1:%d", 20000+i) })
	if err != nil {
		return err
	}
	if err := d.write(d.n/2, "  enabled = true\n"); err != nil {
		return err
	}
	var times []float64
	for range b.rounds {
		begin := time.Now()
		out, err := exec.CommandContext(ctx, b.fleet, append([]string{"plan"}, d.args...)...).CombinedOutput()
		times = append(times, ms(time.Since(begin)))
		if code := exitCode(err); code != 2 {
			return fmt.Errorf("plan ended with %d: %s", code, out)
		}
	}
	b.table.add(row{
		what: "plan of 1,000 apps by a process of its own, no daemon running", ours: fmt.Sprintf("%.0f ms", median(times)),
	})
	if err := d.write(d.n/2, disabled); err != nil {
		return err
	}
	return b.idleDaemon(ctx, d.dir, d.args, d.edit)
}

// idleDaemon measures a daemon that has nothing to do, and then has it edited.
func (b *bench) idleDaemon(ctx context.Context, dir string, args []string, edit func(debug bool) (file string, err error)) error {
	c, err := b.children.start("thousand", dir, nil, syscall.SIGTERM, b.fleet, append([]string{"run"}, args...)...)
	if err != nil {
		return err
	}
	defer c.stop(syscall.SIGTERM)
	pids := []int{c.Process.Pid}
	if err := rest(ctx, pids); err != nil {
		return err
	}
	const watched = 20 * time.Second
	before := cpu(pids)
	if err := sleep(ctx, watched); err != nil {
		return err
	}
	share := 100 * float64(cpu(pids)-before) / float64(watched)
	size, err := rss(pids)
	if err != nil {
		return err
	}
	mb := float64(size) / (1 << 20)
	b.table.add(row{
		what: "daemon with 1,000 disabled apps: memory (RSS)", ours: fmt.Sprintf("%.0f MB", mb),
		value: mb, bar: bar{most: 60, unit: "MB"},
	})
	b.table.add(row{
		what: "daemon with 1,000 disabled apps, nothing changing: share of a core", ours: fmt.Sprintf("%.2f %%", share),
		value: share, bar: bar{most: 0.2, unit: "%"},
	})
	return b.edits(ctx, c, edit, "1,000", 200)
}

// edits measures how long a daemon takes from an edit until the edited app's
// wsgid.json says so.
func (b *bench) edits(ctx context.Context, c *child, edit func(debug bool) (file string, err error), specs string, most float64) error {
	var times []float64
	for i := range b.rounds {
		begin := time.Now()
		file, err := edit(i%2 == 0)
		if err != nil {
			return err
		}
		want := fmt.Appendf(nil, "\"debug\": %v,", i%2 == 0)
		for {
			if got, _ := os.ReadFile(file); bytes.Contains(got, want) {
				break
			}
			if time.Since(begin) > 10*time.Second {
				return fmt.Errorf("the daemon does not carry out an edit: %s", c.log)
			}
			if err := sleep(ctx, time.Millisecond); err != nil {
				return err
			}
		}
		times = append(times, ms(time.Since(begin)))
		if err := rest(ctx, []int{c.Process.Pid}); err != nil {
			return err
		}
	}
	b.table.add(row{
		what: "daemon with " + specs + " specs: one edit, until it is planned and carried out", ours: fmt.Sprintf("%.0f ms", median(times)),
		value: median(times), bar: bar{most: most, unit: "ms"},
	})
	return nil
}

// rest waits until a second has cost the processes almost nothing.
func rest(ctx context.Context, pids []int) error {
	for range 60 {
		before := cpu(pids)
		if err := sleep(ctx, time.Second); err != nil {
			return err
		}
		if cpu(pids)-before <= 10*time.Millisecond {
			return nil
		}
	}
	return fmt.Errorf("processes %v do not come to rest", pids)
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

func exitCode(err error) int {
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return exit.ExitCode()
	}
	if err != nil {
		return -1
	}
	return 0
}
