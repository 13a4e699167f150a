package etcd

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/cluster"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/cluster/etcd/etcdtest"
	"github.com/wsgid-fleet/wsgid-fleet/runner/await"
	"github.com/wsgid-fleet/wsgid-fleet/runner/freeport"
)

func TestPublishedAddresses(t *testing.T) {
	t.Parallel()
	members := []*pb.Member{
		{Name: "a", ClientURLs: []string{"http://10.0.0.1:2379", "http://etcd1.example.org:2379", "http://10.0.0.1:2379"}},
		{Name: "b", ClientURLs: []string{"https://10.0.0.2:2379", "unix:///run/etcd.sock", "http://0.0.0.0:2379", "http://[::]:2379", "http://[fd00::2]:2379", "http://10.0.0.2", "://"}},
		{Name: "c", ClientURLs: []string{"http://10.0.0.3:2379"}, IsLearner: true},
		{ClientURLs: []string{"http://10.0.0.4:2379"}}, // it has yet to start
	}
	for secure, want := range map[bool]string{false: "10.0.0.1:2379 etcd1.example.org:2379 [fd00::2]:2379", true: "10.0.0.2:2379"} {
		if got := strings.Join(published(members, secure), " "); got != want {
			t.Errorf("secure %v: %s, want %s", secure, got, want)
		}
	}
}

func TestLearnableAddresses(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ source, learned, published, want string }{
		{"a:1 b:1", "", "a:1 b:1", ""},
		{"a:1", "", "a:1 b:1 c:1", "b:1 c:1"},
		{"a:1", "b:1", "b:1 c:1", "b:1 c:1"},          // a is gone since
		{"proxy:1", "", "a:1 b:1", ""},                // what members publish may be out of reach
		{"a:1", "", "localhost:1", ""},                // that is another machine on each
		{"a:1", "", "a:1 localhost:1", "localhost:1"}, // it is asked there which etcd it is of
		{"a:1", "", "", ""},
	} {
		if got := strings.Join(learnable(strings.Fields(tt.source), strings.Fields(tt.learned), strings.Fields(tt.published)), " "); got != tt.want {
			t.Errorf("%+v: %q", tt, got)
		}
	}
}

// TestEtcdMovesMachineByMachine: members come, those that the source names go, one after
// another. A host follows all the while, and one that is restarted finds them, too.
func TestEtcdMovesMachineByMachine(t *testing.T) {
	t.Parallel()
	old := etcdtest.Start(t)
	apps := someApps(2)
	push(t, fleetAt(t, old), textsOf("a.hcl", "0"))
	dir := t.TempDir()
	h := joinRelisting(t, fleetWithin(t, 3*time.Second, old), time.Second, "a", dir, apps...)
	await.True(t, "the host runs all", func() bool { return len(h.runs()) == len(apps) })
	operator := fleetAt(t, old) // by addresses that are known to him
	knows := func(s *etcdtest.Server) func() bool {
		return func() bool { return slices.Contains(h.mirror.Etcd().Members, s.Endpoint) }
	}
	all := map[string]string{}
	cl, err := operator.conn()
	if err != nil {
		t.Fatal(err)
	}
	is, err := cl.MemberList(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	first := is.Members[0]
	all["m0"] = first.PeerURLs[0]
	var servers []*etcdtest.Server
	for i := range 2 {
		name := fmt.Sprintf("new%d", i)
		s, peer := old.Another(name)
		await.True(t, "etcd takes "+name, func() bool { _, err := cl.MemberAdd(t.Context(), []string{peer}); return err == nil })
		all[name] = peer
		var names []string
		for n, p := range all {
			names = append(names, n+"="+p)
		}
		s.Join(strings.Join(names, ","))
		await.True(t, "the host knows of "+name, knows(s))
		servers = append(servers, s)
	}
	if text := h.Advice(); text != "" {
		t.Errorf("the source is as good as ever, and the host says %q", text)
	}
	await.True(t, "the old one is no member any more", func() bool { _, err := cl.MemberRemove(t.Context(), first.ID); return err == nil })
	old.Kill()
	await.True(t, "the host says what is to be written", func() bool {
		text := h.Advice()
		return strings.HasPrefix(text, "etcd has moved: "+old.Endpoint+" of the source is no member of it any more") && strings.Contains(text, "write: --source etcd://") && strings.Contains(text, servers[1].Endpoint)
	})
	follow := func(h *host, when, text string) {
		t.Helper()
		by := fleetAt(t, servers...)
		want := textsOf("a.hcl", text)
		await.True(t, when+": a push goes through", func() bool { _, _, err := by.Push(t.Context(), want, "test"); return err == nil })
		await.True(t, when+": the host has it", func() bool { _, is := h.mirror.Current(); return is == want.Digest() })
	}
	follow(h, "the old one is gone", "1")
	if got := h.runs(); len(got) != len(apps) {
		t.Errorf("the host runs %v", got)
	}
	h.end()
	again := joinRelisting(t, fleetWithin(t, 3*time.Second, old), time.Second, "a", dir, apps...)
	follow(again, "the host was restarted", "2")
}

// TestAnotherEtcdIsNotLearned: what was kept is asked which etcd it is of.
func TestAnotherEtcdIsNotLearned(t *testing.T) {
	t.Parallel()
	other := etcdtest.Start(t)
	c := New(Config{Endpoints: []string{freeport.Addr(t)}, Prefix: "/wsgid/x", Limit: time.Second})
	t.Cleanup(c.Close)
	last := cluster.Etcd{ID: "abc", Members: []string{other.Endpoint}}
	if is, err := c.learn(t.Context(), last); err == nil || !is.Equal(last) || c.uses(other.Endpoint) {
		t.Errorf("%+v, %v", is, err)
	}
}
