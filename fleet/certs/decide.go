package certs

import (
	"crypto/x509"
	"math/rand/v2"
	"time"
)

// action is what is to be done for a name.
type action int

const (
	wait   action = iota // nothing before the time that comes with it
	obtain               // it has no certificate of this authority
	renew
	ask // when the authority wants it to be renewed
)

// due tells what is to be done next, and when. leaf is what serves; nil: nothing does.
func (r *record) due(leaf *x509.Certificate, directory string, now time.Time) (action, time.Time) {
	switch {
	case leaf == nil || r.Directory != directory:
		if r.rests(now) {
			return wait, r.RetryAt
		}
		return obtain, now
	case !now.Before(r.renewAt(leaf)):
		if r.rests(now) {
			return wait, r.RetryAt
		}
		return renew, now
	case !now.Before(r.AskAt), r.AskAt.Sub(now) > longestWait:
		return ask, now
	}
	return wait, earlier(r.renewAt(leaf), r.AskAt)
}

// rests tells that it is too early for the next try. A failure of the future, or a try
// later than any that is waited for, was written down by a clock that was wrong and has
// been set: that says nothing of now.
func (r *record) rests(now time.Time) bool {
	return now.Before(r.RetryAt) && !now.Add(clockSkew).Before(r.At) && r.RetryAt.Sub(now) <= longestWait
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// renewAt is when the certificate is renewed: as its authority wants it, else when a
// third of its life is left.
func (r *record) renewAt(leaf *x509.Certificate) time.Time {
	third := leaf.NotAfter.Add(-leaf.NotAfter.Sub(leaf.NotBefore) / 3)
	if r.Window == nil {
		return third
	}
	// An authority that asks for it so late that one failure would be too many is not
	// followed to the last.
	return earlier(r.Window.At, leaf.NotAfter.Add(-leaf.NotAfter.Sub(leaf.NotBefore)/10))
}

// delays are how long it is waited after an order that came to nothing. An authority
// counts them: Let's Encrypt takes five an hour for a name.
var delays = []time.Duration{2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 20 * time.Minute, 30 * time.Minute, time.Hour, 2 * time.Hour, 4 * time.Hour, 6 * time.Hour}

// checkDelays are those after a check from here, which costs the authority nothing.
var checkDelays = []time.Duration{15 * time.Second, 30 * time.Second, time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute}

// delay is the n-th of them, n from 1, with up to a tenth more: many names that have
// failed together do not come back together.
func delay(all []time.Duration, n int) time.Duration {
	d := all[min(max(n, 1), len(all))-1]
	return d + time.Duration(rand.Int64N(int64(d)/10+1))
}

// failed notes an order that came to nothing.
func (r *record) failed(t trouble, now time.Time) {
	r.Failures++
	r.note(t, now, delay(delays, r.Failures))
}

// elsewhere notes a check by which the name does not point here.
func (r *record) elsewhere(t trouble, now time.Time) {
	r.Checks++
	r.note(t, now, delay(checkDelays, r.Checks))
}

func (r *record) note(t trouble, now time.Time, wait time.Duration) {
	if r.Since.IsZero() {
		r.Since = now
	}
	r.Error, r.Next, r.At, r.RetryAt = t.what, t.next, now, now.Add(wait)
	if t.notBefore.After(r.RetryAt) {
		r.RetryAt = earlier(t.notBefore, now.Add(longestWait))
	}
}

// longestWait bounds what an authority may have us wait.
const longestWait = 7 * 24 * time.Hour

// succeeded forgets what has failed, and the window of the certificate before.
func (r *record) succeeded(directory string, now time.Time) {
	*r = record{Directory: directory, AskAt: now.Add(time.Minute)}
}
