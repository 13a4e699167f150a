package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

const disabled = "  enabled = false\n"

// disabledApps are apps of which none runs: what workers cost is in other rows.
type disabledApps struct {
	b      *bench
	site   site
	n      int
	dir    string
	specs  string
	args   []string // where a command finds them
	listen func(dir string, i int) string
}

// disabledApps writes n of them and has them made.
func (b *bench) disabledApps(ctx context.Context, s site, folder string, n int, listen func(dir string, i int) string) (*disabledApps, error) {
	dir, err := b.temp(folder)
	if err != nil {
		return nil, err
	}
	d := &disabledApps{b: b, site: s, n: n, dir: dir, specs: filepath.Join(dir, "d"), listen: listen}
	d.args = []string{"--dir", d.specs, "--state-dir", b.state(dir)}
	if err := os.Mkdir(d.specs, 0o755); err != nil {
		return nil, err
	}
	for i := range n {
		if err := d.write(i, disabled); err != nil {
			return nil, err
		}
	}
	if out, err := exec.CommandContext(ctx, b.fleet, append([]string{"apply"}, d.args...)...).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("apply: %w\n%s", err, out)
	}
	return d, nil
}

func (d *disabledApps) folder(i int) string { return filepath.Join(d.dir, fmt.Sprintf("app%d", i)) }

// write writes the spec of one, with attributes.
func (d *disabledApps) write(i int, attrs string) error {
	if err := d.b.appFolder(d.folder(i), d.site.app); err != nil {
		return err
	}
	s := d.site
	s.spec = attrs
	name := filepath.Base(d.folder(i))
	socket := fmt.Sprintf("    http { listen = %q }", d.listen(d.dir, i))
	return writeWhole(filepath.Join(d.specs, name+".hcl"), s.hcl(name, d.folder(i), socket))
}

// edit changes the one in the middle; file is where it shows that it was carried out.
func (d *disabledApps) edit(debug bool) (file string, err error) {
	return filepath.Join(d.folder(d.n/2), "wsgid.json"), d.write(d.n/2, fmt.Sprintf("%s  debug = %v\n", disabled, debug))
}
