package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/afero"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/cluster"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/cluster/etcd"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/specdir"
)

// move is where an app runs by the specs of today, and by those to come.
type move struct {
	App    string   `json:"app"`
	Now    []string `json:"now"`
	Then   []string `json:"then"`
	Change string   `json:"change"` // "new", "moves", "removed"; empty: it stays where it is
}

// movesOf compares the placements of two generations on the same hosts. It is pure.
func movesOf(old, next []cluster.App, there []cluster.Host) []move {
	was, is := cluster.Place(old, there), cluster.Place(next, there)
	rows := []move{}
	for _, a := range next {
		m := move{App: a.Name, Now: nonNil(was[a.Name]), Then: nonNil(is[a.Name])}
		if _, known := was[a.Name]; !known {
			m.Change = "new"
		} else if !slices.Equal(m.Now, m.Then) {
			m.Change = "moves"
		}
		rows = append(rows, m)
	}
	for _, a := range old {
		if !slices.ContainsFunc(next, func(o cluster.App) bool { return o.Name == a.Name }) {
			rows = append(rows, move{App: a.Name, Now: nonNil(was[a.Name]), Then: []string{}, Change: "removed"})
		}
	}
	slices.SortFunc(rows, func(a, b move) int { return cmp.Compare(a.App, b.App) })
	return rows
}

// writeMoves tells where apps run and will run.
func (c *cli) writeMoves(rows []move) {
	hosts := func(list []string) string { return cmp.Or(strings.Join(list, " "), none) }
	t := table{columns: []column{{title: "APP"}, {title: "NOW ON"}, {title: "THEN ON"}}}
	for _, m := range rows {
		then := hosts(m.Then)
		if m.Change == "removed" {
			then = "removed"
		}
		t.add(cell{text: m.App}, cell{text: hosts(m.Now)}, cell{text: then})
	}
	if len(t.rows) > 0 {
		t.writeTo(c.out, c.style())
	}
}

// warnShortages tells where apps ask for more hosts than there are.
func (c *cli) warnShortages(apps []cluster.App, there []cluster.Host) {
	for _, s := range cluster.Shortages(apps, there) {
		fmt.Fprintln(c.err, "warning: "+s)
	}
}

func changing(rows []move) []move {
	return slices.DeleteFunc(slices.Clone(rows), func(m move) bool { return m.Change == "" })
}

// stagedFor reads the specs of a directory that is to be pushed. Faults in them are told,
// and an error.
func (c *cli) stagedFor(ctx context.Context, dir string) (*cluster.Texts, []cluster.App, error) {
	t, err := cluster.Directory(dir).Texts(ctx)
	if err != nil {
		return nil, nil, err
	}
	set, err := specdir.LoadForHosts(afero.NewOsFs(), dir)
	if err != nil {
		return nil, nil, err
	}
	if err := set.WriteDiagnostics(c.err, c.errStyle().colour); err != nil {
		return nil, nil, err
	}
	if len(set.Faults) > 0 {
		return nil, nil, silent(exitFailed)
	}
	return &t, specdir.PlacedApps(set, nil), nil
}

// planByEtcd says which hosts each app of a fleet of many machines goes to, and with a
// directory what a push of it would move.
func (c *cli) planByEtcd(ctx context.Context, f sourceFlags, words []string, output string) error {
	client, err := f.client(c, "plan")
	if err != nil {
		return err
	}
	defer client.Close()
	before, err := client.Texts(ctx)
	if err != nil && (c.dir == "" || !errors.Is(err, etcd.ErrNothing)) {
		return err
	}
	view, err := client.View(ctx)
	if err != nil {
		return err
	}
	now, err := placedBy(before)
	if err != nil {
		return err
	}
	then, differ := now, false
	if c.dir != "" {
		t, apps, err := c.stagedFor(ctx, c.dir)
		if err != nil {
			return err
		}
		then, differ = apps, t.Digest() != before.Digest()
	}
	rows := movesOf(now, then, view.There())
	if len(words) > 0 {
		var all []string
		for _, m := range rows {
			all = append(all, m.App)
		}
		for _, w := range words {
			if !slices.Contains(all, w) {
				return fmt.Errorf("cannot plan %s: no app of that name is in the fleet%s", w, meantOf(w, all))
			}
		}
		rows = slices.DeleteFunc(rows, func(m move) bool { return !slices.Contains(words, m.App) })
	}
	if output == "json" {
		err = writeJSON(c.out, struct {
			Generation int64  `json:"generation"`
			Apps       []move `json:"apps"`
		}{before.Generation, rows})
	} else {
		c.writeMoves(rows)
		c.warnShortages(then, view.There())
		if moves := len(changing(rows)); c.dir != "" {
			fmt.Fprintf(c.out, "\na push of %s moves %s of %d\n", c.dir, count(moves, "app"), len(rows))
		}
	}
	if err == nil && (differ || len(changing(rows)) > 0) {
		err = silent(exitChanges)
	}
	return err
}
