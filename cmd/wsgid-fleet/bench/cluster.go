package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/cluster/etcd"
)

// clusterParts are the measurements of a fleet of many machines, each with a table of its
// own in the page.
var clusterParts = []struct {
	name string
	run  func(*bench, context.Context, *etcdMembers) (table, error)
}{
	{"hosts", (*bench).simulatedHosts},
	{"daemons", (*bench).realDaemons},
	{"outage", (*bench).withoutEtcd},
}

// measureCluster runs those parts that -only lets through, and writes their tables into a
// page, if one is named.
func (b *bench) measureCluster(ctx context.Context, page string) error {
	if os.Geteuid() != 0 {
		return errors.New("cannot measure many machines: only root makes namespaces, each of which is one of them; run it as root")
	}
	version, _ := exec.CommandContext(ctx, "dpkg-query", "-W", "-f", "${Version}", "etcd-server").Output()
	for _, part := range clusterParts {
		if !b.only.MatchString(part.name) {
			continue
		}
		t, err := b.withMembers(ctx, part.run)
		if err != nil {
			return fmt.Errorf("cannot measure %s of many machines: %w", part.name, err)
		}
		if page == "" {
			continue
		}
		head := fmt.Sprintf("Measured on %s by `make bench CLUSTER=1`: all of it on %d cores, etcd %s.", time.Now().UTC().Format(time.DateOnly), runtime.NumCPU(), version)
		if err := putBetweenMarkers(page, "cluster "+part.name, t.values(head)); err != nil {
			return err
		}
	}
	return nil
}

// withMembers runs a part beside members of its own.
func (b *bench) withMembers(ctx context.Context, run func(*bench, context.Context, *etcdMembers) (table, error)) (table, error) {
	m, err := b.startMembers(ctx, 3)
	defer m.stop()
	if err != nil {
		return table{}, err
	}
	return run(b, ctx, m)
}

// value adds a row of ours alone.
func (t *table) value(what, format string, v, most float64, unit string) {
	t.add(row{what: what, ours: fmt.Sprintf(format, v), value: v, bar: bar{most: most, unit: unit}})
}

// etcdMembers are the servers that form one etcd.
type etcdMembers struct {
	b         *bench
	endpoints []string
	args      [][]string
	running   []*child // nil: it was killed
}

func (b *bench) startMembers(ctx context.Context, n int) (*etcdMembers, error) {
	m := &etcdMembers{b: b, running: make([]*child, n)}
	dir, err := b.temp("etcd")
	if err != nil {
		return m, err
	}
	var peers []string
	for i := range n {
		client, err := freePort()
		if err != nil {
			return m, err
		}
		peer, err := freePort()
		if err != nil {
			return m, err
		}
		name := fmt.Sprintf("m%d", i)
		peers = append(peers, name+"=http://"+peer)
		m.endpoints = append(m.endpoints, client)
		m.args = append(m.args, []string{"--name", name, "--data-dir", filepath.Join(dir, name),
			"--listen-client-urls", "http://" + client, "--advertise-client-urls", "http://" + client,
			"--listen-peer-urls", "http://" + peer, "--initial-advertise-peer-urls", "http://" + peer})
	}
	for i := range m.args {
		m.args[i] = append(m.args[i], "--initial-cluster", strings.Join(peers, ","))
		if err := m.start(i); err != nil {
			return m, err
		}
	}
	return m, m.ready(ctx)
}

func (m *etcdMembers) start(i int) (err error) {
	m.running[i], err = m.b.children.start("etcd", m.b.dir, nil, syscall.SIGKILL, "etcd", m.args[i]...)
	return err
}

func (m *etcdMembers) kill(i int) {
	if m.running[i] != nil {
		m.running[i].stop(syscall.SIGKILL)
		m.running[i] = nil
	}
}

func (m *etcdMembers) stop() {
	for i := range m.running {
		m.kill(i)
	}
}

// ready waits until all members say that they are well.
func (m *etcdMembers) ready(ctx context.Context) error {
	for _, e := range m.endpoints {
		err := wait(ctx, time.Minute, "etcd at "+e+" is well", func() bool {
			text, err := m.ask(ctx, e, "/health")
			return err == nil && strings.Contains(text, "true")
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (m *etcdMembers) ask(ctx context.Context, endpoint, path string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+endpoint+path, nil)
	if err != nil {
		return "", err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return string(b), err
}

// client speaks to them about the fleet that is measured.
func (m *etcdMembers) client() *etcd.Client {
	return etcd.New(etcd.Config{Endpoints: m.endpoints, Prefix: "/wsgid/bench"})
}

// source names that fleet for the program.
func (m *etcdMembers) source() string {
	return etcd.Scheme + strings.Join(m.endpoints, ",") + "/wsgid/bench"
}

// requests is how many the members have been asked so far, by all of their clients.
func (m *etcdMembers) requests(ctx context.Context) (sum float64, err error) {
	for _, e := range m.endpoints {
		text, err := m.ask(ctx, e, "/metrics")
		if err != nil {
			return 0, err
		}
		for line := range strings.Lines(text) {
			if !strings.HasPrefix(line, "grpc_server_started_total{") {
				continue
			}
			n, err := strconv.ParseFloat(strings.TrimSpace(line[strings.LastIndexByte(line, ' ')+1:]), 64)
			if err != nil {
				return 0, fmt.Errorf("cannot read what etcd counts: %q: %w", line, err)
			}
			sum += n
		}
	}
	return sum, nil
}

// wait waits for a state.
func wait(ctx context.Context, limit time.Duration, what string, is func() bool) error {
	for deadline := time.Now().Add(limit); !is(); {
		if time.Now().After(deadline) {
			return fmt.Errorf("not seen in %v: %s", limit, what)
		}
		if err := sleep(ctx, 5*time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}
