package master

import (
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/runner/applog"
	"github.com/wsgid-fleet/wsgid-fleet/runner/evloop"
	"github.com/wsgid-fleet/wsgid-fleet/runner/ingress"
	"github.com/wsgid-fleet/wsgid-fleet/runner/mongrel2/link"
	"github.com/wsgid-fleet/wsgid-fleet/runner/pool"
	"github.com/wsgid-fleet/wsgid-fleet/runner/wsgi"
)

// mongrel2Ingress is one mongrel2 handler of an app: a link that the loop
// drives. The link's Reply is the sink of a request.
type mongrel2Ingress struct {
	loop *evloop.Loop
	pool *pool.Pool
	log  *applog.Log
	link *link.Link
	name string // for log lines

	env     *ingress.Env
	filters *atomic.Bool // the app has wsgid's request filters, which want the message

	timer   evloop.Timer // the link's next turn, at the latest
	turning bool
	roused  bool // a turn is due at the end of this turn of the loop
	open    map[*link.Reply]*pool.Exchange
	spilled map[*link.Reply]*spilled   // whose bodies are on their way to the disk
	held    map[*link.Reply]*pool.Slot // whose worker waits until mongrel2 has been sent what there is
	left    func()                     // detached, and a request has ended
}

// openMongrel2 connects to a handler. That its server does not run is no error.
func openMongrel2(env *ingress.Env, s *appspec.Mongrel2Socket, filters *atomic.Bool) (*mongrel2Ingress, error) {
	l, log := env.Loop, env.Log
	in := &mongrel2Ingress{env: env, loop: l, pool: env.Pool, log: log, name: s.Recv, filters: filters,
		open: map[*link.Reply]*pool.Exchange{}, held: map[*link.Reply]*pool.Slot{}, left: func() {}}
	in.timer.Do = in.turn
	var err error
	in.link, err = link.New(link.Config{
		Recv: s.Recv, Send: s.Send, Chroot: s.Chroot, MaxBody: int64(env.Spec.Request.MaxBody),
		Log: log.Slog(), Store: env.Store,
	}, link.Events{
		Request: in.onRequest,
		Gone:    in.onGone,
		Full:    in.hold,
		Room:    in.resume,
		Batch:   func() { in.left() }, // one that came to nobody may have been the last
		State: func(s link.State) {
			if s.Phase == link.PhaseClosed || s.Phase == link.PhaseDetached {
				return
			}
			log.Info(fmt.Sprintf("mongrel2 at %s is %s%s", in.name, s.Phase, because(s.Reason)))
		},
	})
	if err != nil {
		return nil, err
	}
	in.configure()
	if err := l.Add(in.link.FD(), unix.EPOLLIN, in); err != nil {
		return nil, err
	}
	l.Post(in.turn)
	return in, nil
}

// configure takes over how responses of ours look, from the next one on.
func (in *mongrel2Ingress) configure() {
	in.link.SetStyle(link.Style{Fields: in.env.ServerHeader(), Reasons: in.env.Spec.Debug})
}

// onEvents: the link has something to do.
func (in *mongrel2Ingress) OnEvents(uint32) { in.turn() }

// turn lets the link do what it can.
func (in *mongrel2Ingress) turn() {
	if in.turning {
		return
	}
	in.turning = true
	in.roused = false
	d := time.Duration(0)
	for range 4 {
		if d = in.link.Turn(); d != 0 {
			break
		}
	}
	in.turning = false
	switch {
	case d == 0:
		in.rouse() // others first
	case d > 0:
		in.loop.Set(&in.timer, d)
	default:
		in.loop.Clear(&in.timer)
	}
}

// rouse has the link take its turn when the loop has done what is at hand: the
// answers of many workers go out together.
func (in *mongrel2Ingress) rouse() {
	if in.roused {
		return
	}
	in.roused = true
	in.link.Rouse()
	in.loop.AtTurnEnd(in.turn)
}

func because(reason string) string {
	if reason == "" {
		return ""
	}
	return ": " + reason
}

