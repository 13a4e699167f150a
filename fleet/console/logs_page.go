package console

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/logfile"
)

const (
	// fewLines and maxLines are how many lines a page shows.
	fewLines = 200
	maxLines = 2000
	// lineBytes is how much of a line is shown, pageBytes of all lines together.
	lineBytes = 4 << 10
	pageBytes = 1 << 20
)

// searches bounds how many logs are read through at a time.
var searches = make(chan struct{}, 2)

var errSearches = errors.New("two logs are being searched already; try again in a moment")

type logsView struct {
	App, Q, Level string
	N             int
	Follow        bool
	Apps          []string
	Levels        []string
	Lines         []logRow
	Cut           bool // there are older ones
	Elsewhere     string
	Problem       string
	File          string
}

type logRow struct {
	Tone  string
	Parts []piece
}

// piece is a part of a line; Hit: it is what was searched for.
type piece struct {
	Text string
	Hit  bool
}

func (c *Console) logsPage(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	v := &logsView{App: clean(head(q.Get("app"), 100)), Q: clean(head(q.Get("q"), 200)), Level: q.Get("level"), Follow: q.Get("follow") != "", Levels: logfile.Levels, N: fewLines}
	if n, err := strconv.Atoi(q.Get("n")); err == nil {
		v.N = min(max(n, 1), maxLines)
	}
	if logfile.Rank(v.Level) == 0 {
		v.Level = ""
	}
	p := c.cache.look(r.Context())
	folder := ""
	for i := range p.Status.Apps {
		a := &p.Status.Apps[i]
		if a.Path != "" {
			v.Apps = append(v.Apps, a.Name)
			if a.Name == v.App {
				folder = a.Path
			}
		}
	}
	code := http.StatusOK
	switch {
	case v.App == "":
	case folder == "":
		code, v.Problem = http.StatusNotFound, "No app folder is known for this name, so there is no log."
	default:
		v.Elsewhere = logfile.Elsewhere(c.fleet.LogTarget(v.App), v.App)
		if err := v.read(r.Context(), folder, c.fleet.DataDir()); err != nil {
			v.Problem = clean(err.Error())
		}
	}
	ticks := 0
	if v.Follow && v.Q == "" && v.Level == "" && v.App != "" && v.Problem == "" {
		ticks = 1
	}
	c.render(w, r, code, "logs", v, live(ticks))
}

// read reads the last lines that are asked for. A log may be as long as it likes: of
// what is read through no more is kept than what is shown.
func (v *logsView) read(ctx context.Context, folder, data string) error {
	only := logfile.Filter{Rank: logfile.Rank(v.Level)}
	tail := v.N + 1
	if v.Q != "" || only.Rank > 0 {
		select {
		case searches <- struct{}{}:
			defer func() { <-searches }()
		default:
			return errSearches
		}
		tail = -1
	}
	l, err := logfile.Open(v.App, folder, tail, only, data)
	if err != nil {
		return err
	}
	defer l.Close()
	v.File = filepath.Join(l.Folder, l.Name)
	needle := strings.ToLower(v.Q)
	var kept []string
	bytes := 0
	keep := func(line logfile.Line) {
		if needle != "" && !strings.Contains(strings.ToLower(line.Text), needle) {
			return
		}
		// Not a part of the line: that would keep all of it in memory.
		text := strings.Clone(head(line.Text, lineBytes))
		kept, bytes = append(kept, text), bytes+len(text)
		for len(kept) > v.N || bytes > pageBytes {
			bytes -= len(kept[0])
			kept, v.Cut = kept[1:], true
		}
	}
	for n := 0; ; n++ {
		if n%1000 == 0 && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		line, ok, err := l.Next()
		if err != nil {
			return err
		}
		if !ok {
			if line, ok = l.Rest(); ok {
				keep(line)
			}
			break
		}
		keep(line)
	}
	for _, text := range kept {
		v.Lines = append(v.Lines, rowOfLine(text, needle))
	}
	return nil
}

func rowOfLine(raw, needle string) logRow {
	text := strings.TrimRight(lines(raw), "\n")
	row := logRow{}
	switch rank := logfile.RankOf(raw); {
	case rank >= logfile.Rank("error"):
		row.Tone = "bad"
	case rank == logfile.Rank("warning"):
		row.Tone = "warn"
	}
	lower := strings.ToLower(text)
	if needle == "" || len(lower) != len(text) {
		row.Parts = []piece{{Text: text}}
		return row
	}
	for at := 0; ; {
		i := strings.Index(lower[at:], needle)
		if i < 0 || len(row.Parts) > 100 {
			row.Parts = append(row.Parts, piece{Text: text[at:]})
			return row
		}
		row.Parts = append(row.Parts, piece{Text: text[at : at+i]}, piece{Text: text[at+i : at+i+len(needle)], Hit: true})
		at += i + len(needle)
	}
}

// More leads to twice as many lines; empty: there are none, or no more are shown.
func (v *logsView) More() string {
	if !v.Cut || v.N >= maxLines {
		return ""
	}
	return v.link(min(2*v.N, maxLines))
}

func (v *logsView) link(n int) string {
	q := url.Values{"app": {v.App}, "n": {strconv.Itoa(n)}}
	for key, value := range map[string]string{"q": v.Q, "level": v.Level} {
		if value != "" {
			q.Set(key, value)
		}
	}
	if v.Follow {
		q.Set("follow", "1")
	}
	return "/logs?" + q.Encode()
}

// Known tells whether the app is one of those to choose from.
func (v *logsView) Known() bool { return slices.Contains(v.Apps, v.App) }
