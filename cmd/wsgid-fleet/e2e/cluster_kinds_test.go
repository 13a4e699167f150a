package e2e

import (
	"fmt"
	"strings"
	"syscall"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/cluster/etcd/etcdtest"
	"github.com/wsgid-fleet/wsgid-fleet/runner/await"
)

// alarm raises, or ends, what etcd tells when its database is full: it takes no writes.
func (s *clusterStorm) alarm(action etcdserverpb.AlarmRequest_AlarmAction) {
	s.t.Helper()
	ask := etcdserverpb.NewMaintenanceClient(s.raw.ActiveConnection())
	await.Nil(s.t, await.Patience, "etcd to take the alarm, at "+s.fault(), func() error {
		_, err := ask.Alarm(s.t.Context(), &etcdserverpb.AlarmRequest{Action: action, Alarm: etcdserverpb.AlarmType_NOSPACE, MemberID: 1})
		return err
	})
}

// clusterFault is one thing that happens to a fleet, until it is over.
type clusterFault struct {
	name string
	long bool // it lasts, what follows does, or a slow machine makes more of it
	do   func(s *clusterStorm)
}

func cut(h *stormHost, relays []*etcdtest.Relay, d time.Duration, directions ...int) {
	for _, r := range relays {
		r.Hold(directions...)
	}
	time.Sleep(d)
	for _, r := range relays {
		r.Pass(directions...)
	}
}