// onRequest hands a request to the pool.
func (in *mongrel2Ingress) onRequest(r *link.Incoming) {
	reply := r.Reply
	x := in.pool.NewExchange()
	x.Label = ingress.Label(x.Label, &r.Request)
	ingress.ReportDropped(in.log, &r.Request)
	x.Body = in.env.Store.ForeignBody(r.File)
	r.Peer.Software, r.Peer.Trusted, r.Peer.Multiprocess, r.Peer.Believed, r.Peer.Mount = ingress.Software, in.env.Trusts, &in.pool.Multiprocess, in.env.Believed, &in.env.Mount
	if in.pool.Access.Enabled() {
		x.Access.Record(&r.Request, &r.Peer)
	}
	var flags byte
	if r.File != nil {
		flags = wsgi.FlagBodyFile
	} else if len(r.Body) > wsgi.MaxInlineBody {
		flags = wsgi.FlagBodyFile
	}
	if in.filters.Load() {
		x.Msg = wsgi.AppendRequest(x.Msg, flags, 0, &r.Request, &r.Peer, wsgi.Entry{Key: "wsgid.m2message", Value: messageTuple(r)})
	} else {
		x.Msg = wsgi.AppendRequest(x.Msg, flags, 0, &r.Request, &r.Peer)
	}
	if flags == 0 {
		x.Msg = append(x.Msg, r.Body...)
	}
	if len(x.Msg) > wsgi.MaxMessage {
		in.log.Warn(fmt.Sprintf("%s: 431: the request's head is too large", x.Label))
		in.refuse(x, reply, &r.Peer, 431, wsgi.HeadTooLarge)
		r.Release()
		return
	}
	x.Sink = &mongrel2Sink{in: in, reply: reply}
	in.open[reply] = x
	if flags != 0 && x.Body == nil {
		in.spill(x, reply, r)
		return
	}
	r.Release()
	in.pool.Submit(x)
}

// refuse answers a request that does not come to the pool.
func (in *mongrel2Ingress) refuse(x *pool.Exchange, reply *link.Reply, peer *wsgi.Peer, status int, reason string) {
	in.pool.Refused(x, peer, status)
	in.pool.Release(x)
	in.rouse()
	reply.Fail(status, reason)
}

// onGone: the client of a request is gone.
func (in *mongrel2Ingress) onGone(r *link.Reply) {
	if x := in.open[r]; x != nil {
		delete(in.open, r)
		in.resume(r)
		if sp := in.spilled[r]; sp != nil {
			in.unspill(sp)
			in.pool.Release(x)
		} else {
			in.pool.Abandon(x)
		}
		in.left()
	}
}

// hold lets the worker of a request wait: too much waits for the client.
func (in *mongrel2Ingress) hold(r *link.Reply) {
	if x := in.open[r]; x != nil && in.held[r] == nil {
		if s := x.Pause(); s != nil {
			in.held[r] = s
			in.env.Press()
		}
	}
}

// resume lets it go on.
func (in *mongrel2Ingress) resume(r *link.Reply) {
	in.held[r].Resume()
	delete(in.held, r)
}

// messageTuple is mongrel2's message as wsgid's filters know it.
func messageTuple(r *link.Incoming) wsgi.Tuple {
	return wsgi.Tuple{wsgi.Latin1(r.Message.ServerID), wsgi.Latin1(r.Message.ClientID), wsgi.Latin1(r.Message.Path), r.Headers(), r.Message.Body}
}

// detach stops taking requests.
func (in *mongrel2Ingress) detach() {
	in.link.Detach()
	in.rouse()
}

// close sends what is left and ends the link. The loop has ended.
func (in *mongrel2Ingress) close() {
	in.link.Shutdown()
	for {
		d := in.link.Turn()
		select {
		case <-in.link.Done():
			return
		default:
		}
		if d != 0 {
			_, _ = unix.Poll([]unix.PollFd{{Fd: int32(in.link.FD()), Events: unix.POLLIN}}, 20)
		}
	}
}

// idle tells whether no request of this handler is in work.
func (in *mongrel2Ingress) idle() bool { return len(in.open) == 0 && in.link.Active() == 0 }

// mongrel2Sink is a Reply that tells the ingress when it is done.
type mongrel2Sink struct {
	in    *mongrel2Ingress
	reply *link.Reply
}

func (s *mongrel2Sink) end(last bool) {
	if last {
		delete(s.in.open, s.reply)
		s.in.resume(s.reply)
		s.in.left()
	}
}

// Head implements wsgi.Sink.
func (s *mongrel2Sink) Head(h *wsgi.ResponseHead, body []byte, last bool) {
	s.in.rouse()
	s.reply.Head(h, body, last)
	s.end(last)
}

// Data implements wsgi.Sink.
func (s *mongrel2Sink) Data(b []byte, last bool) {
	s.in.rouse()
	s.reply.Data(b, last)
	s.end(last)
}

// File implements wsgi.Sink.
func (s *mongrel2Sink) File(f *os.File, offset, length int64, last bool) {
	s.in.rouse()
	s.reply.File(f, offset, length, last)
	s.end(last)
}

// Fail implements wsgi.Sink.
func (s *mongrel2Sink) Fail(status int, reason string) {
	s.in.rouse()
	s.reply.Fail(status, reason)
	s.end(true)
}
