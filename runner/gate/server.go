package gate

import (
	"crypto/tls"
	"fmt"
	"maps"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/runner/evloop"
	"github.com/wsgid-fleet/wsgid-fleet/runner/http1"
	"github.com/wsgid-fleet/wsgid-fleet/runner/wsgi"
)

// Config is what a gate goes by. It may change while it runs.
type Config struct {
	Table   *Table
	Proxies []netip.Prefix           // from these sources a PROXY header is required
	Wait    map[string]time.Duration // by app: how long a client waits for it
	// Listeners are what is special of some, by name.
	Listeners map[string]ListenerConfig
	TLS       map[string]bool // by app: its master ends TLS
	Certified *Table          // the names that have a certificate; nil: none
	HTTPS     string          // where clients are redirected to: empty, or a colon and a port
}

// ListenerConfig is how a listener serves.
type ListenerConfig struct {
	TLS      bool // its clients speak TLS
	Redirect bool // who asks for a name that has a certificate is sent to HTTPS
}

// headTimeout is how long the head of a request, or a hello, may take.
const headTimeout = 10 * time.Second

// maxLook is how much of a connection is looked at while it stays there, where it outlives
// a gate that is killed. The kernel must take as much before anybody reads it: a client
// that has filled its window sends no more.
const maxLook = 32 << 10

// lingerTime is how long we read on after an answer of our own, so that the client can
// read it before the kernel resets the connection.
const lingerTime = 2 * time.Second

// Server is a gate at work. It belongs to the loop. Set the fields, then Configure and
// Listen.
type Server struct {
	Loop *evloop.Loop
	// Dial connects to the socket at which an app's master takes connections over.
	Dial func(app string) (fd int, err error)
	// Say writes a line of the log.
	Say func(line string)
	// Max bounds the connections that have no app yet; the oldest goes first.
	Max int
	// Emptied is told when the gate drains and has nothing left.
	Emptied func()
	Counts  Counts

	config Config

	challenges     map[string]string           // see Challenges.HTTP
	challengePairs map[string]*tls.Certificate // see Challenges.TLS

	listeners []*listener
	places    map[string]*place
	apps      map[string]*app
	heads     *list // whose name is not known yet
	lingering *list
	passing   int                // have an app, and have not arrived there
	answering int                // are answered a challenge over TLS
	sources   map[netip.Addr]int // how many of heads come from an address
	draining  bool
	saidSince int64 // when the present second of the log began
	said      int   // lines that were written in it
	unsaid    int   // and that were not, since the last one that was

	links  map[*Link]struct{} // of masters that hand connections back
	room   Room
	batch  []Passing // on their way to a link
	rbuf   []byte
	wbuf   []byte
	parser http1.Parser
	req    wsgi.Request
	dates  http1.DateCache
	date   []byte
	second int64 // of the loop's time that date was made in
}

// Counts counts since the gate was started; Reading, Waiting are of now.
type Counts struct {
	Accepted   uint64            `json:"accepted"`
	Routed     uint64            `json:"routed"`      // to an app's master
	Rescued    uint64            `json:"rescued"`     // from a gate that was killed; they count as accepted, too
	TLS        uint64            `json:"tls"`         // of Routed, by the name in a ClientHello
	Redirected uint64            `json:"redirected"`  // to HTTPS
	Challenges uint64            `json:"challenges"`  // of certificate authorities, answered
	HandedBack uint64            `json:"handed_back"` // by a master, as the connection asked for another host
	Refused    map[string]uint64 `json:"refused,omitempty"`
	Reading    int               `json:"reading"` // have no app yet
	Waiting    int               `json:"waiting"` // for their app's master
	Apps       map[string]uint64 `json:"apps,omitempty"`
}

// Reasons why a connection is refused.
const (
	refusedName    = "unknown_name" // 421
	refusedHead    = "bad_request"
	refusedHello   = "bad_hello"
	refusedCert    = "no_certificate"
	refusedSlow    = "timeout"
	refusedProxy   = "proxy_header"
	refusedCrowd   = "crowded"
	refusedAbsent  = "app_not_available"
	refusedPassing = "cannot_pass"
)

// Start makes the server ready.
func (s *Server) Start() {
	s.apps = map[string]*app{}
	s.places = map[string]*place{}
	s.links = map[*Link]struct{}{}
	s.sources = map[netip.Addr]int{}
	s.Counts.Refused, s.Counts.Apps = map[string]uint64{}, map[string]uint64{}
	s.rbuf = make([]byte, maxLook)
	s.heads = newList(s.Loop, headTimeout, (*conn).late)
	s.lingering = newList(s.Loop, lingerTime, (*conn).close)
	if s.config.Table == nil {
		s.config.Table = NewTable(nil, "")
	}
}

