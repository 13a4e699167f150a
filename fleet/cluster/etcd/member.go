package etcd

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"sync"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/cluster"
)

// Member is one host of a fleet: it keeps the mirror of the texts, takes part, and
// tells which apps are this host's. New, set fields, Open, Run.
type Member struct {
	Host   cluster.Host // as it says of itself; Machine is set by Open
	TTL    time.Duration
	Relist time.Duration // 0: a minute
	Log    *slog.Logger

	client *Client
	mirror cluster.Mirror
	wake   chan struct{} // something may have changed that the session is to look at
	claim  chan struct{} // the key of this host is not as it should be
	report chan struct{} // what this host serves may have changed

	deploy  func(ctx context.Context, t cluster.Task)                         // nil: this host has no part in deploys
	renames func(order cluster.Order, commit string) (heir string, gone bool) // nil: this host knows of none

	holds map[string]string // digests of the mirror's texts; nil: to be read. Of Open, then of the session.

	mu       sync.Mutex // guards what follows
	hosting  cluster.Hosting
	members  cluster.Members
	apps     []cluster.App // of the last load
	view     *View         // nil: etcd was not read yet
	decided  *cluster.Decision
	joined   bool   // the key of this host is ours
	trouble  string // why nothing is decided; empty: all is well
	outdated string // what is to be changed about the source; empty: nothing
	outside  string // why this host did not stay in the fleet, or come into it, the last time
	frozen   string
	emptied  bool              // no generation was there when it was looked at last
	reported map[string]string // what etcd says of the endpoints here
	told     bool              // all of them hang on the present lease
	tasks    map[string]string // the order of an app that this host is at
	lateAt   map[string]time.Time
	renamed  map[string]renaming // by an app that the specs no longer name
	renaming bool                // a look at them is under way
	doubts   bool                // etcd may have been restored or recreated: all is to be listed
	doubted  time.Time           // when that was so last
}

// NewMember makes a member that keeps its mirror in dir.
func NewMember(c *Client, dir string, host cluster.Host) *Member {
	return &Member{Host: host, client: c, mirror: cluster.Mirror{Dir: dir}, Log: slog.New(slog.DiscardHandler),
		wake: make(chan struct{}, 1), claim: make(chan struct{}, 1), report: make(chan struct{}, 1),
		hosting: cluster.Hosting{ID: host.ID}, reported: map[string]string{},
		tasks: map[string]string{}, lateAt: map[string]time.Time{}, renamed: map[string]renaming{}}
}

// Specs is the directory with the texts of the last generation that was read.
func (m *Member) Specs() string { return m.mirror.Specs() }

// ID is the name of this host.
func (m *Member) ID() string { return m.Host.ID }

// Address is where others reach this host, without a port; empty: nobody has said.
func (m *Member) Address() string { return m.Host.Address }

// firstLook is how long a host that knows nothing yet waits for etcd when it starts.
const firstLook = 5 * time.Second

// Open reads what an earlier process has left. A host that has no texts at all looks for
// them before it goes on.
func (m *Member) Open(ctx context.Context) error {
	if err := m.mirror.Open(); err != nil {
		return err
	}
	var err error
	if m.Host.Machine, err = m.mirror.Machine(); err != nil {
		return err
	}
	p := m.mirror.Placed()
	m.hosting.Recall(p.Here)
	m.members.Recall(p.Members)
	if g, _ := m.mirror.Current(); g == 0 {
		ctx, cancel := context.WithTimeout(ctx, firstLook)
		defer cancel()
		if err := m.fetch(ctx); err != nil {
			m.Log.Warn("no specs yet", "err", err)
		}
	}
	return nil
}

// fetch brings the current generation into the mirror.
func (m *Member) fetch(ctx context.Context) error {
	err := m.fetchOnce(ctx)
	if errors.Is(err, fs.ErrNotExist) { // somebody has removed a file of the mirror
		err = m.fetchOnce(ctx)
	}
	return err
}

func (m *Member) fetchOnce(ctx context.Context) error {
	if m.holds == nil {
		m.holds = map[string]string{}
		have, _ := m.mirror.Texts(ctx) // what cannot be read is read from etcd
		for n, text := range have.Files {
			m.holds[n] = textDigest(text)
		}
	}
	u, holds, told := m.toldUpdate()
	if !told {
		var err error
		if u, holds, err = m.client.update(ctx, m.holds); err != nil {
			return err
		}
	}
	was, digest := m.mirror.Current()
	if was == u.Generation && digest == u.Digest {
		return nil
	}
	m.holds = nil // what a failure leaves is looked at again
	if err := m.mirror.Update(u); err != nil {
		return err
	}
	m.holds = holds
	m.Log.Info("specs", "generation", u.Generation, "files", len(holds), "before", was)
	return nil
}

// toldUpdate is the update to the generation that the view tells of, where that brings all
// that the mirror lacks: fifty hosts that ask etcd at once for one edit would wait for each
// other.
func (m *Member) toldUpdate() (u cluster.Update, holds map[string]string, told bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.view == nil || len(m.view.Texts) == 0 {
		return u, nil, false
	}
	u, missing := m.view.update(m.holds)
	return u, m.view.Texts, len(missing) == 0
}

// Run takes part until ctx ends, and then gives the lease back. changed is called when
// specs or placement may say something else, serving says what this host serves.
func (m *Member) Run(ctx context.Context, changed func(), serving func() map[string]cluster.Endpoint) {
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() { m.register(ctx, serving) })
	wg.Go(func() { m.learns(ctx) })
	keepFollowing(ctx, func() error { return m.session(ctx, changed) }, m.troubled)
}

