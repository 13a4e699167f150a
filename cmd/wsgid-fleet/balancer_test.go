package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/cluster"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/cluster/etcd"
)

// TestABalancerForgetsNoHostTooSoon: one of three hosts that dies leaves the file after
// its grace; two at once, or all, do not, nor does a host that comes back before it has
// told what it serves; one that gives its apps away leaves at once.
func TestABalancerForgetsNoHostTooSoon(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var said bytes.Buffer
	b := &balancer{c: &cli{out: &said, err: &said}, path: filepath.Join(dir, "backends.cfg"), command: "echo again >>" + filepath.Join(dir, "reloads"), write: writeHAProxy}
	b.begin()
	view := func(hosts, serving string) *etcd.View {
		v := &etcd.View{Meta: etcd.Meta{Generation: 1}, Hosts: map[string]cluster.Host{}, Endpoints: map[string]map[string]cluster.Endpoint{"app": {}}}
		for h := range strings.FieldsSeq(hosts) {
			v.Hosts[h] = cluster.Host{ID: h, Region: "eu1"}
		}
		for h := range strings.FieldsSeq(serving) {
			v.Endpoints["app"][h] = cluster.Endpoint{Ready: true, Addresses: []string{h + ":80"}}
		}
		return v
	}
	now := time.Now()
	for _, step := range []struct {
		what           string
		after          time.Duration
		hosts, serving string
		want           string
	}{
		{"all are there", 0, "a b c", "a b c", "a b c"},
		{"one died", time.Second, "a b", "a b", "a b c"},
		{"and is not back", 3 * time.Second, "a b", "a b", "a b"},
		{"it is back, and has told nothing", time.Minute, "a b c", "a b", "a b"},
		{"it serves", time.Second, "a b c", "a b c", "a b c"},
		{"two vanish at once", time.Minute, "a", "a", "a b c"},
		{"they stay away", time.Hour, "a", "a", "a b c"},
		{"all vanish", time.Second, "", "", "a b c"},
		{"one is back, and has told nothing", time.Hour, "b", "", "a b c"},
		{"it tells", time.Second, "b", "b", "a b c"},
		{"all are back, one is slow to tell", time.Second, "a b c", "b c", "a b c"},
		{"it serves nothing", 10 * time.Second, "a b c", "b c", "b c"},
		{"one gives its app away", apart, "a b c", "b", "b"},
	} {
		now = now.Add(step.after)
		b.seen(t.Context(), now, view(step.hosts, step.serving))
		text, err := os.ReadFile(b.path)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for line := range strings.Lines(string(text)) {
			if f := strings.Fields(line); len(f) > 2 && f[0] == "server" {
				got = append(got, f[1])
			}
		}
		if strings.Join(got, " ") != step.want {
			t.Errorf("%s: servers %v; want %s", step.what, got, step.want)
		}
	}
	reloads, err := os.ReadFile(filepath.Join(dir, "reloads"))
	if n := strings.Count(string(reloads), "again"); err != nil || n != 5 {
		t.Errorf("the balancer was told %d times, %v; want once for each of the 5 files\n%s", n, err, said.String())
	}
}

// TestABalancerIsToldUntilItListens: a command that fails is run again, though the file
// does not change any more. Who begins beside a file that is right tells the balancer
// once: the one before may have been killed between the two.
func TestABalancerIsToldUntilItListens(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var said bytes.Buffer
	b := &balancer{c: &cli{out: &said, err: &said}, path: filepath.Join(dir, "f"), command: "test -e " + filepath.Join(dir, "up"), write: writeHAProxy}
	b.begin()
	v := &etcd.View{Meta: etcd.Meta{Generation: 1}, Hosts: map[string]cluster.Host{"a": {ID: "a"}}, Endpoints: map[string]map[string]cluster.Endpoint{"app": {"a": {Ready: true}}}}
	now := time.Now()
	if due := b.seen(t.Context(), now, v); !due.Equal(now.Add(retryAfter)) || !b.owed {
		t.Errorf("after a failure it is due at %v, owed %v\n%s", due, b.owed, said.String())
	}
	if err := os.WriteFile(filepath.Join(dir, "up"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if due := b.seen(t.Context(), now.Add(retryAfter), v); !due.IsZero() || b.owed {
		t.Errorf("after a success it is due at %v, owed %v\n%s", due, b.owed, said.String())
	}
	b.command, b.limit, b.owed = "exec sleep 600", 50*time.Millisecond, true
	now = now.Add(time.Minute)
	if due := b.seen(t.Context(), now, v); !due.Equal(now.Add(retryAfter)) || !strings.Contains(said.String(), "exec sleep 600: it did not exit within 50ms; running it again") {
		t.Errorf("after a command that does not end it is due at %v\n%s", due, said.String())
	}
	again := filepath.Join(dir, "again")
	b = &balancer{c: b.c, path: b.path, command: "echo told >>" + again, write: writeHAProxy}
	b.begin()
	for range 2 {
		b.seen(t.Context(), now, v)
	}
	if told, err := os.ReadFile(again); err != nil || string(told) != "told\n" {
		t.Errorf("who begins beside a file that is right says %q, %v", told, err)
	}
}

// TestABalancerHasTimeToRead: a second change soon after the first one is in the file at
// once, and the balancer is told of it two seconds after it was told of the first: a signal
// during a reload is forgotten by haproxy 2.6.12.
func TestABalancerHasTimeToRead(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var said bytes.Buffer
	told := filepath.Join(dir, "told")
	b := &balancer{c: &cli{out: &said, err: &said}, path: filepath.Join(dir, "f"), command: "cat " + filepath.Join(dir, "f") + " >>" + told + "; echo told >>" + told, write: writeHAProxy}
	b.begin()
	v := &etcd.View{Meta: etcd.Meta{Generation: 1}, Hosts: map[string]cluster.Host{"a": {ID: "a"}}, Endpoints: map[string]map[string]cluster.Endpoint{}}
	begin := time.Now()
	at := func(after time.Duration, app string) time.Duration {
		t.Helper()
		if app != "" {
			v.Endpoints[app] = map[string]cluster.Endpoint{"a": {Ready: true, Addresses: []string{"h:80"}}}
		}
		due := b.seen(t.Context(), begin.Add(after), v)
		text, err := os.ReadFile(b.path)
		if err != nil || !strings.Contains(string(text), app) {
			t.Errorf("after %v the file is %q, %v", after, text, err)
		}
		if due.IsZero() {
			return 0
		}
		return due.Sub(begin)
	}
	if due := at(0, "first"); due != 0 {
		t.Errorf("after the first change it is due after %v", due)
	}
	if due := at(100*time.Millisecond, "second"); due != apart {
		t.Errorf("after the second change it is due after %v, want %v", due, apart)
	}
	if due := at(apart, ""); due != 0 {
		t.Errorf("when the second change was told it is due after %v", due)
	}
	text, err := os.ReadFile(told)
	if got := strings.Count(string(text), "told\n"); err != nil || got != 2 || !strings.Contains(string(text), "second") {
		t.Errorf("it was told %d times, %v:\n%s\n%s", got, err, text, said.String())
	}
}
