package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

var (
	oursStatic  = maker{"wsgid-fleet", startOurs}
	nginxStatic = maker{"nginx", startNginxStatic}
)

// staticFiles are the files of the site "static", by size in bytes.
var staticFiles = map[string]int{"4k.bin": 4 << 10, "1m.bin": 1 << 20}

// staticSite is the bench application with a folder of files below /static/.
func (b *bench) staticSite(from site) (site, error) {
	app := filepath.Join(b.dir, "static-app")
	if err := os.CopyFS(app, os.DirFS(from.app)); err != nil {
		return site{}, err
	}
	if err := os.Mkdir(filepath.Join(app, "static"), 0o755); err != nil {
		return site{}, err
	}
	for name, size := range staticFiles {
		content := make([]byte, size)
		for i := range content {
			content[i] = byte(i * 7)
		}
		if err := os.WriteFile(filepath.Join(app, "static", name), content, 0o644); err != nil {
			return site{}, err
		}
	}
	from.app = app
	from.spec += "  static {\n    url = \"/static/\"\n    dir = \"app/static\"\n  }\n"
	return from, b.give(app)
}

// startNginxStatic serves the same folder by nginx, as a distribution sets it up.
func startNginxStatic(ctx context.Context, b *bench, s site) (*server, error) {
	addr, err := freePort()
	if err != nil {
		return nil, err
	}
	dir, err := b.temp("n")
	if err != nil {
		return nil, err
	}
	conf, err := b.fill("nginx_static.conf", dir, "DIR", dir, "ADDR", addr, "FILES", filepath.Join(s.app, "static"))
	if err != nil {
		return nil, err
	}
	n, err := b.children.start("nginx", dir, nil, syscall.SIGKILL, "/usr/sbin/nginx", "-c", conf, "-p", dir)
	return b.ready(ctx, addr, n, err)
}

// costOf compares what a request costs the processes that serve it: a file of a
// megabyte is limited by the client, not by the server.
func (b *bench) costOf(s scenario, servers []*server, samples [][]sample, what string) {
	if s.cost == nil {
		return
	}
	cpu := func(s sample) float64 { return float64(max(s.cpu, 1)) }
	for i, peer := range servers[1:] {
		b.table.add(row{
			what: what + ": requests for a second of CPU", peer: peer.name,
			ours:  fmt.Sprintf("%.0f", 1000*1e9/medianOf(samples[0], cpu)),
			their: fmt.Sprintf("%.0f", 1000*1e9/medianOf(samples[i+1], cpu)),
			ratio: 1 / ratio(samples[0], samples[i+1], cpu), bar: s.cost(peer.name),
		})
	}
}
