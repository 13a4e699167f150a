package certs

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/caddyserver/certmagic"
	"github.com/mholt/acmez/v3/acme"
)

// Site is a name that wants a certificate.
type Site struct {
	Host      string // exact, in the form that a client sends
	App       string
	Authority Authority
}

// Keeper has a certificate for each name that wants one. Set the fields, then Want, as
// often as needed; Close at the end.
type Keeper struct {
	Dir        string // absolute; made when it is needed
	Challenges Challenges
	Log        *slog.Logger
	// Issued is told when another certificate serves, Changed when something else that
	// Look tells has changed. Both are called from goroutines of the keeper.
	Issued  func(Site)
	Changed func(Site)
	// Dial connects to a name when it is found out whether that leads here; nil: as
	// this machine does.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
	// Now is the time; nil: the clock's.
	Now func() time.Time
	// Limit is how long one order may take. 0: orderLimit.
	Limit time.Duration

	mu      sync.Mutex
	sites   map[string]*site   // by name; guarded by mu
	cancel  context.CancelFunc // of all that goes on; nil: nothing does. Guarded by mu
	closed  bool               // guarded by mu
	poke    chan struct{}      // made with cancel
	wg      sync.WaitGroup
	dealing *authorities // made with cancel
	turns   chan struct{}
}

// site is a name at work. All but Site belongs to whoever has set busy.
type site struct {
	Site
	busy bool // guarded by the keeper's mu
	gone bool // no app has the name any more; guarded by the keeper's mu
	read bool
	seen os.FileInfo // the file of leaf; nil: there was none
	rec  record
	leaf *x509.Certificate
}

// atOnce bounds the orders that are under way.
const atOnce = 4

// orderLimit is how long one order may take.
const orderLimit = 5 * time.Minute

func (k *Keeper) now() time.Time {
	if k.Now != nil {
		return k.Now()
	}
	return time.Now()
}

// Want says which names want a certificate, all of them. Those that are not named any
// more keep what they have, and it is renewed no more.
func (k *Keeper) Want(sites []Site) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed || k.cancel == nil && len(sites) == 0 {
		return
	}
	if k.cancel == nil {
		var ctx context.Context
		ctx, k.cancel = context.WithCancel(context.Background())
		k.sites, k.poke, k.turns = map[string]*site{}, make(chan struct{}, 1), make(chan struct{}, atOnce)
		k.dealing = newAuthorities(k.Dir, k.Challenges)
		k.wg.Go(func() { k.run(ctx) })
	}
	wanted := map[string]bool{}
	for _, w := range sites {
		wanted[w.Host] = true
		if s := k.sites[w.Host]; s == nil {
			k.sites[w.Host] = &site{Site: w}
		} else {
			s.Site, s.gone = w, false
		}
	}
	for host, s := range k.sites {
		if !wanted[host] && !s.gone {
			s.gone = true
			k.Log.Info("a certificate is no longer renewed: no app has the name", "host", host, "app", s.App, "file", PairFile(k.Dir, host),
				"next", "the file is kept, and used again if the name comes back; remove it if it will not")
		}
	}
	k.look()
}

// look has run look at all names.
func (k *Keeper) look() {
	select {
	case k.poke <- struct{}{}:
	default:
	}
}

// Close ends what goes on and waits for it. What serves serves on.
func (k *Keeper) Close() {
	k.mu.Lock()
	k.closed = true
	cancel := k.cancel
	k.mu.Unlock()
	if cancel == nil {
		return
	}
	cancel()
	k.wg.Wait()
	k.dealing.close()
}

// longestSleep bounds how long no name is looked at: clocks are set, files removed.
const longestSleep = time.Hour

func (k *Keeper) run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
			return
		case <-k.poke:
		case <-timer.C:
		}
		if err := makeFolders(k.Dir); err != nil {
			k.Log.Error("no certificate can be obtained: "+err.Error(), "next", "give the daemon write access to its data directory")
			timer.Reset(time.Minute)
			continue
		}
		timer.Reset(k.round(ctx))
	}
}

