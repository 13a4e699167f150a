package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"slices"
	"time"

	"github.com/google/renameio/v2"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/cluster"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/cluster/etcd"
)

// balancer keeps a file that a balancer reads as the fleet is, and has the balancer read
// it again.
type balancer struct {
	c       *cli
	path    string
	command string        // a line of sh after each change; empty: none
	limit   time.Duration // of the command; 0: endsWithin
	write   func(io.Writer, []endpointRow) error

	members cluster.Members
	rows    map[string][]endpointRow // of the hosts that count, as they told last
	away    map[string]time.Time     // hosts that were not there: when they came back, zero: not yet
	told    string                   // why etcd says nothing, as it was told last
	owed    bool                     // the file may have changed, and the command did not succeed since
	ran     time.Time                // when the command was run last
}

// retryAfter is when a command that failed is run again.
const retryAfter = 2 * time.Second

// apart is the least time between two runs of the command: what only sends a signal ends
// before the balancer has read the file, and haproxy 2.6.12 forgets a signal that arrives
// while it is at that (findings/haproxy-loses-a-reload.sh).
const apart = 2 * time.Second

// endsWithin is how long the command may take: meanwhile the file stays as it is.
const endsWithin = time.Minute

// tellsWithin is how long a host that is back may take to tell what it serves.
const tellsWithin = 5 * time.Second

// begin knows of no host. One that was killed may have written the file and not told of it.
func (b *balancer) begin() {
	b.members.Join, b.away, b.owed = time.Nanosecond, map[string]time.Time{}, true // what serves may serve
}

// follow keeps the file until ctx ends.
func (b *balancer) follow(ctx context.Context, client *etcd.Client) {
	b.begin()
	client.Observe(ctx, func(v *etcd.View) time.Time { return b.seen(ctx, time.Now(), v) }, func(err error) {
		text := ""
		if err != nil {
			text = err.Error()
		}
		if text != b.told && text != "" {
			fmt.Fprintf(b.c.err, "wsgid-fleet: %s is unchanged: %s\n", b.path, text)
		}
		b.told = text
	})
}

// seen takes in what etcd says, and tells when it is to be asked again.
func (b *balancer) seen(ctx context.Context, now time.Time, v *etcd.View) time.Time {
	rows := b.known(now, v)
	due := b.members.Due()
	for _, since := range b.away {
		if !since.IsZero() {
			due = sooner(due, since.Add(tellsWithin))
		}
	}
	switch changed, err := b.put(rows); {
	case err != nil:
		fmt.Fprintf(b.c.err, "wsgid-fleet: cannot write %s: %v\n", b.path, reason(err))
		return now.Add(retryAfter)
	case changed:
		fmt.Fprintf(b.c.out, "%s: %s of %s\n", b.path, count(serving(rows), "server"), count(appsIn(rows), "app"))
		b.owed = true
	}
	if !b.owed || b.command == "" {
		return due
	}
	if at := b.ran.Add(apart); now.Before(at) {
		return sooner(due, at)
	}
	b.ran = now
	limited, cancel := context.WithTimeout(ctx, cmp.Or(b.limit, endsWithin))
	defer cancel()
	cmd := exec.CommandContext(limited, "/bin/sh", "-c", b.command) //nolint:gosec // it is the operator's
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = b.c.err, b.c.err, time.Second
	if err := cmd.Run(); err != nil {
		if limited.Err() != nil {
			err = fmt.Errorf("it did not exit within %v", cmp.Or(b.limit, endsWithin))
		}
		if ctx.Err() == nil {
			fmt.Fprintf(b.c.err, "wsgid-fleet: %s: %v; running it again\n", b.command, err)
		}
		return now.Add(retryAfter)
	}
	b.owed = false
	return due
}

// sooner is the earlier of two moments; zero: there is none yet.
func sooner(due, at time.Time) time.Time {
	if due.IsZero() || at.Before(due) {
		return at
	}
	return due
}

// known are the endpoints of the hosts that are there, and of those that are not and are
// still waited for, or without which more than half of a region would be gone: that says
// more of etcd, or of the way to it, than of them, and a balancer checks its servers.
func (b *balancer) known(now time.Time, v *etcd.View) []endpointRow {
	b.members.Observe(now, v.There(), v.Thaw)
	counting := map[string]bool{}
	for _, h := range b.members.Counting() {
		counting[h.ID] = true
	}
	next := map[string][]endpointRow{}
	for _, r := range endpointRows(v) {
		next[r.Host] = append(next[r.Host], r)
	}
	for host, was := range b.rows {
		_, there := v.Hosts[host]
		since, returning := b.away[host]
		switch {
		case there && returning && since.IsZero():
			since = now
			b.away[host] = now
		case !there:
			b.away[host] = time.Time{}
		}
		switch {
		case !there && counting[host], there && returning && len(next[host]) == 0 && now.Sub(since) < tellsWithin:
			next[host] = was
		case there:
			delete(b.away, host)
		}
	}
	maps.DeleteFunc(b.away, func(host string, _ time.Time) bool { return next[host] == nil })
	b.rows = next
	var rows []endpointRow
	for _, of := range next {
		rows = append(rows, of...)
	}
	slices.SortFunc(rows, func(x, y endpointRow) int { return cmp.Or(cmp.Compare(x.App, y.App), cmp.Compare(x.Host, y.Host)) })
	return rows
}

// put writes the file if it is to say something else: whole or not at all.
func (b *balancer) put(rows []endpointRow) (changed bool, err error) {
	var text bytes.Buffer
	if err := b.write(&text, rows); err != nil {
		return false, err
	}
	was, err := os.ReadFile(b.path)
	if err == nil && bytes.Equal(was, text.Bytes()) {
		return false, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	return true, renameio.WriteFile(b.path, text.Bytes(), 0o644, renameio.WithExistingPermissions())
}

func serving(rows []endpointRow) (n int) {
	for _, r := range rows {
		if r.Ready {
			n += len(r.Addresses)
		}
	}
	return n
}

func appsIn(rows []endpointRow) int {
	apps := map[string]bool{}
	for _, r := range rows {
		apps[r.App] = true
	}
	return len(apps)
}