var clusterFaultKinds = []clusterFault{
	{"a member is killed", false, func(s *clusterStorm) {
		m := s.member()
		s.quiet(func() { m.Kill(); s.push(); m.Run(); m.Wait() })
	}},
	{"the leader is killed", false, func(s *clusterStorm) {
		m := s.leader()
		s.quiet(func() { m.Kill(); s.push(); m.Run(); m.Wait() })
	}},
	{"the leader stands still", false, func(s *clusterStorm) {
		m := s.leader()
		s.quiet(func() { m.Signal(syscall.SIGSTOP); s.push(); m.Signal(syscall.SIGCONT); m.Wait() })
	}},
	{"etcd has no majority", false, func(s *clusterStorm) {
		s.quiet(func() {
			two := s.rand.Perm(3)[:2]
			for _, i := range two {
				s.members[i].Kill()
			}
			time.Sleep(shortly)
			for _, i := range two {
				s.members[i].Run()
			}
			for _, i := range two {
				s.members[i].Wait()
			}
		})
	}},
	{"etcd has no majority for longer than leases last", true, func(s *clusterStorm) {
		s.quiet(func() {
			s.members[0].Signal(syscall.SIGSTOP)
			s.members[1].Kill()
			time.Sleep(2 * longAway)
			s.members[0].Signal(syscall.SIGCONT)
			s.members[1].Run()
			s.members[1].Wait()
		})
	}},
	{"all members are restarted", false, func(s *clusterStorm) {
		s.quiet(func() {
			for _, m := range s.members {
				m.Kill()
			}
			for _, m := range s.members {
				m.Run()
			}
			for _, m := range s.members {
				m.Wait()
			}
		})
	}},
	{"a daemon is killed", false, func(s *clusterStorm) {
		h, _ := s.host()
		s.quiet(h.killDaemon)
	}},
	{"a host is killed", true, func(s *clusterStorm) {
		h, others := s.host()
		h.kill()
		s.settled(others...)
		h.start()
	}},
	{"a host is killed with the leader", true, func(s *clusterStorm) {
		h, others := s.host()
		m := s.leader()
		h.kill()
		m.Kill()
		s.settled(others...)
		m.Run()
		m.Wait()
		h.start()
	}},
	{"a host restarts", true, func(s *clusterStorm) {
		h, _ := s.host()
		h.kill()
		h.start()
	}},
	{"a host stands still for a moment", false, func(s *clusterStorm) {
		h, _ := s.host()
		h.stop()
		time.Sleep(shortly)
		h.cont()
	}},
	{"a host wakes when others have its apps", true, func(s *clusterStorm) {
		h, others := s.host()
		h.stop()
		s.settled(others...)
		h.cont()
	}},
	{"a host is cut off for a moment", true, func(s *clusterStorm) {
		h, _ := s.host()
		s.quiet(func() { cut(h, h.relays, shortly, etcdtest.ToServer, etcdtest.ToClient) })
	}},
	{"a host is cut off", true, func(s *clusterStorm) {
		h, others := s.host()
		for _, r := range h.relays {
			r.Hold(etcdtest.ToServer, etcdtest.ToClient)
		}
		s.settled(others...)
		cut(h, h.relays, 0, etcdtest.ToServer, etcdtest.ToClient)
	}},
	{"a host hears no answers", true, func(s *clusterStorm) {
		h, _ := s.host()
		cut(h, h.relays, longAway, etcdtest.ToClient)
	}},
	{"a host's questions do not arrive", true, func(s *clusterStorm) {
		h, _ := s.host()
		cut(h, h.relays, longAway, etcdtest.ToServer)
	}},
	{"a host reaches one member alone", true, func(s *clusterStorm) {
		h, _ := s.host()
		s.quiet(func() { cut(h, h.relays[1:], shortly, etcdtest.ToServer, etcdtest.ToClient) })
	}},
	{"all hosts hear no answers", true, func(s *clusterStorm) {
		s.quiet(func() {
			var all []*etcdtest.Relay
			for _, h := range s.hosts {
				all = append(all, h.relays...)
			}
			cut(nil, all, longAway, etcdtest.ToClient)
		})
	}},
	{"connections are cut", false, func(s *clusterStorm) {
		h, _ := s.host()
		s.quiet(func() {
			for _, r := range h.relays {
				r.Drop()
			}
			s.push()
		})
	}},
	{"etcd forgets its history", false, func(s *clusterStorm) {
		s.quiet(func() {
			h, _ := s.host()
			for _, r := range h.relays {
				r.Hold(etcdtest.ToClient)
			}
			s.push()
			s.push()
			if v, err := s.client.View(s.t.Context()); err == nil {
				_, _ = s.raw.Compact(s.t.Context(), v.Revision)
			}
			for _, r := range h.relays {
				r.Drop()
				r.Pass(etcdtest.ToClient)
			}
		})
	}},
	{"somebody empties etcd", false, func(s *clusterStorm) {
		s.quiet(func() {
			if _, err := s.raw.Delete(s.t.Context(), "/wsgid/storm/", clientv3.WithPrefix()); err != nil {
				s.t.Error(err)
			}
			s.there()
			s.push()
		})
	}},
	{"two push at once", false, func(s *clusterStorm) {
		s.quiet(func() {
			if err := s.pushTwo(); err != nil {
				s.t.Error(err)
			}
		})
	}},
	{"a host is cordoned, and taken in again", true, func(s *clusterStorm) {
		h, others := s.host()
		if err := s.client.Cordon(s.t.Context(), h.id, "storm"); err != nil {
			s.t.Error(err)
			return
		}
		s.settled(others...)
		if err := s.client.Uncordon(s.t.Context(), h.id); err != nil {
			s.t.Error(err)
		}
	}},
	{"the leader is not heard by other members", false, func(s *clusterStorm) {
		s.quiet(func() {
			m := s.leader()
			m.Peers.Hold(etcdtest.ToClient)
			time.Sleep(2 * shortly) // they choose another one, and it hears of that
			m.Peers.Pass(etcdtest.ToClient)
			s.push()
		})
	}},
	{"etcd is full for longer than leases last", true, func(s *clusterStorm) {
		s.quiet(func() {
			s.alarm(etcdserverpb.AlarmRequest_ACTIVATE)
			time.Sleep(longAway)
			if _, _, err := s.client.Push(s.t.Context(), s.texts(-1), "storm"); err == nil || !strings.Contains(err.Error(), "its database is full") {
				s.t.Errorf("a push into a full etcd: %v", err)
			}
			s.alarm(etcdserverpb.AlarmRequest_DEACTIVATE)
			s.push()
		})
	}},
	{"another machine comes under the name of a host", true, func(s *clusterStorm) {
		s.quiet(func() {
			h, _ := s.host()
			s.twins++
			twin := s.newHost(h.id, fmt.Sprintf("twin%d", s.twins))
			twin.start()
			if !await.Until(await.Patience, 50*time.Millisecond, func() bool { return strings.Contains(twin.log(), "another machine has this name") }) {
				s.t.Errorf("a second host %s is not told:\n%s", h.id, twin.log())
			}
			for _, a := range s.apps {
				if who := twin.ask(a.Name); who != "" {
					s.t.Errorf("a second host %s serves %s", h.id, a.Name)
				}
			}
			twin.kill()
		})
	}},
	{"clocks jump by an hour", false, func(s *clusterStorm) {
		s.quiet(func() {
			h, _ := s.host()
			for _, pid := range append(h.daemons(), s.member().PID()) {
				if err := setClock(pid, []time.Duration{time.Hour, -time.Hour}[s.rand.IntN(2)]); err != nil {
					s.t.Errorf("process %d: %v", pid, err)
				}
			}
			s.push()
			s.renewed()
		})
	}},
}
