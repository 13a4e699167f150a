package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// deployed is an app under a daemon whose code comes from a repository.
type deployed struct {
	*repository
	url  string
	log  string // the daemon's
	args []string
	stop func()
}

// stage is one of a deploy, as deploy -o json tells it.
type stage struct {
	Name         string
	Began, Ended time.Time
}

// deployNew is a new repository, whose app needs that many wheels, deployed once.
func (b *bench) deployNew(ctx context.Context, requirements int) (*repository, *deployed, error) {
	r, err := b.newRepository(ctx, requirements)
	if err != nil {
		return nil, nil, err
	}
	d, err := b.deployFrom(ctx, r)
	return r, d, err
}

// deployFrom starts a daemon over an app and deploys it once.
func (b *bench) deployFrom(ctx context.Context, r *repository) (*deployed, error) {
	dir, err := b.temp("d")
	if err != nil {
		return nil, err
	}
	addr, err := freePort()
	if err != nil {
		return nil, err
	}
	folder, specs := filepath.Join(dir, "hello"), filepath.Join(dir, "d")
	for _, path := range []string{folder, specs} {
		if err := os.Mkdir(path, 0o755); err != nil {
			return nil, err
		}
	}
	if err := b.give(folder); err != nil {
		return nil, err
	}
	s := site{wsgi: "hello:application", spec: fmt.Sprintf(`  deploy {
    repository   = %q
    branch       = "main"
    requirements = ["requirements.txt"]
    wheels       = %q
  }
`, r.url(), r.wheels)}
	if err := os.WriteFile(filepath.Join(specs, "hello.hcl"), []byte(s.hcl("hello", folder, fmt.Sprintf("    http { listen = %q }", addr))), 0o644); err != nil {
		return nil, err
	}
	d := &deployed{repository: r, url: "http://" + addr}
	// The logbook is on the disk, as it is with people.
	d.args = []string{"--dir", specs, "--state-dir", b.state(dir), "--data-dir", filepath.Join(dir, "data")}
	c, err := b.children.start("deploys", dir, nil, syscall.SIGTERM, b.fleet, append([]string{"run"}, d.args...)...)
	if err != nil {
		return nil, err
	}
	d.log, d.stop = c.log, func() { c.stop(syscall.SIGTERM) }
	version, err := r.next(ctx, true)
	if err == nil {
		_, err = d.deploy(ctx)
	}
	if err == nil {
		err = answers(ctx, d.url, version, d.log)
	}
	if err != nil {
		d.stop()
		return nil, err
	}
	return d, nil
}

// deploy deploys what the repository has, and waits for the end.
func (d *deployed) deploy(ctx context.Context) ([]stage, error) {
	var said bytes.Buffer
	cmd := exec.CommandContext(ctx, d.b.fleet, append([]string{"deploy", "hello", "--wait", "-o", "json"}, d.args...)...)
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("deploy: %w\n%s%s", err, out, said.Bytes())
	}
	var result struct{ Deploy struct{ Stages []stage } }
	if err := json.Unmarshal(out, &result); err != nil {
		return nil, fmt.Errorf("cannot read what deploy says: %w: %s", err, out)
	}
	return result.Deploy.Stages, nil
}

// script is the way by hand, see testdata/bench/deploy.sh.
type script struct {
	*repository
	dir, addr string
	log       bytes.Buffer
}

// release is the folder of the newest version.
func (s *script) release() string { return filepath.Join(s.dir, fmt.Sprintf("release%d", s.n)) }

func (s *script) run(ctx context.Context) error {
	s.log.Reset()
	cmd := exec.CommandContext(ctx, s.b.data("deploy.sh"), s.url(), s.wheels, s.dir, s.release(), s.addr)
	cmd.Stdout, cmd.Stderr = &s.log, &s.log
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%w\n%s", err, s.log.Bytes())
	}
	return nil
}

// answers asks an address until the answer begins with a word.
func answers(ctx context.Context, url, want, log string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for {
		have, err := text(ctx, &client, url)
		if err == nil && strings.HasPrefix(have, want+" ") {
			return nil
		}
		select {
		case <-ctx.Done():
			tail, _ := os.ReadFile(log)
			return fmt.Errorf("%s answers %q (%w), and not %s\n%s", url, have, errors.Join(err, ctx.Err()), want, tail)
		case <-time.After(2 * time.Millisecond):
		}
	}
}

func text(ctx context.Context, client *http.Client, url string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	resp, err := client.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return string(body), err
}

// untilAnswered is how long something takes until what it brings answers.
func untilAnswered(ctx context.Context, url, want, log string, do func() error) (time.Duration, error) {
	begin, done := time.Now(), make(chan error, 1)
	go func() { done <- do() }()
	err := answers(ctx, url, want, log)
	took := time.Since(begin)
	return took, errors.Join(err, <-done)
}

