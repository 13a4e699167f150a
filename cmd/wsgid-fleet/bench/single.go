package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const gigabyte = 1 << 30

// transfer is one large request: how long it took, and by how much the master
// grew at its peak.
func transfer(ctx context.Context, v *server, method, path string, upload int64) (time.Duration, int64, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	master := v.pids()[:1]
	before, err := rss(master)
	if err != nil {
		return 0, 0, err
	}
	var body io.Reader
	if upload > 0 {
		body = io.LimitReader(zeros{}, upload)
	}
	req, err := http.NewRequestWithContext(ctx, method, v.url+path, body)
	if err != nil {
		return 0, 0, err
	}
	req.ContentLength = upload
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true, WriteBufferSize: 1 << 20, ReadBufferSize: 1 << 20}}
	start := time.Now()
	resp, err := client.Do(req)
	if err != nil {
		return 0, 0, err
	}
	defer resp.Body.Close()
	n, err := io.Copy(io.Discard, resp.Body)
	took := time.Since(start)
	if err != nil {
		return 0, 0, err
	}
	if resp.StatusCode != http.StatusOK || upload == 0 && n != gigabyte {
		return 0, 0, fmt.Errorf("%s: status %s, %d bytes", v.name, resp.Status, n)
	}
	after, err := peak(master)
	return took, after - before, err
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// largeFile is a gigabyte by wsgi.file_wrapper.
func (b *bench) largeFile(ctx context.Context, s site) error {
	path := filepath.Join(b.dir, "file")
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return err
	}
	defer os.Remove(path)
	defer file.Close()
	if err := file.Truncate(gigabyte); err != nil {
		return err
	}
	// Whoever is asked first must not pay for filling the page cache.
	if _, err := io.Copy(io.Discard, file); err != nil {
		return err
	}
	return b.large(ctx, s, "1 GB by file_wrapper", []maker{ours, nginxUwsgi}, http.MethodGet, "/file", 0, bar{most: 1})
}

func (b *bench) largeUpload(ctx context.Context, s site) error {
	return b.large(ctx, s, "1 GB upload", []maker{ours, uwsgiHTTP}, http.MethodPost, "/upload", gigabyte, bar{})
}

func (b *bench) large(ctx context.Context, s site, what string, makers []maker, method, path string, upload int64, bound bar) error {
	servers, stop, err := b.startAll(ctx, s, makers)
	defer stop()
	if err != nil {
		return err
	}
	var grown int64
	times := make([][]float64, len(servers))
	var ratios []float64
	for range b.rounds {
		for i, v := range servers {
			took, growth, err := transfer(ctx, v, method, path, upload)
			if err != nil {
				return err
			}
			times[i] = append(times[i], took.Seconds())
			if i == 0 {
				grown = max(grown, growth)
			}
		}
		last := len(times[0]) - 1
		ratios = append(ratios, times[0][last]/times[1][last])
	}
	b.table.add(row{
		what: what + ": time", peer: servers[1].name, ratio: median(ratios), bar: bound,
		ours: fmt.Sprintf("%.2f s", median(times[0])), their: fmt.Sprintf("%.2f s", median(times[1])),
	})
	mb := float64(grown) / (1 << 20)
	b.table.add(row{
		what: what + ": growth of the master", ours: fmt.Sprintf("%.1f MB", mb),
		value: mb, bar: bar{most: 8, unit: "MB"},
	})
	return nil
}

// comeToRest is how long an app is left alone before it counts as idle.
const comeToRest = 5 * time.Second

// idleMemory is the PSS of an app with one worker that has answered once, and
// nothing more for a while.
func (b *bench) idleMemory(ctx context.Context, s site) error {
	servers, stop, err := b.startAll(ctx, s, []maker{ours, uwsgiSocket})
	defer stop()
	if err != nil {
		return err
	}
	sizes, err := atRest(ctx, servers, func(v *server) []int { return v.pids() })
	if err != nil {
		return err
	}
	b.table.add(row{
		what: "idle app, master and one worker: PSS", peer: "uWSGI master and one worker",
		ours: fmt.Sprintf("%.1f MB", sizes[0]), their: fmt.Sprintf("%.1f MB", sizes[1]),
		ratio: sizes[0] / sizes[1], bar: bar{most: 1},
	})
	return nil
}

// atRest is the PSS of some processes of each server when it has come to rest, in MB.
func atRest(ctx context.Context, servers []*server, pids func(*server) []int) (sizes []float64, err error) {
	if err := sleep(ctx, comeToRest); err != nil {
		return nil, err
	}
	for _, v := range servers {
		n, err := pss(pids(v))
		if err != nil {
			return nil, err
		}
		sizes = append(sizes, float64(n)/(1<<20))
	}
	return sizes, nil
}

