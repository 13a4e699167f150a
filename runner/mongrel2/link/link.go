package link

import (
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/wsgid-fleet/wsgid-fleet/runner/mongrel2/link/lazyzmq"
	"github.com/wsgid-fleet/wsgid-fleet/runner/unread"
)

// Link is the connection to one mongrel2 handler.
type Link struct {
	cfg    Config
	events Events
	log    *slog.Logger
	style  atomic.Pointer[Style]

	done chan struct{} // closed when the sockets are

	mu     sync.Mutex
	outbox []op  // guarded by mu
	state  State // guarded by mu
	// The flags are guarded by mu.
	stopped   bool // no operation is taken any more
	asleep    bool // Turn has ended: who brings something must signal
	signalled bool // somebody did

	detach   atomic.Bool
	closing  atomic.Bool
	active   atomic.Int64
	received atomic.Uint64
	maxBody  atomic.Int64

	// What follows belongs to the goroutine that calls Turn.
	over     bool // Turn has nothing to do any more
	sock     sockets
	ready    bool // the server has subscribed
	pulling  bool // PULL was connected
	detached bool // and disconnected
	wasReady bool
	epoch    uint32
	ident    []byte // the server's recv_ident
	misfit   string // why answers cannot arrive though the server is there
	conns    map[connKey]*conn
	sender   string // the last SENDER, so that equal ones share memory
	waiting  []*conn
	closed   tombs
	free     []*conn
	closeBy  time.Time // when Close waits no longer; zero: it was not called
	spare    []op      // the outbox of the turn before, empty
	now      time.Time
	check    time.Time // when connections are looked at for keep-alive next
	uploads  uploads
	store    *unread.Store
	reading  atomic.Int64         // bytes of the budget that pieces of files have
	starved  []*conn              // whose files wait for some of it
	told     map[string]time.Time // warnings given, by kind
	batch    bool
}

// op is one thing to do for a connection, asked by a reply.
type op struct {
	room   *conn   // nothing else: there may be room for what is kept of it
	upload *upload // nothing else: the disk has answered
	then   func()  // nothing else: to be called

	reply *Reply
	msg   *message // to send; may be nil
	file  *filePart
	piece bool  // msg is what was read of the file in work
	claim int64 // with piece: what it has of the budget
	fail  bool  // with piece: the file ended early
	rest  int64 // bytes of the response that follow, as far as known; else -1
	last  bool  // the response is complete
	close bool  // the connection must be closed after it
}

type connKey struct {
	sender string
	id     uint64
}

// Open connects to a handler and serves it on a goroutine of its own. That the
// server is not there is no error, see State. An error names an endpoint that
// is none, or what ZeroMQ lacks.
func Open(cfg Config, events Events) (*Link, error) {
	l, err := New(cfg, events)
	if err != nil {
		return nil, err
	}
	go l.run()
	return l, nil
}

// New is Open for a caller with an event loop of its own, which spares two
// changes of thread a request: it watches FD for reading and calls Turn on one
// goroutine, on which the events are then called.
func New(cfg Config, events Events) (*Link, error) {
	if events.Request == nil {
		return nil, errors.New("cannot open mongrel2 link: no receiver of requests")
	}
	if cfg.KeepAlive <= 0 {
		cfg.KeepAlive = 30 * time.Second
	}
	if cfg.Linger <= 0 {
		cfg.Linger = time.Second
	}
	if cfg.ServerName == "" {
		cfg.ServerName = "localhost"
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Store == nil {
		cfg.Store = unread.New()
	}
	if err := lazyzmq.Load(); err != nil {
		return nil, fmt.Errorf("cannot open mongrel2 link: %w", err)
	}
	l := &Link{
		cfg:    cfg,
		store:  cfg.Store,
		events: events,
		log:    cfg.Log.With("recv", cfg.Recv, "send", cfg.Send),
		done:   make(chan struct{}),
		conns:  make(map[connKey]*conn),
		told:   make(map[string]time.Time),
		asleep: true,
		now:    time.Now(),
	}
	l.SetStyle(cfg.Style)
	l.state = State{
		Phase: PhaseConnecting,
		Since: l.now,
	}
	l.maxBody.Store(cfg.MaxBody)
	l.uploads.init(cfg)
	if err := l.sock.open(cfg); err != nil {
		return nil, err
	}
	l.state.Reason = l.sock.pubSide.fault
	return l, nil
}

// FD is a descriptor that is readable when Turn is to be called.
func (l *Link) FD() int { return l.sock.epoll }

// State tells how the link is.
func (l *Link) State() State {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.state
}

// Active is the number of requests given out and not yet answered, and of those whose
// bodies are being opened.
func (l *Link) Active() int { return int(l.active.Load()) }

// Received is the number of messages taken in.
func (l *Link) Received() uint64 { return l.received.Load() }

// SetMaxBody changes Config.MaxBody, for requests from now on.
func (l *Link) SetMaxBody(n int64) { l.maxBody.Store(n) }

// Detach stops taking requests, where another process takes them from now on:
// what has arrived is still given out, answers are still sent. It returns at
// once. mongrel2 loses what it pushes to us in the moment of leaving.
func (l *Link) Detach() {
	l.detach.Store(true)
	l.wake()
}

// Shutdown begins to end the link: what replies have given is sent, for at
// most Config.Linger, and clients whose requests are unanswered are
// disconnected. To lose none, wait until Active is 0 first. No event is called
// once Done is closed.
func (l *Link) Shutdown() {
	l.closing.Store(true)
	l.wake()
}

// Done is closed when the link has ended after Shutdown.
func (l *Link) Done() <-chan struct{} { return l.done }

// Close is Shutdown and waiting for Done. Whoever calls Turn must not call it.
func (l *Link) Close() {
	l.Shutdown()
	<-l.done
}

// post gives the link something to do. It reports false where the link has
// ended.
func (l *Link) post(o op) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stopped {
		return false
	}
	l.outbox = append(l.outbox, o)
	l.wakeLocked()
	return true
}

