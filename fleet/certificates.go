package fleet

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/appspec/hclspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/certs"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/words"
	"github.com/wsgid-fleet/wsgid-fleet/runner/bridge"
	"github.com/wsgid-fleet/wsgid-fleet/runner/gate"
)

// Certificates that the daemon gets: for which names, by the specs, and what is told of
// them. How they are got is in package certs.

// openCertificates makes the keeper, which does nothing yet.
func (d *Daemon) openCertificates() {
	d.certs = &certs.Keeper{
		Dir: d.core.Store.CertificatesDir(), Challenges: &answers{core: d.core, all: map[*certs.Challenge]bool{}}, Log: d.core.Log, Dial: d.opts.dialSite,
		Changed: func(s certs.Site) { d.cache.touch(s.App) },
		// The gate is to know for which names there is one.
		Issued: func(certs.Site) { d.loop.Post(d.loop.Life(), func() { d.loop.Reread() }) },
	}
}

// beginCertificates begins when all apps were looked at once: before, no gate may listen.
func (d *Daemon) beginCertificates() {
	d.certified.Store(true)
	if set, err := d.core.Dir.Snapshot(); err == nil && set != nil {
		d.wantCertificates(set)
	}
}

// wantCertificates tells the keeper what the specs want by now.
func (d *Daemon) wantCertificates(set *hclspec.Set) {
	if d.certified.Load() && !set.DefaultsBroken {
		d.certs.Want(d.core.Dir.Sites(set))
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
	core *core
	mu   sync.Mutex
	all  map[*certs.Challenge]bool // guarded by mu
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
		return a.core.challenge(ctx, nil)
	}
	out := &gate.Challenges{HTTP: map[string]string{}, TLS: map[string]gate.ChallengePair{}}
	for c := range a.all {
		if c.Path != "" {
			out.HTTP[c.Path] = c.Answer
		} else {
			out.TLS[c.Host] = gate.ChallengePair{Cert: c.Cert, Key: c.Key}
		}
	}
	return a.core.challenge(ctx, out)
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
