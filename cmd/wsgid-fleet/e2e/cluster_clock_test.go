package e2e

import (
	"errors"
	"os"
	"regexp"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/cluster/etcd/etcdtest"
	"github.com/wsgid-fleet/wsgid-fleet/runner/await"
)

// renewed waits until each host has renewed its lease: of one from before the clock of its
// leader went back by an hour etcd 3.4 takes no notice for an hour, should its host die
// before that.
func (s *clusterStorm) renewed() {
	s.t.Helper()
	least := map[string]int64{}
	done := map[string]bool{}
	all := await.Until(2*time.Minute, 50*time.Millisecond, func() bool {
		for _, h := range s.hosts {
			got, err := s.raw.Get(s.t.Context(), "/wsgid/storm/hosts/"+h.id)
			if err != nil || len(got.Kvs) == 0 {
				continue
			}
			left, err := s.raw.TimeToLive(s.t.Context(), clientv3.LeaseID(got.Kvs[0].Lease))
			if err != nil {
				continue
			}
			if before, seen := least[h.id]; seen && left.TTL > before {
				done[h.id] = true
			}
			least[h.id] = left.TTL
		}
		return len(done) == len(s.hosts)
	})
	if !all {
		s.t.Fatalf("only %v have renewed their leases", done)
	}
}

// TestHostsWithClocksAnHourOff: real daemons and members of etcd of which one is an hour
// ahead and one an hour behind. Nothing is touched when their clocks jump; an edit reaches
// all, a host that dies is followed by the others in time, and taken back.
func TestHostsWithClocksAnHourOff(t *testing.T) {
	needKit(t)
	etcdtest.Need(t)
	if os.Geteuid() != 0 {
		t.Skip("needs root: a host is a namespace of processes")
	}
	needNamespaces(t, "namespaces of processes and mounts", "true")
	if err := setClock(os.Getpid()+1<<30, time.Hour); errors.Is(err, errors.ErrUnsupported) {
		t.Skip("needs amd64: a clock is changed in machine code")
	}
	t.Parallel()
	s := newClusterStorm(t, 1)
	s.setUp()
	off := []time.Duration{time.Hour, -time.Hour, 0}
	s.quiet(func() {
		for i, d := range off {
			for _, pid := range append(s.hosts[i].daemons(), s.members[i].PID()) {
				if err := setClock(pid, d); err != nil {
					t.Fatalf("process %d: %v", pid, err)
				}
			}
		}
		s.push()
		s.renewed()
	})
	said := regexp.MustCompile(`(?m)^time=(\S+) .* msg=specs generation=2 `)
	for i, d := range off {
		var m []string
		await.True(t, "host "+s.hosts[i].id+" to hear of the edit", func() bool {
			m = said.FindStringSubmatch(s.hosts[i].log())
			return m != nil
		}, func() any { return s.hosts[i].log() })
		at, err := time.Parse(time.RFC3339, m[1])
		if err != nil {
			t.Fatal(err)
		}
		if wrong := time.Until(at); (wrong - d).Abs() > 5*time.Minute {
			t.Errorf("the clock of host %s is wrong by %v, not %v", s.hosts[i].id, wrong, d)
		}
	}
	for i, h := range s.hosts[:2] { // then nobody of the others has the right time
		h.kill()
		s.settled(s.hosts[1-i], s.hosts[2])
		h.start()
		s.settled(s.hosts...)
		for _, pid := range h.daemons() {
			if err := setClock(pid, off[i]); err != nil {
				t.Fatal(err)
			}
		}
	}
}
