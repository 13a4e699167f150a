package master

import (
	"context"
	"crypto/tls"
	"fmt"
	"os"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/runner/applog"
	"github.com/wsgid-fleet/wsgid-fleet/runner/bridge"
	"github.com/wsgid-fleet/wsgid-fleet/runner/evloop"
	"github.com/wsgid-fleet/wsgid-fleet/runner/httpserver"
	"github.com/wsgid-fleet/wsgid-fleet/runner/ingress"
	"github.com/wsgid-fleet/wsgid-fleet/runner/pool"
	"github.com/wsgid-fleet/wsgid-fleet/runner/static"
	"github.com/wsgid-fleet/wsgid-fleet/runner/version"
	"github.com/wsgid-fleet/wsgid-fleet/runner/wsgi"
)

// tlsIngress is the HTTPS side of a master. The bridge does the handshakes; then HTTP/1
// goes on at the server of plain HTTP, and HTTP/2 on goroutines of the bridge, from which
// whole requests come to the loop.
type tlsIngress struct {
	loop   *evloop.Loop
	pool   *pool.Pool
	env    *ingress.Env
	log    *applog.Log
	http   *httpserver.Server
	server *bridge.Server
	files  func(name string) (*os.File, error) // opens a certificate's files
	limits atomic.Pointer[bridge.Limits]
	gated  *gatedTLS // of clients that come by a gate; nil: none can

	site     *atomic.Pointer[static.Site] // set before listen
	patience atomic.Int64                 // how long the folder of static files is waited for, in nanoseconds

	open    map[*bridge.Incoming]*pool.Exchange
	held    map[*bridge.Incoming]*pool.Slot // whose worker waits until the client has read
	stopped bool                            // Shutdown has returned: no request can come
	left    func()                          // after that
}

func newTLSIngress(env *ingress.Env, files func(string) (*os.File, error), to *httpserver.Server) *tlsIngress {
	l, p, log := env.Loop, env.Pool, env.Log
	in := &tlsIngress{env: env, http: to, files: files, loop: l, pool: p, log: log, open: map[*bridge.Incoming]*pool.Exchange{}, held: map[*bridge.Incoming]*pool.Slot{}, left: func() {}}
	in.server = &bridge.Server{
		Loop:         l,
		HTTP1:        func(c *bridge.Sealed) { to.AdoptSecure(c.Descriptor(), c, c.Peer, c.Answers) },
		Submit:       func(r *bridge.Incoming) { l.Post(func() { in.submit(r) }) },
		Cancel:       func(r *bridge.Incoming) { l.Post(func() { in.cancel(r) }) },
		Refused:      func(peer wsgi.Peer, status int) { l.Post(func() { p.Refused(nil, &peer, status) }) },
		Limits:       func() bridge.Limits { return *in.limits.Load() },
		Trusted:      env.Trusts,
		Believed:     env.Believed,
		Mount:        &env.Mount,
		TempFile:     env.TempFile,
		Log:          log.Info,
		Multiprocess: &p.Multiprocess,
		Version:      version.Program,
		Note: func(r *wsgi.Request, peer *wsgi.Peer) any {
			ingress.ReportDropped(log, r)
			return p.Access.NoteOf(r, peer)
		},
		Static: func(r *wsgi.Request, peer *wsgi.Peer, to wsgi.Sink) bool { return in.static(r, peer, to) },
		Room: func(r *bridge.Incoming) {
			l.Post(func() {
				switch full, pressed := r.Full(); {
				case !full:
					in.release(r)
				case pressed:
					env.Press()
				}
			})
		},
		Store: env.Store,
		Pipe:  env.Pipe,
	}
	in.arriving()
	return in
}

// configure takes over the limits of the environment.
func (in *tlsIngress) configure() {
	spec := in.env.Spec
	r := &spec.Request
	in.patience.Store(int64(spec.Workers.RequestTimeout))
	in.limits.Store(&bridge.Limits{Reasons: spec.Debug, Anonymous: !spec.ServerHeader, MaxBody: int64(r.MaxBody), HeaderTimeout: r.HeaderTimeout.D(),
		BodyTimeout: r.BodyTimeout.D(), MinRate: int64(r.MinRate), KeepAliveTimeout: r.KeepAliveTimeout.D(), Head: in.env.HeadLimits(),
		Unbuffered: !r.Buffering})
	in.server.LimitsChanged()
	in.configureGated(spec)
}

