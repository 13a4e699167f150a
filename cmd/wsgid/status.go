package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/runner/appdir"
)

// status prints what wsgid's status prints. It exits 0 where the app runs and 3
// where it does not, as init scripts do.
func (c *cli) status(ctx context.Context) (int, error) {
	fsys, err := c.openFolder("show the status of")
	if err != nil {
		return 0, err
	}
	defer fsys.Close()
	handles, err := c.masters()
	if err != nil {
		return 0, err
	}
	// true: alive
	masters, workers := map[int]bool{}, map[int]bool{}
	for kind, m := range map[appdir.Kind]map[int]bool{appdir.Master: masters, appdir.Worker: workers} {
		pids, err := appdir.PIDs(fsys, kind)
		if err != nil {
			return 0, fmt.Errorf("cannot show the status of %s: %w", c.path, err)
		}
		for _, pid := range pids {
			m[pid] = appdir.ProcAlive(pid, 0) && looksOurs(pid)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	for _, h := range handles {
		masters[h.PID] = true
		st, err := h.Status(ctx, 0)
		if err != nil {
			c.warn("%v", err)
			continue
		}
		for _, w := range st.Workers {
			workers[w.PID] = true
		}
	}
	word, code := "Stopped", exitStopped
	for _, alive := range slices.Concat(slices.Collect(maps.Values(masters)), slices.Collect(maps.Values(workers))) {
		if alive {
			word, code = "Running", exitOK
		}
	}
	_, err = fmt.Fprintf(c.out, "Status: %s\nMaster pid(s): %s\nWorker pid(s): %s\n", word, show(masters), show(workers))
	return code, err
}

func show(pids map[int]bool) string {
	return list(slices.Sorted(maps.Keys(pids)), func(pid int) string {
		if pids[pid] {
			return ""
		}
		return "(dead)"
	})
}
