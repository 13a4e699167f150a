package fleet

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/metrics"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/plan"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/specdir"
)

// scrapeTimeout is how long a scrape waits for masters. One that has not
// answered by then is down as far as metrics go; the others are not held up.
const scrapeTimeout = 3 * time.Second

// scrapeWidth is how many masters are asked at a time: many, since most of what
// a scrape does is waiting.
const scrapeWidth = 64

// scrape asks every master, with a limit for all of them together.
func (d *Daemon) scrape(ctx context.Context) *metrics.Fleet {
	ctx, cancel := context.WithTimeout(ctx, scrapeTimeout)
	defer cancel()
	e := d.core
	names := e.Dir.Names()
	all := make([]metrics.App, len(names))
	set, err := e.Dir.Snapshot()
	front := e.Dir.Front(set)
	var asks errgroup.Group
	asks.SetLimit(scrapeWidth)
	for i, name := range names {
		asks.Go(func() error {
			w, o := e.Look(ctx, name)
			cur, _ := o.Current(plan.DigestOf(w.Spec))
			st := appStatus(w, o.Observed, true, e.Now())
			if w.Spec != nil && w.Spec.Enabled {
				st.certificates(w.Spec, e.Now())
				st.managed(e.Store.CertificatesDir(), specdir.ManagedHosts(w.Spec, front), true, e.Now())
			}
			all[i] = measured(&st, cur)
			return nil
		})
	}
	_ = asks.Wait()
	f := &metrics.Fleet{Version: d.opts.Version, Since: d.since, Now: e.Now(), States: States(), Faults: 1, Reconciles: &d.loop.Reconciler.Times}
	if err == nil {
		f.Faults = len(set.Faults)
	}
	for i, a := range all {
		switch a.Name {
		case "": // gone without a trace
		case appspec.GateName:
			f.Gate = &all[i]
		default:
			f.Apps = append(f.Apps, a)
		}
	}
	return f
}

// measured is what metrics tell of an app. cur is the master that stands for it; nil:
// none does.
func measured(st *AppStatus, cur *plan.Master) metrics.App {
	a := metrics.App{Name: st.Name, State: st.State, Gate: st.gate}
	for _, c := range st.Certificates {
		a.Certificates = append(a.Certificates, metrics.Certificate{File: c.Cert, Expires: c.Expires, Host: c.Host, Renew: c.Renew, Failures: c.Failures, Problem: c.Problem != ""})
	}
	if cur != nil && cur.Err == nil {
		a.Serves, a.Started, a.Status = cur.Serves(), cur.Since, &cur.Status
	}
	return a
}