// Rouse tells that Turn is about to be called: what replies give until then
// need not make FD readable.
func (l *Link) Rouse() {
	l.mu.Lock()
	l.asleep = false
	l.mu.Unlock()
}

func (l *Link) wake() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.wakeLocked()
}

// wakeLocked makes FD readable if nothing else will make Turn be called.
func (l *Link) wakeLocked() {
	if l.asleep && !l.stopped {
		l.asleep, l.signalled = false, true
		l.sock.signal()
	}
}

// run is the goroutine of Open.
func (l *Link) run() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for !l.over {
		if d := l.Turn(); d != 0 && !l.over {
			l.sock.wait(d)
		}
	}
}

// Turn does everything that can be done now. It is to be called again when FD
// is readable, at the latest after the time it returns: 0 is at once, a
// negative one never. It does not block.
func (l *Link) Turn() time.Duration {
	if l.over {
		return -1
	}
	l.now = time.Now()
	l.drainControl()
	if l.sock.watching {
		l.connection()
	}
	worked := l.drainOutbox()
	worked = l.drainRequests() || worked
	worked = l.tick() || worked
	if l.batch {
		l.batch = false
		if l.events.Batch != nil {
			l.events.Batch()
		}
	}
	if l.closing.Load() {
		if l.closeBy.IsZero() {
			l.closeBy = l.now.Add(l.cfg.Linger)
		}
		if !worked && l.flushed() {
			l.end()
			return -1
		}
	}
	if worked {
		// Sending may have brought news of the server without a signal.
		return 0
	}
	d := l.timeout()
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.outbox) > 0 || l.closing.Load() && l.closeBy.IsZero() || l.detach.Load() && !l.detached && l.pulling && l.ready {
		// It came while we looked elsewhere.
		return 0
	}
	l.asleep = true
	return d
}

// end closes the sockets: the answers' first, the requests' when they are out.
func (l *Link) end() {
	l.over = true
	l.mu.Lock()
	l.stopped = true
	rest := l.outbox
	l.outbox = nil
	l.mu.Unlock()
	for _, o := range rest {
		o.discard()
	}
	for _, c := range l.conns {
		// A client whose request we leave unanswered must not wait for it.
		if c.cur != nil || len(c.held) > 0 || c.pending() {
			l.sendClose(c)
		}
		c.abandon()
	}
	l.setState(PhaseClosed, "")
	go func() {
		l.sock.close(l.cfg.Linger)
		close(l.done)
	}()
}

func (l *Link) setState(phase Phase, reason string) {
	l.mu.Lock()
	same := l.state.Phase == phase && l.state.Reason == reason && l.state.Epoch == l.epoch
	if !same {
		l.state = State{Phase: phase, Reason: reason, Since: l.now, Ident: string(l.ident), Epoch: l.epoch}
	}
	s := l.state
	l.mu.Unlock()
	if !same && l.events.State != nil {
		l.events.State(s)
	}
}

// warn logs something that may come often, once a minute and kind.
func (l *Link) warn(kind, msg string, args ...any) {
	if last, ok := l.told[kind]; ok && l.now.Sub(last) < time.Minute {
		return
	}
	l.told[kind] = l.now
	l.log.Warn(msg, args...)
}

// text makes a string of bytes that do not change as long as it is used.
func text(b []byte) string {
	return unsafe.String(unsafe.SliceData(b), len(b))
}