// round begins what is due, and returns how long nothing else will be.
func (k *Keeper) round(ctx context.Context) time.Duration {
	k.mu.Lock()
	defer k.mu.Unlock()
	now, sleep := k.now(), longestSleep
	for host, s := range k.sites {
		if s.busy {
			continue
		}
		if s.gone {
			delete(k.sites, host)
			continue
		}
		s.refresh(k.Dir)
		do, at := s.rec.due(s.leaf, s.Authority.Directory, now)
		if do == wait {
			sleep = min(sleep, max(at.Sub(now), 10*time.Millisecond))
			continue
		}
		s.busy = true
		todo := s.Site
		k.wg.Go(func() {
			select {
			case k.turns <- struct{}{}:
				k.work(ctx, s, todo, do)
				<-k.turns
			case <-ctx.Done():
			}
			k.mu.Lock()
			s.busy = false
			k.mu.Unlock()
			k.look()
		})
	}
	return sleep
}

// refresh reads what is on disk, where that has changed.
func (s *site) refresh(dir string) {
	info, err := os.Stat(PairFile(dir, s.Host))
	if err != nil {
		info = nil
	}
	if s.read && (info == nil) == (s.seen == nil) && (info == nil || os.SameFile(info, s.seen) && info.ModTime().Equal(s.seen.ModTime())) {
		return
	}
	if !s.read {
		s.rec = readRecord(dir, s.Host)
	}
	s.read, s.seen, s.leaf = true, info, readPair(dir, s.Host)
	s.rec.outdated(s.leaf)
}

// work does what is due for a name.
func (k *Keeper) work(ctx context.Context, s *site, w Site, do action) {
	var err error
	switch do {
	case wait:
		return
	case ask:
		k.askWindow(ctx, s, w)
	case obtain, renew:
		err = k.get(ctx, s, w, do)
	}
	if ctx.Err() != nil {
		return // it did not fail, the daemon ends
	}
	if err == nil {
		s.save(k, w.Host)
		k.Changed(w)
		return
	}
	now := k.now()
	switch e, isGate := errors.AsType[*gateError](err); {
	case errors.Is(err, errNotHere):
		s.rec.elsewhere(explainReach(err), now)
	case isGate:
		s.rec.elsewhere(trouble{what: clean(e.Error()), next: "look at the gate: wsgid-fleet status"}, now)
	default:
		s.rec.failed(explain(err, w.Authority.Directory, now), now)
	}
	s.save(k, w.Host)
	attrs := []any{"host", w.Host, "app", w.App, "reason", s.rec.Error, "next", s.rec.Next, "retry", s.rec.RetryAt.UTC().Format(time.RFC3339)}
	if s.leaf != nil {
		attrs = append(attrs, "serves", "the previous certificate, until "+Day(s.leaf.NotAfter))
	}
	k.Log.Error("cannot get certificate", attrs...)
	k.Changed(w)
}

func (s *site) save(k *Keeper, host string) {
	s.rec.Beside = fingerprint(s.leaf)
	if err := s.rec.write(k.Dir, host); err != nil {
		k.Log.Error(err.Error(), "host", host, "next", "until it can be written, a restarted daemon asks the authority again")
	}
}

// checksForOrder is after how many checks that met nobody an order is made all the same:
// some networks do not lead back to those who are inside.
const checksForOrder = 4

// get gets a certificate, has it serve and tells of it.
func (k *Keeper) get(ctx context.Context, s *site, w Site, do action) error {
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(k.Limit, orderLimit))
	defer cancel()
	d, err := k.dealing.with(w.Authority)
	if err != nil {
		return &setupError{err}
	}
	// One that came before the daemon was killed?
	if leaf := k.take(ctx, s, w, d); leaf != nil && !k.now().After(s.rec.renewAt(leaf)) {
		return nil
	}
	if s.leaf == nil || do == obtain && s.rec.Directory == "" {
		err := k.reach(ctx, w.Host, w.Authority.Ways)
		if isGate := errors.As(err, new(*gateError)); isGate || err != nil && (certain(err) || s.rec.Checks < checksForOrder) {
			if isGate {
				return err
			}
			return &notHereError{w.Host, err}
		}
	}
	if err := d.order(ctx, w.Host, s.rec.Failures); err != nil {
		return cause(ctx, err)
	}
	cert, key, err := k.dealing.stored(ctx, d, w.Host)
	if err != nil {
		return err
	}
	leaf, err := checkPair(w.Host, cert, key, k.now())
	if err != nil {
		return err
	}
	return k.serve(s, w, leaf, cert, key)
}

