package fleet

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// tell keeps the service manager's status line true, at most ten times a second.
func (d *Daemon) tell(ctx context.Context) {
	if d.Hooks.Status == nil {
		<-ctx.Done()
		return
	}
	last := ""
	for {
		select {
		case <-ctx.Done():
			return
		case <-d.board.poke:
		}
		for _, n := range d.board.take() {
			w, o := d.e.look(ctx, n)
			d.board.put(n, appStatus(w, o.Observed, true, d.e.now()))
		}
		set, setErr := d.e.snapshot()
		line := StatusLine(&Status{Apps: withoutGate(d.board.all()), Faults: orphanFaults(set, setErr, d.e.opts.Dir)})
		if line != last && ctx.Err() == nil {
			last = line
			d.Hooks.status(line)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// StatusLine is the fleet in one line: "12 apps: 11 ready, 1 backoff (blog:
// ImportError …)". The app in brackets is the worst off, first by name.
func StatusLine(st *Status) string {
	counts := map[string]int{}
	var worst *AppStatus
	for i := range st.Apps {
		a := &st.Apps[i]
		counts[a.State]++
		switch t := trouble(a.State); {
		case t == 0:
		case worst == nil, t > trouble(worst.State), t == trouble(worst.State) && a.Name < worst.Name:
			worst = a
		}
	}
	noun := "apps"
	if len(st.Apps) == 1 {
		noun = "app"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%d %s", len(st.Apps), noun)
	sep := ": "
	for _, s := range States() {
		if counts[s] == 0 {
			continue
		}
		fmt.Fprintf(&b, "%s%d %s", sep, counts[s], s)
		sep = ", "
	}
	switch {
	case worst != nil && worst.Reason != "":
		fmt.Fprintf(&b, " (%s: %s)", worst.Name, shorten(firstLine(worst.Reason), 120))
	case worst == nil && len(st.Faults) > 0:
		fmt.Fprintf(&b, " (%s)", shorten(firstLine(st.Faults[0].Summary), 120))
	}
	return b.String()
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}

func shorten(s string, n int) string {
	r := []rune(s)
	if len(r) <= n {
		return s
	}
	return string(r[:n-1]) + "…"
}
