package master

import (
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/runner/evloop"
	"github.com/wsgid-fleet/wsgid-fleet/runner/pool"
)

// Where a worker must run, or mongrel2 must stay connected, a master never says that it
// could go.
func TestNoRest(t *testing.T) {
	for name, change := range map[string]func(*appspec.Spec){
		"a worker must run": func(s *appspec.Spec) { s.Workers.Min, s.Workers.Max = 1, 2 },
		"mongrel2": func(s *appspec.Spec) {
			s.Workers.Min, s.Workers.Max = 0, 1
			s.Sockets.Mongrel2 = []appspec.Mongrel2Socket{{Recv: "tcp://127.0.0.1:1", Send: "tcp://127.0.0.1:1"}}
		},
	} {
		m := &master{accepting: true, spec: appspec.Default("blog", "/")}
		change(m.spec)
		m.loop = &evloop.Loop{}
		m.pool = pool.New(m.loop, nil, nil, m.spec)
		m.rest.init(m)
		if m.rest.possible() {
			t.Errorf("%s: it rests", name)
		}
	}
}