// listen serves HTTPS on a listening socket; the ingress owns the descriptor.
func (in *tlsIngress) listen(s *appspec.HTTPSocket, fd int) error {
	cert, err := bridge.LoadCertificate(s.TLS.Cert, s.TLS.Key, in.files)
	if err != nil {
		return fmt.Errorf("cannot listen on %s: %w; %s", s.Listen, err, bridge.NextForPair(err))
	}
	config := in.server.Config(cert)
	return in.http.ListenSecure(s.Listen, fd, func(fd int, peer wsgi.Peer) {
		in.greet(&bridge.Arrival{FD: fd, Peer: peer}, config)
	})
}

func (in *tlsIngress) greet(a *bridge.Arrival, config *tls.Config) {
	if !in.server.Greet(a, config) {
		_ = unix.Close(a.FD)
	}
}

// submit runs on the loop.
func (in *tlsIngress) submit(r *bridge.Incoming) {
	x := in.pool.NewExchange()
	x.Msg = append(x.Msg, r.Msg...)
	x.Body = r.File
	if r.Upload != nil {
		x.Upload = r.Upload
	}
	x.Label = append(append(append(x.Label, r.Method...), ' '), r.Target...)
	if n, ok := r.Token.(*applog.Note); ok {
		x.Access = *n
	}
	if len(x.Msg) > wsgi.MaxMessage {
		in.pool.Refused(x, &wsgi.Peer{RemoteAddr: r.Remote}, 431)
		in.pool.Release(x)
		r.Sink.Fail(431, wsgi.HeadTooLarge)
		return
	}
	x.Sink = &tlsSink{in: in, r: r}
	in.open[r] = x
	in.pool.Submit(x)
}

func (in *tlsIngress) cancel(r *bridge.Incoming) {
	if x := in.open[r]; x != nil {
		delete(in.open, r)
		in.release(r)
		if r.Upload != nil {
			x.ClientOwes(false) // nobody waits for it any more
		}
		in.pool.Abandon(x)
		endUpload(r)
	}
}

// release lets a worker go on that waited for a client.
func (in *tlsIngress) release(r *bridge.Incoming) {
	in.held[r].Resume()
	delete(in.held, r)
}

// drain calls left when every handshake has ended and every request over HTTP/2 has its
// response.
func (in *tlsIngress) drain(ctx context.Context) {
	go func() {
		_ = in.server.Shutdown(ctx)
		in.loop.Post(func() {
			in.stopped = true
			in.left()
		})
	}()
}

// tlsSink is a bridge's sink that tells the ingress when it is done.
type tlsSink struct {
	in *tlsIngress
	r  *bridge.Incoming
}

func (s *tlsSink) end(last bool) {
	if last {
		delete(s.in.open, s.r)
		s.in.release(s.r)
		endUpload(s.r)
		return
	}
	if x := s.in.open[s.r]; x != nil && s.in.held[s.r] == nil {
		full, pressed := s.r.Full()
		if !full {
			return
		}
		if held := x.Pause(); held != nil {
			s.in.held[s.r] = held
			if pressed {
				s.in.env.Press()
			}
		}
	}
}

// Head implements wsgi.Sink.
func (s *tlsSink) Head(h *wsgi.ResponseHead, body []byte, last bool) {
	s.r.Sink.Head(h, body, last)
	s.end(last)
}

// Data implements wsgi.Sink.
func (s *tlsSink) Data(b []byte, last bool) {
	s.r.Sink.Data(b, last)
	s.end(last)
}

// File implements wsgi.Sink.
func (s *tlsSink) File(f *os.File, offset, length int64, last bool) {
	s.r.Sink.File(f, offset, length, last)
	s.end(last)
}

// Fail implements wsgi.Sink.
func (s *tlsSink) Fail(status int, reason string) {
	s.r.Sink.Fail(status, reason)
	s.end(true)
}
