package console

import (
	"bytes"
	"cmp"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/appspec/hclspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/words"
)

// fleetView is the page of the fleet.
type fleetView struct {
	fleetQuery
	Tone     string // of the whole
	Line     string // the fleet in one line
	Daemon   *fleet.DaemonStatus
	States   []stateCount
	Sorts    []choice
	Rows     []appRow
	All      int
	Gate     *fleet.GateStatus
	Faults   []hclspec.Fault
	Notes    []note
	Waiting  int
	Releases bool
	Version  uint64
	Day      dayView
}

type stateCount struct {
	State, Link string
	N           int
	On          bool
}

type choice struct {
	Word, Title string
	On          bool
}

// note is a warning; of the fleet where App is empty.
type note struct{ App, Text string }

// fleetQuery is what of the fleet is asked for.
type fleetQuery struct{ Q, State, Sort string }

func readFleetQuery(v url.Values) fleetQuery {
	q := fleetQuery{Q: clean(head(v.Get("q"), 100)), State: v.Get("state"), Sort: v.Get("sort")}
	if !slices.Contains(fleetStates, q.State) {
		q.State = ""
	}
	if !slices.ContainsFunc(fleetSorts, func(c choice) bool { return c.Word == q.Sort }) {
		q.Sort = "name"
	}
	return q
}

func (q fleetQuery) link(state string) string {
	v := url.Values{}
	if q.Q != "" {
		v.Set("q", q.Q)
	}
	if q.Sort != "name" {
		v.Set("sort", q.Sort)
	}
	if state != "" {
		v.Set("state", state)
	}
	return "/?" + v.Encode()
}

// fleetStates are those that can be asked for, the worst first.
var fleetStates = fleet.StatesWorstFirst()

var fleetSorts = []choice{{Word: "name", Title: "name"}, {Word: "state", Title: "grouped by state"}, {Word: "rate", Title: "requests a second"}, {Word: "memory", Title: "memory"}}

// pick are the rows that are asked for, in their order.
func (q fleetQuery) pick(p *picture) (rows []appRow) {
	for i := range p.Status.Apps {
		r := p.rows[p.Status.Apps[i].Name].row
		if (q.State == "" || r.State == q.State) && (q.Q == "" || strings.Contains(r.Name, q.Q) || strings.Contains(strings.ToLower(r.Reason), strings.ToLower(q.Q))) {
			rows = append(rows, r)
		}
	}
	slices.SortStableFunc(rows, func(a, b appRow) int {
		order := 0
		switch q.Sort {
		case "state":
			order = cmp.Compare(slices.Index(fleetStates, a.State), slices.Index(fleetStates, b.State))
		case "rate":
			order = cmp.Compare(b.rate, a.rate)
		case "memory":
			order = cmp.Compare(b.memory, a.memory)
		}
		return cmp.Or(order, cmp.Compare(a.Name, b.Name))
	})
	return rows
}

func (c *Console) fleetView(p *picture, q fleetQuery) *fleetView {
	st := p.Status
	v := &fleetView{fleetQuery: q, Daemon: st.Daemon, Rows: q.pick(p), All: len(st.Apps), Gate: st.Gate, Faults: st.Faults, Version: p.Version,
		Line: clean(fleet.StatusLine(st))}
	counts := map[string]int{}
	for i := range st.Apps {
		a := &st.Apps[i]
		counts[a.State]++
		v.Releases = v.Releases || a.Release != nil
		if a.Waiting != "" {
			v.Waiting++
		}
		for _, w := range a.Warnings {
			v.Notes = append(v.Notes, note{a.Name, clean(w)})
		}
	}
	if st.Gate != nil && st.Gate.Waiting != "" {
		v.Waiting++
	}
	for _, w := range st.Warnings {
		v.Notes = append(v.Notes, note{Text: clean(w)})
	}
	if len(v.Notes) > 50 {
		v.Notes = append(v.Notes[:49:49], note{Text: words.Count(len(v.Notes)-49, "more warning") + "; wsgid-fleet status shows all"})
	}
	for _, s := range fleetStates {
		if counts[s] > 0 || s == q.State {
			v.States = append(v.States, stateCount{State: s, N: counts[s], Link: q.link(s), On: s == q.State})
			if v.Tone == "" {
				v.Tone = tone(s)
			}
		}
	}
	for _, s := range fleetSorts {
		s.On = s.Word == q.Sort
		v.Sorts = append(v.Sorts, s)
	}
	return v
}

func (v *fleetView) Link() string { return v.link("") }

func (c *Console) fleetPage(w http.ResponseWriter, r *http.Request) {
	q := readFleetQuery(r.URL.Query())
	v := c.fleetView(c.cache.look(r.Context()), q)
	v.Day = c.dayView(time.Now())
	c.render(w, r, http.StatusOK, "fleet", v, func(f *frame) { f.Rows = true })
}

// rowsAnswer is what has changed in the fleet's table.
type rowsAnswer struct {
	Version uint64            `json:"v"`
	Rows    map[string]string `json:"rows,omitempty"` // by app
	Table   string            `json:"table,omitempty"`
	Parts   map[string]string `json:"parts"`
}

// rows tells what is new in the table since a version: the rows, or all of it where
// their order may be another one.
func (c *Console) rows(w http.ResponseWriter, r *http.Request) {
	q := readFleetQuery(r.URL.Query())
	since, _ := strconv.ParseUint(r.URL.Query().Get("since"), 10, 64)
	p := c.cache.look(r.Context())
	view := c.fleetView(p, q)
	f := &frame{Page: "fleet", Now: p.At, Body: view}
	a := rowsAnswer{Version: p.Version, Parts: map[string]string{}}
	part := func(name string, data any) string {
		var b bytes.Buffer
		if err := templates()["fleet"].ExecuteTemplate(&b, name, data); err != nil {
			c.log.Error("cannot make a part of the console", "part", name, "err", err)
		}
		return safe(b.String())
	}
	a.Parts["summary"], a.Parts["faults"] = part("summary", f), part("faults", f)
	// It is long, and no other one for a minute.
	if now := time.Now(); r.URL.Query().Get("day") != strconv.FormatInt(now.Unix()/60, 10) {
		view.Day = c.dayView(now)
		a.Parts["day"] = part("day", f)
	}
	// By name, which rows there are depends on who is there, and on the states if one is
	// asked for.
	changed := p.Members
	if q.State != "" {
		changed = p.Reshaped
	}
	if whole := changed > since || since > p.Version || q.Sort != "name" || q.Q != ""; whole && p.Version != since {
		a.Table = part("rows", f)
	} else {
		a.Rows = map[string]string{}
		for _, row := range view.Rows {
			if p.rows[row.Name].version > since {
				a.Rows[row.Name] = part("row", rowView{appRow: row, Now: f.Now, Releases: view.Releases})
			}
		}
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(a)
}

// rowView is one row with what all rows share.
type rowView struct {
	appRow
	Group    *stateCount // the heading before it; nil: none
	Now      time.Time
	Releases bool
}

// Each are the rows with what they share. By state, each state has a heading.
func (v *fleetView) Each(now time.Time) (out []rowView) {
	counts := map[string]int{}
	for i := range v.Rows {
		counts[v.Rows[i].State]++
	}
	for i, r := range v.Rows {
		row := rowView{appRow: r, Now: now, Releases: v.Releases}
		if v.Sort == "state" && (i == 0 || v.Rows[i-1].State != r.State) {
			row.Group = &stateCount{State: r.State, N: counts[r.State]}
		}
		out = append(out, row)
	}
	return out
}