// Configure takes over other names and sources, for connections from now on.
func (s *Server) Configure(c Config) {
	s.config = c
	for _, p := range s.places {
		p.ListenerConfig = c.Listeners[p.name]
	}
	for name, a := range s.apps {
		a.queue.limit = s.wait(name)
		a.reroute()
	}
}

// defaultWait is how long clients wait for an app that says nothing else.
const defaultWait = 30 * time.Second

func (s *Server) wait(app string) time.Duration {
	if d := s.config.Wait[app]; d > 0 {
		return d
	}
	return defaultWait
}

// Snapshot is what was counted, of now.
func (s *Server) Snapshot() Counts {
	c := s.Counts
	c.Reading, c.Waiting = s.heads.n, s.passing
	c.Refused, c.Apps = maps.Clone(s.Counts.Refused), maps.Clone(s.Counts.Apps)
	return c
}

// Adopt serves a connection that somebody else has accepted at a listener of ours.
func (s *Server) Adopt(name string, fd int) {
	for _, ln := range s.listeners {
		if ln.back && ln.name == name {
			s.link(fd)
			return
		}
	}
	s.adopt(&conn{s: s, fd: fd, at: s.place(name)})
}

// rescue serves a connection that a gate had which was killed.
func (s *Server) rescue(fd int) {
	if !untouched(fd) {
		_ = unix.Close(fd) // a master has it
		return
	}
	s.Counts.Rescued++
	s.adopt(&conn{s: s, fd: fd, at: s.placeOf(fd), rescued: true})
}

func (s *Server) adopt(c *conn) {
	peer := evloop.Peer(c.fd)
	c.source, c.port = peer.Addr(), peer.Port()
	s.Counts.Accepted++
	c.proxy = s.fromProxy(c.source)
	s.admit(c)
	if !c.closed {
		c.read()
	}
}

func (s *Server) fromProxy(a netip.Addr) bool {
	for _, p := range s.config.Proxies {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// admit counts a connection whose name is to be read. Where there are too many, the
// oldest has to go; where too many are of one source, its oldest.
func (s *Server) admit(c *conn) {
	s.heads.push(c)
	if !c.source.IsValid() {
		return
	}
	s.sources[c.source]++
	if share := max(s.Max/4, 16); s.sources[c.source] > share && !c.proxy {
		for o := s.heads.first; o != nil; o = o.next {
			if o.source == c.source {
				s.shed(o)
				break
			}
		}
	}
	for s.heads.n > s.Max {
		s.shed(s.heads.first)
	}
}

// shed closes a connection for the sake of others.
func (s *Server) shed(c *conn) {
	if c == nil {
		return
	}
	s.Counts.Refused[refusedCrowd]++
	c.close()
}

// linesASecond bounds the log, which clients can fill. A few that come at once are all there.
const linesASecond = 10

// say writes a line of the log.
func (s *Server) say(line string) {
	if now := s.Loop.Now(); s.said == 0 || now-s.saidSince >= int64(time.Second) {
		s.saidSince, s.said = now, 0
	}
	if s.said == linesASecond {
		s.unsaid++
		return
	}
	if s.unsaid > 0 {
		line += fmt.Sprintf(" (and %d lines omitted)", s.unsaid)
	}
	s.said++
	s.unsaid = 0
	s.Say(line)
}

// maxFinalAccepts bounds what is accepted when a listener is closed.
const maxFinalAccepts = 4096

// Drain stops accepting and finishes what was accepted. With a successor, who waits at
// the listeners is his.
func (s *Server) Drain(successor bool) {
	if s.draining {
		return
	}
	s.draining = true
	for _, ln := range s.listeners {
		if ln.open {
			s.Loop.Remove(ln.fd)
			if !successor {
				ln.take(maxFinalAccepts)
			}
		}
		s.Loop.Clear(&ln.again)
		_ = unix.Close(ln.fd)
	}
	s.listeners = nil
	for l := range s.links {
		l.Finish()
	}
	s.checkEmpty()
}

func (s *Server) checkEmpty() {
	if s.draining && s.heads.n == 0 && s.passing == 0 && s.answering == 0 && s.lingering.n == 0 {
		s.Emptied()
	}
}

// dateLine is the line of a response that says when.
func (s *Server) dateLine() []byte {
	if !s.dated() {
		s.date = s.dates.Line(time.Now())
	}
	return s.date
}

// dated tells whether the date is that of this second.
func (s *Server) dated() bool {
	now := s.Loop.Now() / int64(time.Second)
	was := s.second
	s.second = now
	return s.date != nil && was == now
}