// deploys is the time from the command to the first answer of new code whose
// requirements are those of before, beside a script that does it by hand.
func (b *bench) deploys(ctx context.Context, _ site) error {
	r, d, err := b.deployNew(ctx, 1)
	if err != nil {
		return err
	}
	defer d.stop()
	s := &script{repository: r}
	if s.dir, err = b.temp("s"); err != nil {
		return err
	}
	if s.addr, err = freePort(); err != nil {
		return err
	}
	if err := s.run(ctx); err != nil { // there is an old gunicorn, as there is an old release
		return fmt.Errorf("script: %w", err)
	}
	var ours, theirs, bare, added, ratios []float64
	for range b.rounds {
		last := s.release()
		imported, err := importingBy(ctx, filepath.Join(last, ".venv/bin/python"), last, "hello")
		if err != nil {
			return err
		}
		version, err := r.next(ctx, false)
		if err != nil {
			return err
		}
		mine, err := untilAnswered(ctx, d.url, version, d.log, func() error { _, err := d.deploy(ctx); return err })
		if err != nil {
			return err
		}
		hand, err := untilAnswered(ctx, "http://"+s.addr, version, filepath.Join(s.dir, "gunicorn.log"), func() error { return s.run(ctx) })
		if err != nil {
			return fmt.Errorf("script: %w", err)
		}
		ours, theirs, bare = append(ours, mine.Seconds()), append(theirs, hand.Seconds()), append(bare, imported.Seconds())
		added, ratios = append(added, (mine-imported).Seconds()), append(ratios, mine.Seconds()/hand.Seconds())
	}
	const what = "deploy of a commit, requirements unchanged: to its first answer"
	b.table.add(row{
		what: what + ", beyond Python's import", ours: fmt.Sprintf("%.2f s", median(added)),
		their: fmt.Sprintf("%.2f s", median(bare)), peer: "python3 -c 'import …' alone",
		value: median(added), bar: bar{most: 0.5, unit: "s"},
	})
	b.table.add(row{
		what: what, ours: fmt.Sprintf("%.2f s", median(ours)),
		their: fmt.Sprintf("%.2f s", median(theirs)), peer: "script: clone, venv, pip, restart of gunicorn",
		ratio: median(ratios), bar: bar{most: 0.25},
	})
	return nil
}

// firstVirtualenv is the time that a deploy takes for a virtualenv of ten wheels
// that it has not made before, beside venv and pip.
func (b *bench) firstVirtualenv(ctx context.Context, _ site) error {
	r, d, err := b.deployNew(ctx, wheels)
	if err != nil {
		return err
	}
	defer d.stop()
	dir, err := b.temp("s")
	if err != nil {
		return err
	}
	var ours, theirs, ratios []float64
	for i := range b.rounds {
		if _, err := r.next(ctx, true); err != nil {
			return err
		}
		stages, err := d.deploy(ctx)
		if err != nil {
			return err
		}
		var mine float64
		for _, s := range stages {
			if s.Name == "virtualenv" {
				mine = s.Ended.Sub(s.Began).Seconds()
			}
		}
		if mine == 0 {
			return errors.New("the deploy had no stage virtualenv")
		}
		hand, err := r.byHand(ctx, filepath.Join(dir, fmt.Sprintf("venv%d", i)))
		if err != nil {
			return err
		}
		ours, theirs, ratios = append(ours, mine), append(theirs, hand), append(ratios, mine/hand)
	}
	b.table.add(row{
		what: "first virtualenv, of ten wheels", ours: fmt.Sprintf("%.2f s", median(ours)),
		their: fmt.Sprintf("%.2f s", median(theirs)), peer: "python3 -m venv, pip install",
		ratio: median(ratios), bar: bar{most: 0.6},
	})
	return nil
}

// byHand makes a virtualenv as people do, and returns how many seconds it took.
func (r *repository) byHand(ctx context.Context, venv string) (float64, error) {
	begin := time.Now()
	cmd := exec.CommandContext(ctx, "/bin/sh", "-ec", `/usr/bin/python3 -m venv "$0"; "$0/bin/pip" install -q --no-index --find-links "$1" -r "$2"`,
		venv, r.wheels, filepath.Join(r.dir, "requirements.txt"))
	cmd.Env = append(os.Environ(), "PIP_CONFIG_FILE=/dev/null", "PIP_DISABLE_PIP_VERSION_CHECK=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("venv and pip: %w\n%s", err, out)
	}
	return time.Since(begin).Seconds(), nil
}
