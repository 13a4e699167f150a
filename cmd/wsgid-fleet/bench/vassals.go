package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// vassals is how long it takes to write the specs of a folder of vassals.
func (b *bench) vassals(ctx context.Context, _ site) error {
	const n = 1000
	dir, err := b.temp("vassals")
	if err != nil {
		return err
	}
	for i := range n {
		text := fmt.Sprintf(`[uwsgi]
base = /srv/app%d
chdir = %%(base)
http-socket = 127.0.0.1:%d
module = app%d.wsgi:application
processes = 4
threads = 2
env = DJANGO_SETTINGS_MODULE=app%d.settings
env = SECRET_KEY=%%n
static-map = /static=%%(base)/static
harakiri = 30
vacuum = true
`, i, 10000+i, i, i)
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("app%d.ini", i)), []byte(text), 0o644); err != nil {
			return err
		}
	}
	var times []float64
	for range b.rounds {
		cmd := exec.CommandContext(ctx, b.fleet, "import", dir)
		cmd.Stdout, cmd.Stderr = io.Discard, io.Discard // notes, of what is told of each
		begin := time.Now()
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("import: %w", err)
		}
		times = append(times, time.Since(begin).Seconds())
	}
	b.table.add(row{
		what: "import of a folder of 1,000 uWSGI vassals", ours: fmt.Sprintf("%.2f s", median(times)),
		value: median(times), bar: bar{most: 2, unit: "s"},
	})
	return nil
}
