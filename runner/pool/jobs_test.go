package pool

import (
	"slices"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

// While the thread that starts processes is held up, by a disk that does not answer or
// by those before, the loop gives it as many as there are, and goes on: they are started
// later, in their order.
func TestNobodyWaitsForTheThreadThatStarts(t *testing.T) {
	s := &Spawner{}
	s.bound, s.free = s.thread(true), s.thread(false)
	for name, spec := range map[string]*appspec.Spec{"free": {}, "bound": {NoNewPrivileges: true}} {
		t.Run(name, func(t *testing.T) {
			held, release := make(chan struct{}), make(chan struct{})
			s.jobs(spec).add(spawnJob{program: func(error) { close(held); <-release }})
			<-held
			var order, want []int
			done := make(chan struct{})
			for i := range appspec.MaxWorkers {
				want = append(want, i)
				s.jobs(spec).add(spawnJob{program: func(error) {
					if order = append(order, i); len(order) == appspec.MaxWorkers {
						close(done)
					}
				}})
			}
			close(release)
			<-done
			if !slices.Equal(order, want) {
				t.Errorf("started in the order %v", order)
			}
		})
	}
}
