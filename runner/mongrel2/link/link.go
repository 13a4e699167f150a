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
)

// Link is the connection to one mongrel2 handler.
type Link struct {
	cfg    Config
	events Events
	log    *slog.Logger
	fields []byte // Config.Fields

	done chan struct{} // closed by the goroutine when it has ended

	mu     sync.Mutex
	outbox []op  // guarded by mu
	state  State // guarded by mu

	asleep   atomic.Bool // the goroutine is in poll, or about to be
	detach   atomic.Bool
	closing  atomic.Bool
	stopped  atomic.Bool // no operation is taken any more
	active   atomic.Int64
	received atomic.Uint64

	// What follows belongs to the goroutine.
	sock    sockets
	ready   bool
	pulling bool // PULL is connected
	epoch   uint32
	ident   []byte // the server's recv_ident
	conns   map[connKey]*conn
	sender  string // the last SENDER, so that equal ones share memory
	waiting []*conn
	closed  tombs
	free    []*conn
	closeBy time.Time // when Close waits no longer; zero: it was not called
	spare   []op      // the outbox of the turn before, empty
	now     time.Time
	check   time.Time // when connections are looked at for keep-alive next
	uploads uploads
	told    map[string]time.Time // warnings given, by kind
	batch   bool
}

// op is one thing to do for a connection, asked by a reply.
type op struct {
	reply *Reply
	msg   *message // to send; may be nil
	file  *filePart
	piece bool  // msg is what was read of the file in work
	fail  bool  // with piece: the file ended early
	rest  int64 // bytes of the response that follow, as far as known; else -1
	last  bool  // the response is complete
	close bool  // the connection must be closed after it
}

type connKey struct {
	sender string
	id     uint64
}

// Open connects to a handler. That the server is not there is no error, see
// State. An error names an endpoint that is none, or what ZeroMQ lacks.
func Open(cfg Config, events Events) (*Link, error) {
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
	if err := lazyzmq.Load(); err != nil {
		return nil, fmt.Errorf("cannot open mongrel2 link: %w", err)
	}
	l := &Link{
		cfg:    cfg,
		events: events,
		log:    cfg.Log.With("recv", cfg.Recv, "send", cfg.Send),
		fields: []byte(cfg.Fields),
		done:   make(chan struct{}),
		conns:  make(map[connKey]*conn),
		told:   make(map[string]time.Time),
	}
	l.uploads.init(cfg)
	started := make(chan error, 1)
	go l.run(started)
	if err := <-started; err != nil {
		return nil, err
	}
	return l, nil
}

// State tells how the link is.
func (l *Link) State() State {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.state
}

// Active is the number of requests given out and not yet answered.
func (l *Link) Active() int { return int(l.active.Load()) }

// Received is the number of messages taken in.
func (l *Link) Received() uint64 { return l.received.Load() }

// Detach stops taking requests, where another process takes them from now on:
// what has arrived is still given out, answers are still sent. It returns at
// once. mongrel2 loses what it pushes to us in the moment of leaving.
func (l *Link) Detach() {
	l.detach.Store(true)
	l.wake()
}

// Close sends what replies have given, waits up to Config.Linger until the
// server has it, and ends the link. Requests that are still unanswered are not
// answered any more; no event is called after it. To lose none, wait until
// Active is 0 first.
func (l *Link) Close() {
	l.closing.Store(true)
	l.wake()
	<-l.done
}

// post gives the goroutine something to do. It reports false where the link
// has ended.
func (l *Link) post(o op) bool {
	l.mu.Lock()
	if l.stopped.Load() {
		l.mu.Unlock()
		return false
	}
	l.outbox = append(l.outbox, o)
	l.mu.Unlock()
	l.wake()
	return true
}

func (l *Link) wake() {
	if l.asleep.Load() && l.asleep.CompareAndSwap(true, false) {
		l.mu.Lock() // so that the descriptor is not closed meanwhile
		if !l.stopped.Load() {
			l.sock.signal()
		}
		l.mu.Unlock()
	}
}

// run is the goroutine.
func (l *Link) run(started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer close(l.done)
	if err := l.sock.open(l.cfg); err != nil {
		started <- err
		return
	}
	l.now = time.Now()
	l.setState(PhaseConnecting, "no mongrel2 has answered at "+l.cfg.Send)
	started <- nil
	for {
		l.now = time.Now()
		l.drainControl()
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
			if l.flushed() && !worked {
				break
			}
		}
		if worked {
			continue
		}
		l.sleep()
	}
	l.end()
}

// sleep waits for a socket, a reply or a timer.
func (l *Link) sleep() {
	l.asleep.Store(true)
	l.mu.Lock()
	more := len(l.outbox) > 0
	l.mu.Unlock()
	if !more && !(l.closing.Load() && l.flushed()) && !(l.detach.Load() && l.pulling) {
		l.sock.wait(l.timeout())
	}
	l.asleep.Store(false)
}

// end closes the sockets: the answers' first, the requests' when they are out.
func (l *Link) end() {
	l.mu.Lock()
	l.stopped.Store(true)
	rest := l.outbox
	l.outbox = nil
	l.mu.Unlock()
	for _, o := range rest {
		o.discard()
	}
	for _, c := range l.conns {
		// A client whose request we leave unanswered must not wait for it.
		l.sendClose(c)
		c.abandon()
	}
	l.sock.close(l.cfg.Linger)
	l.setState(PhaseClosed, "")
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
