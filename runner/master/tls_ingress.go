package master

import (
	"context"
	"fmt"
	"net"
	"os"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/runner/applog"
	"github.com/wsgid-fleet/wsgid-fleet/runner/bridge"
	"github.com/wsgid-fleet/wsgid-fleet/runner/evloop"
	"github.com/wsgid-fleet/wsgid-fleet/runner/ingress"
	"github.com/wsgid-fleet/wsgid-fleet/runner/listen"
	"github.com/wsgid-fleet/wsgid-fleet/runner/pool"
	"github.com/wsgid-fleet/wsgid-fleet/runner/static"
	"github.com/wsgid-fleet/wsgid-fleet/runner/version"
	"github.com/wsgid-fleet/wsgid-fleet/runner/wsgi"
)

// tlsIngress is the HTTPS side of a master. Its connections live on goroutines
// of the bridge; whole requests come to the loop.
type tlsIngress struct {
	loop   *evloop.Loop
	pool   *pool.Pool
	env    *ingress.Env
	log    *applog.Log
	server *bridge.Server
	files  func(name string) (*os.File, error) // opens a certificate's files
	limits atomic.Pointer[bridge.Limits]
	gated  *gatedTLS // of clients that come by a gate; nil: none can

	site     *atomic.Pointer[static.Site] // set before listen
	patience atomic.Int64                 // how long the folder of static files is waited for, in nanoseconds

	sockets []*tlsSocket
	open    map[*bridge.Incoming]*pool.Exchange
	held    map[*bridge.Incoming]*pool.Slot // whose worker waits until the client has read
	stopped bool                            // Shutdown has returned: no request can come
	left    func()                          // after that
}

// tlsSocket is one listening socket of it, kept to be passed on.
type tlsSocket struct {
	name string
	file *os.File
	ln   net.Listener
	cert *bridge.Certificate
	open bool // it accepts
}

func newTLSIngress(env *ingress.Env, files func(string) (*os.File, error)) *tlsIngress {
	l, p, log := env.Loop, env.Pool, env.Log
	in := &tlsIngress{env: env, files: files, loop: l, pool: p, log: log, open: map[*bridge.Incoming]*pool.Exchange{}, held: map[*bridge.Incoming]*pool.Slot{}, left: func() {}}
	in.server = &bridge.Server{
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
				if full, _ := r.Full(); !full {
					in.release(r)
				}
			})
		},
		Store: env.Store,
		Pipe:  env.Pipe,
	}
	in.arriving()
	in.server.Accepted = func(fd int) bool {
		env.Files.Read()
		if fd >= 0 && !env.Files.Kept(fd) {
			return true
		}
		l.Post(func() { env.Crowded() })
		return false
	}
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
	file := os.NewFile(uintptr(fd), s.Listen)
	ln, err := net.FileListener(file)
	if err != nil {
		return fmt.Errorf("cannot listen on %s: %w", s.Listen, err)
	}
	if u, ok := ln.(*net.UnixListener); ok {
		u.SetUnlinkOnClose(false)
	}
	in.sockets = append(in.sockets, &tlsSocket{name: s.Listen, file: file, ln: ln, cert: cert})
	return nil
}

// accept begins to take connections.
func (in *tlsIngress) accept() error {
	for _, s := range in.sockets {
		if s.open {
			continue
		}
		if err := listen.StartFile(s.file); err != nil {
			return fmt.Errorf("cannot listen on %s: %w", s.name, err)
		}
		s.open = true
		go func() {
			if err := in.server.Serve(s.ln, s.cert); err != nil {
				in.log.Error(fmt.Sprintf("cannot serve %s: %v", s.name, err))
			}
		}()
	}
	return nil
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

// drain stops accepting and calls left when every request has its response.
func (in *tlsIngress) drain(ctx context.Context) {
	for _, s := range in.sockets {
		_ = s.file.Close()
	}
	in.sockets = nil
	go func() {
		_ = in.server.Shutdown(ctx)
		in.loop.Post(func() {
			in.stopped = true
			in.left()
		})
	}()
}

// duplicates returns duplicates of the listening sockets by name.
func (in *tlsIngress) duplicates(add func(name string, fd int)) error {
	for _, s := range in.sockets {
		raw, err := s.file.SyscallConn()
		if err != nil {
			return err
		}
		var dup int
		var derr error
		if err := raw.Control(func(fd uintptr) { dup, derr = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0) }); err != nil {
			return err
		}
		if derr != nil {
			return derr
		}
		add(s.name, dup)
	}
	return nil
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