// cause is the error of an order; where its time is over, that.
func cause(ctx context.Context, err error) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return errors.Join(context.DeadlineExceeded, err)
	}
	return err
}

// take has what certmagic has got for the name serve, if that is better than what does.
func (k *Keeper) take(ctx context.Context, s *site, w Site, d *dealings) *x509.Certificate {
	cert, key, err := k.dealing.stored(ctx, d, w.Host)
	if err != nil || cert == nil {
		return nil
	}
	leaf, err := checkPair(w.Host, cert, key, k.now())
	switch {
	case err != nil:
		return nil
	case s.leaf != nil && s.leaf.Equal(leaf):
		if s.rec.Directory == "" { // what was known of it is lost
			s.rec.succeeded(w.Authority.Directory, k.now())
			return leaf
		}
		return nil
	case s.leaf != nil && s.rec.Directory == w.Authority.Directory && !leaf.NotAfter.After(s.leaf.NotAfter):
		return nil
	}
	if k.serve(s, w, leaf, cert, key) != nil {
		return nil
	}
	return leaf
}

// serve puts a certificate in its place.
func (k *Keeper) serve(s *site, w Site, leaf *x509.Certificate, cert, key []byte) error {
	if err := writePair(k.Dir, w.Host, cert, key); err != nil {
		return &setupError{err}
	}
	s.leaf = leaf
	s.rec.succeeded(w.Authority.Directory, k.now())
	s.save(k, w.Host)
	k.Log.Info("certificate obtained", "host", w.Host, "app", w.App, "issuer", issuerName(leaf), "expires", Day(leaf.NotAfter))
	k.Issued(w)
	return nil
}

// askAgain is how soon an authority is asked again that has not said when.
const askAgain = 6 * time.Hour

// askWindow asks the authority when it wants the certificate to be renewed. One that
// does not know, or does not answer, is asked again some time.
func (k *Keeper) askWindow(ctx context.Context, s *site, w Site) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	now := k.now()
	s.rec.AskAt = now.Add(delay([]time.Duration{askAgain}, 1))
	d, err := k.dealing.with(w.Authority)
	if err != nil {
		return
	}
	info, err := d.issuer.GetRenewalInfo(ctx, certmagic.Certificate{Certificate: tls.Certificate{Leaf: s.leaf}})
	if errors.Is(err, acme.ErrUnsupported) {
		s.rec.Window = nil
	}
	if err != nil || !info.HasWindow() {
		return
	}
	if at := info.RetryAfter; at != nil {
		s.rec.AskAt = latest(now.Add(time.Minute), earlier(*at, now.Add(24*time.Hour)))
	}
	was := s.rec.Window
	is := &window{Start: info.SuggestedWindow.Start, End: info.SuggestedWindow.End, URL: clean(info.ExplanationURL)}
	if was != nil && was.Start.Equal(is.Start) && was.End.Equal(is.End) {
		return
	}
	is.At = is.Start
	if span := is.End.Sub(is.Start); span > 0 {
		is.At = is.Start.Add(time.Duration(rand.Int64N(int64(span))))
	}
	s.rec.Window = is
	k.Log.Info("the authority has announced when a certificate should be renewed", "host", w.Host, "app", w.App, "renew", Day(s.rec.renewAt(s.leaf)), "see", is.URL)
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// Hosts are the names that want a certificate, sorted.
func (k *Keeper) Hosts() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	out := make([]string, 0, len(k.sites))
	for host, s := range k.sites {
		if !s.gone {
			out = append(out, host)
		}
	}
	slices.Sort(out)
	return out
}
