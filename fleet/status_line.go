package fleet

import (
	"context"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
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
		case <-d.cache.poke:
		}
		for _, n := range d.cache.take() {
			w, o := d.core.Look(ctx, n)
			d.cache.put(n, appStatus(w, o.Observed, true, d.core.Now()))
		}
		set, setErr := d.core.Dir.Snapshot()
		line := StatusLine(&Status{Apps: withoutGate(d.cache.all()), Faults: orphanFaults(set, setErr, d.core.opts.Dir)})
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
		fmt.Fprintf(&b, " (%s: %s)", worst.Name, brief(firstLine(worst.Reason), 120))
	case worst == nil && len(st.Faults) > 0:
		fmt.Fprintf(&b, " (%s)", shorten(firstLine(st.Faults[0].Summary), 120))
	}
	return b.String()
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}

// brief is a reason in n characters. What it ends with after its last semicolon, such as when
// it is tried again, is what people wait for: that stays whole where it is short.
func brief(reason string, n int) string {
	i := strings.LastIndex(reason, "; ")
	if next := reason[max(i, 0):]; i > 0 && utf8.RuneCountInString(next) <= n/3 {
		return shorten(reason[:i], n-utf8.RuneCountInString(next)) + next
	}
	return shorten(reason, n)
}

func shorten(s string, n int) string {
	r := []rune(s)
	if len(r) <= n {
		return s
	}
	return string(r[:n-1]) + "…"
}
