package fleet

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/appspec/hclspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/certs"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/words"
	"github.com/wsgid-fleet/wsgid-fleet/runner/bridge"
	"github.com/wsgid-fleet/wsgid-fleet/runner/gate"
)

// Certificates that the daemon gets: for which names, by the specs, and what is told of
// them. How they are got is in package certs.

// managedHosts are the names of an app for which a certificate is got.
func managedHosts(app, front *appspec.Spec) (out []string) {
	if front == nil || app.Gate != nil || app.TLS != nil || !app.Enabled || front.ACME() == nil {
		return nil
	}
	for _, h := range app.Hosts {
		if appspec.Managed(h) {
			out = append(out, h)
		}
	}
	return out
}

// front is the gate that runs, or should; nil: there is none, or it is not known.
func (e *engine) front(set *hclspec.Set) *appspec.Spec {
	if set == nil {
		return nil
	}
	if s := set.Specs[appspec.GateName]; s != nil && !e.holds(set) {
		return s
	}
	return e.heldGate(set)
}

// sites are all names for which certificates are got, by the specs that apps and gate
// run by: a name that only an edit has which waits for apply is no site yet.
func (e *engine) sites(set *hclspec.Set) (out []certs.Site) {
	front := e.front(set)
	if front == nil || front.ACME() == nil {
		return nil
	}
	a := front.ACME()
	by := certs.Authority{Directory: a.Directory, Email: a.Email, Roots: a.CA}
	for _, h := range front.Sockets.HTTP {
		by.Ways.Plain = by.Ways.Plain || h.TLS == nil && !h.Adopts
		by.Ways.TLS = by.Ways.TLS || h.TLS != nil
	}
	apps, taken := e.serving(set), map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(apps)) {
		for _, h := range managedHosts(apps[name], front) {
			if !taken[h] {
				taken[h] = true
				out = append(out, certs.Site{Host: h, App: name, Authority: by})
			}
		}
	}
	return out
}

// openCertificates makes the keeper, which does nothing yet.
func (d *Daemon) openCertificates() {
	d.certs = &certs.Keeper{
		Dir: d.e.store.CertificatesDir(), Challenges: &answers{e: d.e, all: map[*certs.Challenge]bool{}}, Log: d.e.log, Dial: d.opts.dialSite,
		Changed: func(s certs.Site) { d.board.touch(s.App) },
		// The gate is to know for which names there is one.
		Issued: func(certs.Site) { d.post(d.looping, func() { d.reread() }) },
	}
}

// beginCertificates begins when all apps were looked at once: before, no gate may listen.
func (d *Daemon) beginCertificates() {
	d.certified.Store(true)
	if set, err := d.e.snapshot(); err == nil && set != nil {
		d.wantCertificates(set)
	}
}

// wantCertificates tells the keeper what the specs want by now.
func (d *Daemon) wantCertificates(set *hclspec.Set) {
	if d.certified.Load() && !set.DefaultsBroken {
		d.certs.Want(d.e.sites(set))
	}
}

// closeLimit is how long orders under way may take to be given up.
const closeLimit = 2 * time.Second

// closeCertificates gives up what is under way. An authority that does not answer holds
// nothing up.
func (d *Daemon) closeCertificates() (wait func()) {
	closed := make(chan struct{})
	go func() { defer close(closed); d.certs.Close() }()
	return func() {
		select {
		case <-closed:
		case <-time.After(closeLimit):
		}
	}
}

// answers has the gates answer what authorities ask.
type answers struct {
	e   *engine
	mu  sync.Mutex
	all map[*certs.Challenge]bool // guarded by mu
}

// Present implements certs.Challenges.
func (a *answers) Present(ctx context.Context, c *certs.Challenge) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.all[c] = true
	return a.tell(ctx)
}

// CleanUp implements certs.Challenges.
func (a *answers) CleanUp(c *certs.Challenge) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.all, c)
	// One that is answered once more than needed harms nobody.
	_ = a.tell(context.Background())
}

func (a *answers) tell(ctx context.Context) error {
	if len(a.all) == 0 {
		return a.e.challenge(ctx, nil)
	}
	out := &gate.Challenges{HTTP: map[string]string{}, TLS: map[string]gate.ChallengePair{}}
	for c := range a.all {
		if c.Path != "" {
			out.HTTP[c.Path] = c.Answer
		} else {
			out.TLS[c.Host] = gate.ChallengePair{Cert: c.Cert, Key: c.Key}
		}
	}
	return a.e.challenge(ctx, out)
}

// managed tells of the certificates that the daemon gets for an app. One that is not
// there yet is no fault while nothing has failed.
func (a *AppStatus) managed(dir string, hosts []string, daemon bool, now time.Time) {
	for _, host := range hosts {
		s := certs.Look(dir, host)
		c := CertificateStatus{Cert: certs.PairFile(dir, host), Expires: s.NotAfter, Host: host, Issuer: s.Issuer, Renew: s.Renew, Failures: s.Failures, RetryAt: s.RetryAt}
		left := s.NotAfter.Sub(now)
		why := s.Error
		if why != "" {
			why = fmt.Sprintf("%s; %s; %s", s.Error, s.Next, retryWords(s.RetryAt, daemon, now))
		} else if !daemon {
			why = "no daemon is running to obtain one"
		}
		switch {
		case s.NotAfter.IsZero() && s.Error != "":
			c.Problem = "there is no certificate for " + host + ": " + why
			a.degrade(c.Problem)
		case s.NotAfter.IsZero():
			c.Problem = "there is no certificate for " + host + " yet"
			if !daemon {
				c.Problem += ": " + why
			}
			if a.Reason == "" {
				a.Reason = c.Problem
			}
		case left <= 0:
			c.Problem = strings.TrimSuffix(fmt.Sprintf("the certificate for %s has expired on %s: clients refuse it; %s", host, certs.Day(s.NotAfter), why), "; ")
			a.degrade(c.Problem)
		case s.Error != "" || left < soonFor(&s):
			c.Problem = strings.TrimSuffix(fmt.Sprintf("the certificate for %s, which expires on %s, was not renewed: %s", host, certs.Day(s.NotAfter), why), ": ")
			if left < soonFor(&s) {
				a.degrade(c.Problem)
			} else if a.Reason == "" {
				a.Reason = c.Problem
			}
		}
		a.Certificates = append(a.Certificates, c)
	}
}

// soonFor is how long before its end a certificate should have been renewed: of one that
// lives for days, half of what is left when it is due.
func soonFor(s *certs.Status) time.Duration {
	return min(bridge.ExpiresSoon, s.NotAfter.Sub(s.Renew)/2)
}

func retryWords(at time.Time, daemon bool, now time.Time) string {
	switch {
	case !daemon:
		return "no daemon is running to try again"
	case at.After(now):
		return "next try in " + words.RoundUp(at.Sub(now)).String()
	}
	return "being tried again"
}
