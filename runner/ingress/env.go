package ingress

import (
	"fmt"
	"net/netip"
	"sync/atomic"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/runner/applog"
	"github.com/wsgid-fleet/wsgid-fleet/runner/evloop"
	"github.com/wsgid-fleet/wsgid-fleet/runner/http1"
	"github.com/wsgid-fleet/wsgid-fleet/runner/pool"
	"github.com/wsgid-fleet/wsgid-fleet/runner/unread"
	"github.com/wsgid-fleet/wsgid-fleet/runner/version"
	"github.com/wsgid-fleet/wsgid-fleet/runner/wsgi"
)

// Software is how we call ourselves to applications.
const Software = "wsgid/" + version.Program

// Env is what the ingresses of a master share. It belongs to the loop, but for what
// says otherwise.
type Env struct {
	Loop  *evloop.Loop
	Pool  *pool.Pool
	Log   *applog.Log
	Spec  *appspec.Spec // for the limits of a request; replaced, never changed
	Store *unread.Store // of what clients have not read yet, by any ingress
	Files Descriptors
	Mount atomic.Pointer[string] // of the spec, see wsgi.Peer
	Pipes bool                   // bodies of requests may wait in pipes, see unread.Pipes

	// Press has the rates of all clients looked at sooner: a worker waits, as there is
	// no room for more.
	Press func()
	// Crowded tells whether clients have all the descriptors that they may, after the
	// connections that have been idle longest were closed.
	Crowded func() bool

	spool      string                         // folder for temporary files
	trusted    atomic.Pointer[[]netip.Prefix] // read by the bridge's goroutines too
	trustsUnix atomic.Bool                    // whoever may connect to a unix socket is a trusted proxy
	believes   atomic.Uint32                  // of request.trusted_headers, as wsgi.Believed
}

// New makes the environment of a master; spool is the folder for temporary files.
func New(l *evloop.Loop, p *pool.Pool, log *applog.Log, spool string, spec *appspec.Spec) *Env {
	e := &Env{Loop: l, Pool: p, Log: log, spool: spool, Press: func() {}, Crowded: func() bool { return false }}
	e.Store = &unread.Store{Open: e.TempFile, Kept: e.Files.Kept, Fault: func(err error) {
		log.Error(fmt.Sprintf("responses for slow clients are buffered in memory only, and beyond request.response_buffer their workers wait too: %v", err))
	}}
	e.Store.Scarce = func(err error) {
		log.Warn(fmt.Sprintf("bodies of requests wait in files from now on where there is no pipe for them, which costs more: %v; raise the one that it is, or set WSGID_PIPES=off", err))
	}
	e.Configure(spec)
	return e
}

// Configure takes over the limits of a request, for requests from now on.
func (e *Env) Configure(spec *appspec.Spec) {
	if spec.Request.ResponseBuffer == 0 {
		// It was kept by a version that did not know these limits.
		known := appspec.Default("", "").Request
		s := *spec
		s.Request.ResponseBuffer, s.Request.Spool, s.Request.MinRate = known.ResponseBuffer, known.Spool, known.MinRate
		spec = &s
	}
	e.Spec = spec
	e.Files.Measure(&spec.Workers)
	e.Store.Limit(int64(spec.Request.ResponseBuffer), int64(spec.Request.Spool))
	e.trust(spec.Request.TrustedProxies)
	e.believes.Store(uint32(wsgi.BelievedHeaders(spec.Request.TrustedHeaders)))
	mount := spec.Mount()
	e.Mount.Store(&mount)
}

// HeadLimits are those of a request's head.
func (e *Env) HeadLimits() http1.Limits {
	r := &e.Spec.Request
	return http1.Limits{MaxLine: int(r.MaxLine), MaxHead: int(r.MaxHead), MaxFields: r.MaxHeaders}
}

// ServerHeader is the line of every response that names us.
func (e *Env) ServerHeader() []byte {
	if !e.Spec.ServerHeader {
		return nil
	}
	return []byte("X-Wsgid: " + version.Program + "\r\n")
}

// Stalled is what becomes of a body that the disk does not take.
func (e *Env) Stalled() error {
	return fmt.Errorf("%w within %v (request.body_timeout)", unread.ErrStalled, e.Spec.Request.BodyTimeout)
}
