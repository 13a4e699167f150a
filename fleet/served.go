package fleet

import (
	"context"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/plan"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/reconcile"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/specdir"
	"github.com/wsgid-fleet/wsgid-fleet/runner"
)

// Served is the fleet of a running daemon for what the daemon serves to people: the
// operations that the commands have, and looks that read no file of the spec
// directory.
type Served struct {
	*operations
	d *Daemon
}

// Look is the status of the fleet by the specs as they were read last. With the one of
// the look before only those apps are looked at that may have changed since; nil: all.
func (s *Served) Look(ctx context.Context, last *Status) *Status { return s.d.lookAgain(ctx, last) }

// Poll is the status of a look before, in which only those apps are looked at that the
// daemon has done something with or was told of since; the same one where there is none.
func (s *Served) Poll(ctx context.Context, last *Status) *Status { return s.d.lookMoved(ctx, last) }

// App is one app now, with what its master has counted; nil counters: none answers.
// found is false where nobody knows the app.
func (s *Served) App(ctx context.Context, name string) (st AppStatus, c *runner.Counters, found bool) {
	ctx, cancel := context.WithTimeout(ctx, reconcile.AnswerTimeout)
	defer cancel()
	set, _ := s.core.Dir.Snapshot()
	w, o := s.core.Look(ctx, name)
	st = appStatus(w, o.Observed, true, s.core.Now())
	if st.Name == "" {
		return st, nil, false
	}
	if cur, _ := o.Current(plan.DigestOf(w.Spec)); cur != nil && cur.Err == nil {
		c = cur.Status.Counters
	}
	if w.Spec != nil && w.Spec.Enabled {
		st.certificates(w.Spec, s.core.Now())
		st.managed(s.core.Store.CertificatesDir(), specdir.ManagedHosts(w.Spec, s.core.Dir.Front(set)), true, s.core.Now())
	}
	return st, c, true
}

// OnTotals has f told what each master says of itself now and then, which costs no
// question that is not asked anyway.
func (s *Served) OnTotals(f func(app string, pid int, t runner.Totals)) {
	s.d.loop.Supervisor.Totals.Store(&f)
}

// LogTarget is where the log of an app goes by its spec: "file", "journal", "stderr";
// empty: nobody knows.
func (s *Served) LogTarget(name string) string {
	set, _ := s.core.Dir.Snapshot()
	if set == nil || set.Specs[name] == nil {
		return ""
	}
	return set.Specs[name].Log.Target
}

// DataDir holds the logs of apps whose folder is on a read-only disk.
func (s *Served) DataDir() string { return s.core.Store.Data }

// StateDir is root's, or the user's own, and is gone after a reboot.
func (s *Served) StateDir() string { return s.core.Store.Dir }

// Life ends when the apps are about to be ended.
func (s *Served) Life() context.Context { return s.life }

// Deploy is Operator's; an upgrade of the daemon waits for its end.
func (s *Served) Deploy(ctx context.Context, o DeployOrder, progress func(Event)) ([]Result, error) {
	end, err := s.d.deploys.begin(o)
	if err != nil {
		return nil, err
	}
	defer end()
	return s.operations.Deploy(ctx, o, progress)
}

// Version is that of the program.
func (s *Served) Version() string { return s.d.opts.Version }
