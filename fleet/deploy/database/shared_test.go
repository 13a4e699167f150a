package database

import (
	"context"
	"strings"
	"sync"
	"testing"
)

// place is what hosts agree by.
type place struct {
	mu   sync.Mutex
	held map[string]string
}

func (p *place) agree(_ context.Context, name, mine, instead string) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.held[name] == instead && mine != "" {
		p.held[name] = mine
	}
	return p.held[name], nil
}

// TestHostsShareAServer: the hosts of a fleet make one role at a server that all of them
// reach, also at once, and each of them can use it; the place by which they agree holds
// no password that can be read. A host from before they agreed tells the others; after a
// change of admin the one that knows the password does.
func TestHostsShareAServer(t *testing.T) {
	c := startedCluster(t)
	c.psql(t, "create role chief login superuser password 'first-secret'")
	p := &place{held: map[string]string{}}
	on := func(kept *string, name, admin string) *Maker {
		m := maker(t, c, name, name, kept)
		m.Spec.Server, m.Spec.Admin, m.Agree = "127.0.0.1:"+c.port, "chief:"+admin, p.agree
		return m
	}
	kept := make([]string, 4)
	var wg sync.WaitGroup
	for i := range kept {
		m := on(&kept[i], "manyhosts", "first-secret")
		wg.Go(func() {
			if made, err := m.Make(context.Background()); err != nil || made.Password != kept[i] {
				t.Errorf("host %d: %v, %v", i, made.Connection, err)
			}
		})
	}
	wg.Wait()
	for i := range kept {
		if kept[i] == "" || kept[i] != kept[0] {
			t.Errorf("host %d keeps another password than host 0", i)
		}
	}
	for _, sealed := range p.held {
		if strings.Contains(sealed, kept[0]) || strings.Contains(sealed, "first-secret") {
			t.Errorf("what they agree by can be read: %s", sealed)
		}
	}
	// The administrator gets another password.
	c.psql(t, "alter role chief password 'second-secret'")
	var late string
	failure(t, on(&late, "manyhosts", "second-secret"), "admin had another value", "deploy first on a host that has the database")
	if _, err := on(&kept[0], "manyhosts", "second-secret").Make(context.Background()); err != nil {
		t.Fatal(err)
	}
	if _, err := on(&late, "manyhosts", "second-secret").Make(context.Background()); err != nil || late != kept[0] {
		t.Errorf("a host that came later: %v", err)
	}
	// Made by a host that was alone then.
	var earlier, other string
	alone := on(&earlier, "earlier", "second-secret")
	alone.Agree = nil
	if _, err := alone.Make(context.Background()); err != nil {
		t.Fatal(err)
	}
	failure(t, on(&other, "earlier", "second-secret"), "its password is not known here", "deploy there first")
	if _, err := on(&earlier, "earlier", "second-secret").Make(context.Background()); err != nil {
		t.Fatal(err)
	}
	if _, err := on(&other, "earlier", "second-secret").Make(context.Background()); err != nil || other != earlier {
		t.Errorf("the other host: %v", err)
	}
}