// Report tells that what this host serves may have changed.
func (m *Member) Report() { poke(m.report) }

func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// troubled notes why etcd says nothing, and says so once.
func (m *Member) troubled(err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	m.mu.Lock()
	was := m.trouble
	m.trouble = text
	m.mu.Unlock()
	switch {
	case errors.Is(err, ErrNothing) && text != was:
		m.Log.Warn("etcd holds no specs; running apps continue, and nothing is moved", "err", text)
	case text != "" && was == "":
		m.Log.Warn("etcd does not answer; running apps continue, and nothing is moved", "err", text)
	case text == "" && was != "":
		m.Log.Info("etcd answers again")
	}
}

// Trouble says why this host does not take part at the moment; empty: it does.
func (m *Member) Trouble() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case !m.joined && m.outside != "":
		return "this host is not in the fleet: " + m.outside
	case m.trouble != "":
		return "etcd does not answer: " + m.trouble
	}
	return ""
}

// session lists everything and follows it until something is wrong.
func (m *Member) session(whole context.Context, changed func()) error {
	ctx, cancel := context.WithCancel(whole)
	defer cancel()
	if err := m.list(ctx, changed, true); err != nil {
		return err
	}
	m.begin(whole)
	m.carryOver(whole)
	cl, err := m.client.conn()
	if err != nil {
		return err
	}
	m.mu.Lock()
	rev := m.view.Revision
	m.mu.Unlock()
	prefix := m.client.key("")
	events := m.client.watch(ctx, cl, rev)
	relist := time.NewTimer(m.nextRelist())
	defer relist.Stop()
	for {
		fresh, again := false, false
		timer := time.NewTimer(m.due())
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case r, ok := <-events:
			// What has gathered meanwhile is decided upon once.
			for more := true; more; {
				if err := m.client.watchEnd(r, ok); err != nil {
					timer.Stop()
					return err
				}
				m.mu.Lock()
				before := m.view.Generation
				m.view.apply(prefix, r)
				fresh = fresh || m.view.Generation != before
				m.mu.Unlock()
				select {
				case r, ok = <-events:
				default:
					more = false
				}
			}
		case <-m.wake:
			again = m.takeDoubt()
		case <-timer.C:
		case <-relist.C:
			again = true
			relist.Reset(m.nextRelist())
		}
		timer.Stop()
		if fresh {
			m.follow(ctx, changed)
		}
		if again {
			err = m.list(ctx, changed, false)
		} else {
			err = m.consider(ctx, changed)
		}
		if err != nil {
			return err
		}
		m.begin(whole)
		m.carryOver(whole)
		m.mu.Lock()
		now := m.view.Revision
		m.mu.Unlock()
		if now < rev {
			m.Log.Warn("etcd has an older state: it was restored or recreated; watching from there", "revision", now, "before", rev)
			return nil // a watch of a later revision is deaf, and says nothing (etcd 3.4.23)
		}
		rev = now
	}
}

// nextRelist is a minute or so, another one on each host and each time.
func (m *Member) nextRelist() time.Duration {
	d := m.Relist
	if d <= 0 {
		d = time.Minute
	}
	return around(d)
}

// due is when time alone has something to decide.
func (m *Member) due() time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	d := time.Hour
	if at := m.members.Due(); !at.IsZero() {
		d = min(d, time.Until(at))
	}
	if m.decided != nil && !m.decided.Due.IsZero() {
		if left := time.Until(m.decided.Due); left > 0 {
			d = min(d, left)
		}
	}
	for _, r := range m.renamed {
		if left := time.Until(r.next); left > 0 {
			d = min(d, left)
		}
	}
	return max(d, time.Millisecond)
}

// list reads everything anew, the texts too where they are others, and decides. A gap
// tells that nobody watched for a while.
func (m *Member) list(ctx context.Context, changed func(), gap bool) error {
	now := time.Now() // before: who is missing in an answer that came late may be back since
	v, err := m.client.View(ctx)
	if err != nil {
		return err
	}
	m.mu.Lock()
	m.view = v
	if gap {
		m.members.Resume(now)
	}
	m.mu.Unlock()
	m.follow(ctx, changed)
	m.reclaim()
	return m.settle(now, changed)
}

// follow brings the texts that the view tells of, where they are others than the mirror's.
// Those that cannot be read leave it as it is; the hosts may be followed all the same.
func (m *Member) follow(ctx context.Context, changed func()) {
	m.mu.Lock()
	generation, digest := m.view.Generation, m.view.Digest
	m.mu.Unlock()
	was, wasDigest := m.mirror.Current()
	if generation > 0 && generation == was && digest == wasDigest {
		m.troubled(nil)
		return
	}
	m.troubled(m.fetch(ctx))
	if g, digest := m.mirror.Current(); g != was || digest != wasDigest {
		changed()
	}
}

// reclaim looks whether what etcd holds of this host is as this host left it.
func (m *Member) reclaim() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.joined {
		return
	}
	if h, there := m.view.Hosts[m.Host.ID]; !there || h.Machine != m.Host.Machine {
		m.joined = false
		poke(m.claim)
		return
	}
	if !m.told {
		return // what lies there may hang on an earlier lease
	}
	seen := map[string]string{}
	for app, hosts := range m.view.Endpoints {
		if e, ok := hosts[m.Host.ID]; ok {
			seen[app] = text(e)
		}
	}
	m.reported = seen
	poke(m.report)
}
