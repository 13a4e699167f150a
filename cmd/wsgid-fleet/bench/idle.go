package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// idleTimeout is how long an app of these scenarios keeps a worker, and then
// its master.
const idleTimeout = "300ms"

// onDemand is the site with no worker until somebody asks.
func (s site) onDemand() site {
	s.workers = fmt.Sprintf("min = 0\n    max = 1\n    idle_timeout = %q", idleTimeout)
	return s
}

// wake is the time from nothing to an answer, beside what Python needs by itself
// to start and import the app: with a master that has no worker, and where the
// daemon has ended the master too.
func (b *bench) wake(ctx context.Context, s site) error {
	addr, err := freePort()
	if err != nil {
		return err
	}
	v, log, err := b.fleetOf(ctx, s.onDemand(), fmt.Sprintf("    http { listen = %q }", addr))
	if v != nil {
		defer v.stop()
	}
	if err != nil {
		return err
	}
	url := "http://" + addr
	if err := up(ctx, url, log); err != nil {
		return err
	}
	var python, worker, master []float64
	var byWorker, byMaster []float64
	for range 4 * b.rounds {
		bare, err := importing(ctx, s)
		if err != nil {
			return err
		}
		w, err := answerFrom(ctx, v, url, 1)
		if err != nil {
			return err
		}
		m, err := answerFrom(ctx, v, url, 0)
		if err != nil {
			return err
		}
		python, worker, master = append(python, ms(bare)), append(worker, ms(w)), append(master, ms(m))
		byWorker, byMaster = append(byWorker, ms(w)/ms(bare)), append(byMaster, ms(m)/ms(bare))
	}
	const peer = "python3 -c 'import …' alone"
	b.table.add(row{
		what: "idle app, from no worker to the first answer", peer: peer,
		ours: fmt.Sprintf("%.0f ms", median(worker)), their: fmt.Sprintf("%.0f ms", median(python)),
		ratio: median(byWorker), bar: bar{most: 0.4},
	})
	b.table.add(row{
		what: "idle app, from no worker and no master to the first answer", peer: peer,
		ours: fmt.Sprintf("%.0f ms", median(master)), their: fmt.Sprintf("%.0f ms", median(python)),
		ratio: median(byMaster),
	})
	return nil
}

// importing is how long Python takes to start, import the app and end.
func importing(ctx context.Context, s site) (time.Duration, error) {
	return importingBy(ctx, "/usr/bin/python3", s.app, "bench")
}

func importingBy(ctx context.Context, interpreter, dir, module string) (time.Duration, error) {
	python := exec.CommandContext(ctx, interpreter, "-c", "import "+module)
	python.Dir = dir
	begin := time.Now()
	err := python.Run()
	return time.Since(begin), err
}

// answerFrom waits until the app has that many processes, and returns how long
// it takes to answer then.
func answerFrom(ctx context.Context, v *server, url string, processes int) (time.Duration, error) {
	for begin := time.Now(); len(v.pids()) != processes; {
		if time.Since(begin) > 30*time.Second {
			return 0, fmt.Errorf("%d processes after 30 s, waiting for %d", len(v.pids()), processes)
		}
		if err := sleep(ctx, 5*time.Millisecond); err != nil {
			return 0, err
		}
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	begin := time.Now()
	err := get(ctx, &client, url)
	return time.Since(begin), err
}

// thousandIdle is what each of a thousand idle apps costs, with all that runs for
// them: the daemon, and who holds their sockets.
func (b *bench) thousandIdle(ctx context.Context, s site) error {
	const n = 1000
	specs, err := b.idleSpecs(s, n)
	if err != nil {
		return err
	}
	dir := filepath.Dir(specs)
	state := b.state(dir)
	c, err := b.children.start("idle", dir, nil, syscall.SIGTERM, b.fleet, "run", "--dir", specs, "--state-dir", state)
	if err != nil {
		return err
	}
	defer c.stop(syscall.SIGTERM)
	pids := []int{c.Process.Pid}
	if err := rest(ctx, pids); err != nil {
		return err
	}
	all := tree(c.Process.Pid)
	size, err := pss(all)
	if err != nil {
		return err
	}
	kb := float64(size) / (1 << 10) / n
	b.table.add(row{
		what: "1,000 idle apps (min = 0) under the daemon: memory (PSS) of each", ours: fmt.Sprintf("%.0f kB", kb),
		value: kb, bar: bar{most: 100, unit: "kB"},
	})
	return nil
}

// idleSpecs writes the specs and folders of n apps that have no worker until somebody
// asks, and returns the directory of the specs.
func (b *bench) idleSpecs(s site, n int) (specs string, err error) {
	dir, err := b.temp("i")
	if err != nil {
		return "", err
	}
	specs = filepath.Join(dir, "d")
	if err := os.Mkdir(specs, 0o755); err != nil {
		return "", err
	}
	for i := range n {
		name := fmt.Sprintf("app%d", i)
		folder := filepath.Join(dir, name)
		if err := b.appFolder(folder, s.app); err != nil {
			return "", err
		}
		addr, err := freePort()
		if err != nil {
			return "", err
		}
		text := s.onDemand().hcl(name, folder, fmt.Sprintf("    http { listen = %q }", addr))
		if err := writeWhole(filepath.Join(specs, name+".hcl"), text); err != nil {
			return "", err
		}
	}
	return specs, nil
}