// start is what a first start adds to the time Python needs to import the app.
func (b *bench) start(ctx context.Context, s site) error {
	var added, bare []float64
	for range b.rounds {
		imported, err := importing(ctx, s)
		if err != nil {
			return err
		}
		began, stop, err := b.applyOnce(ctx, s)
		if err != nil {
			return err
		}
		stop()
		bare = append(bare, ms(imported))
		added = append(added, ms(began-imported))
	}
	b.table.add(row{
		what: "first start by apply, beyond Python's import", ours: fmt.Sprintf("%.0f ms", median(added)),
		their: fmt.Sprintf("%.0f ms", median(bare)), peer: "python3 -c 'import …' alone",
		value: median(added), bar: bar{most: 150, unit: "ms"},
	})
	return nil
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// applyOnce starts an app without a daemon and returns the time to its first
// answer.
func (b *bench) applyOnce(ctx context.Context, s site) (time.Duration, func(), error) {
	dir, err := b.temp("a")
	if err != nil {
		return 0, nil, err
	}
	specs, state, folder := filepath.Join(dir, "d"), b.state(dir), filepath.Join(dir, "bench")
	if err := b.appFolder(folder, s.app); err != nil {
		return 0, nil, err
	}
	addr, err := freePort()
	if err != nil {
		return 0, nil, err
	}
	if err := os.Mkdir(specs, 0o755); err != nil {
		return 0, nil, err
	}
	text := s.hcl("bench", folder, fmt.Sprintf("    http { listen = %q }", addr))
	if err := os.WriteFile(filepath.Join(specs, "bench.hcl"), []byte(text), 0o644); err != nil {
		return 0, nil, err
	}
	begin := time.Now()
	apply, err := b.children.start("apply", dir, nil, syscall.SIGKILL, b.fleet, "apply", "--dir", specs, "--state-dir", state)
	if err != nil {
		return 0, nil, err
	}
	err = up(ctx, "http://"+addr, apply.log)
	took := time.Since(begin)
	if err != nil {
		return 0, nil, err
	}
	if err := apply.Wait(); err != nil {
		text, _ := os.ReadFile(apply.log)
		return 0, nil, fmt.Errorf("apply: %w\n%s", err, text)
	}
	return took, func() {
		for _, pid := range mastersOf(state) {
			syscall.Kill(pid, syscall.SIGKILL) //nolint:errcheck // it may have ended
		}
	}, nil
}

// editOfCount is the time from the write of a spec to the workers it asks for.
func (b *bench) editOfCount(ctx context.Context, s site) error {
	addr, err := freePort()
	if err != nil {
		return err
	}
	v, log, err := b.fleetOf(ctx, s, fmt.Sprintf("    http { listen = %q }", addr))
	if v != nil {
		defer v.stop()
	}
	if err != nil {
		return err
	}
	if err := up(ctx, "http://"+addr, log); err != nil {
		return err
	}
	specs, _ := filepath.Glob(filepath.Join(b.dir, "f*/d/bench.hcl"))
	if len(specs) == 0 {
		return fmt.Errorf("the spec is gone")
	}
	spec := specs[len(specs)-1]
	for _, path := range specs { // the newest: earlier scenarios left theirs
		if newer(path, spec) {
			spec = path
		}
	}
	var times []float64
	count := 1
	for range b.rounds {
		next := 3 - count // 1, 2, 1, …: growing is what is measured
		took, err := b.edit(ctx, spec, count, next)
		if err != nil {
			return err
		}
		if next > count {
			times = append(times, ms(took))
		}
		count = next
	}
	b.table.add(row{
		what: "an edit of count is carried out (new worker ready)", ours: fmt.Sprintf("%.0f ms", median(times)),
		value: median(times), bar: bar{most: 300, unit: "ms"},
	})
	return nil
}

func newer(a, b string) bool {
	x, err1 := os.Stat(a)
	y, err2 := os.Stat(b)
	return err1 == nil && err2 == nil && x.ModTime().After(y.ModTime())
}

// edit changes count and waits until status shows as many ready workers.
func (b *bench) edit(ctx context.Context, spec string, from, to int) (time.Duration, error) {
	text, err := os.ReadFile(spec)
	if err != nil {
		return 0, err
	}
	changed := strings.Replace(string(text), "count = "+strconv.Itoa(from), "count = "+strconv.Itoa(to), 1)
	begin := time.Now()
	if err := os.WriteFile(spec, []byte(changed), 0o644); err != nil {
		return 0, err
	}
	dir := filepath.Dir(filepath.Dir(spec))
	for {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		if time.Since(begin) > 30*time.Second {
			return 0, fmt.Errorf("count = %d was not carried out within 30 s", to)
		}
		out, _ := exec.CommandContext(ctx, b.fleet, "status", "-o", "json",
			"--dir", filepath.Join(dir, "d"), "--state-dir", b.state(dir)).Output()
		var status struct {
			Apps []struct {
				State   string
				Workers []struct{ State string }
			}
		}
		if json.Unmarshal(out, &status) != nil || len(status.Apps) != 1 {
			continue
		}
		if a := status.Apps[0]; a.State == "ready" && len(a.Workers) == to {
			return time.Since(begin), nil
		}
	}
}
