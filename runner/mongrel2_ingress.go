package runner

import (
	"fmt"
	"os"
	"slices"
	"sync/atomic"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/runner/mongrel2/link"
	"github.com/wsgid-fleet/wsgid-fleet/runner/wsgi"
)

// mongrel2Ingress is one mongrel2 handler of an app. The link's goroutine makes
// the message for the worker, the loop submits it; the link's Reply is the
// sink.
type mongrel2Ingress struct {
	loop *loop
	pool *pool
	log  *appLog
	link *link.Link
	name string // for log lines

	tempFile func() (*os.File, error)
	trusted  func(addr string) bool
	filters  *atomic.Bool // the app has wsgid's request filters, which want the message

	batch []*mongrel2Request // the link goroutine's
	open  map[*link.Reply]*exchange
	left  func() // detached, and a request has ended
}

// mongrel2Request is a request on its way from the link to the loop.
type mongrel2Request struct {
	msg   []byte
	body  *os.File
	label []byte
	reply *link.Reply
	gone  bool // not a request: the client of reply is gone
}

// openMongrel2 connects to a handler. That its server does not run is no error.
func openMongrel2(l *loop, p *pool, f *front, log *appLog, s *appspec.Mongrel2Socket, maxBody int64, filters *atomic.Bool) (*mongrel2Ingress, error) {
	in := &mongrel2Ingress{loop: l, pool: p, log: log, name: s.Recv, filters: filters, tempFile: f.tempFile, trusted: f.trusts,
		open: map[*link.Reply]*exchange{}, left: func() {}}
	var err error
	in.link, err = link.Open(link.Config{
		Recv: s.Recv, Send: s.Send, Chroot: s.Chroot, MaxBody: maxBody,
		Fields: "X-Wsgid: " + Version + "\r\n", Log: log.slog(),
	}, link.Events{
		Request: in.onRequest,
		Gone:    func(r *link.Reply) { in.batch = append(in.batch, &mongrel2Request{reply: r, gone: true}) },
		Batch:   in.onBatch,
		State: func(s link.State) {
			if s.Phase == link.PhaseClosed || s.Phase == link.PhaseDetached {
				return
			}
			log.info(fmt.Sprintf("mongrel2 at %s is %s%s", in.name, s.Phase, because(s.Reason)))
		},
	})
	return in, err
}

func because(reason string) string {
	if reason == "" {
		return ""
	}
	return ": " + reason
}

// onRequest runs on the link's goroutine.
func (in *mongrel2Ingress) onRequest(r *link.Incoming) {
	q := &mongrel2Request{reply: r.Reply, body: r.File, label: label(nil, &r.Request)}
	var flags byte
	if r.File != nil {
		flags = wsgi.FlagBodyFile
	} else if len(r.Body) > wsgi.MaxInlineBody {
		var err error
		if q.body, err = in.spill(r.Body); err != nil {
			in.log.error(fmt.Sprintf("%s: 500: cannot keep the body: %v", q.label, err))
			r.Reply.Fail(500, "the server cannot keep the request")
			r.Release()
			return
		}
		flags = wsgi.FlagBodyFile
	}
	r.Peer.Software, r.Peer.Trusted = "wsgid/"+Version, in.trusted
	if in.filters.Load() {
		q.msg = wsgi.AppendRequest(nil, flags, 0, &r.Request, &r.Peer, wsgi.Entry{Key: "wsgid.m2message", Value: messageTuple(r)})
	} else {
		q.msg = wsgi.AppendRequest(nil, flags, 0, &r.Request, &r.Peer)
	}
	if q.body == nil {
		q.msg = append(q.msg, r.Body...)
	}
	r.Release()
	if len(q.msg) > wsgi.MaxMessage {
		in.log.warn(fmt.Sprintf("%s: 431: the request's head is too large", q.label))
		if q.body != nil {
			_ = q.body.Close()
		}
		q.reply.Fail(431, "the request's head is too large")
		return
	}
	in.batch = append(in.batch, q)
}

// spill keeps a body that is too long for a message in a file.
func (in *mongrel2Ingress) spill(body []byte) (*os.File, error) {
	f, err := in.tempFile()
	if err != nil {
		return nil, err
	}
	if _, err := f.Write(body); err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

// messageTuple is mongrel2's message as wsgid's filters know it.
func messageTuple(r *link.Incoming) wsgi.Tuple {
	headers := map[string]any{"METHOD": wsgi.Latin1(slices.Clone(r.Request.Method)), "PATH": wsgi.Latin1(slices.Clone(r.Request.Path)),
		"REMOTE_ADDR": r.Peer.RemoteAddr, "VERSION": r.Request.Proto}
	if r.Request.Query != nil {
		headers["QUERY"] = wsgi.Latin1(slices.Clone(r.Request.Query))
	}
	for _, h := range r.Request.Headers {
		headers[string(h.Name)] = wsgi.Latin1(h.Value)
	}
	return wsgi.Tuple{wsgi.Latin1(r.Message.ServerID), wsgi.Latin1(r.Message.ClientID), wsgi.Latin1(r.Message.Path), headers, r.Message.Body}
}

// onBatch hands what came to the loop, with one wake-up.
func (in *mongrel2Ingress) onBatch() {
	batch := in.batch
	if len(batch) == 0 {
		return
	}
	in.batch = nil
	in.loop.post(func() {
		for _, q := range batch {
			in.submit(q)
		}
	})
}

// submit runs on the loop.
func (in *mongrel2Ingress) submit(q *mongrel2Request) {
	if q.gone {
		if x := in.open[q.reply]; x != nil {
			delete(in.open, q.reply)
			in.pool.abandon(x)
			in.left()
		}
		return
	}
	x := in.pool.newExchange()
	x.msg = append(x.msg, q.msg...)
	x.body = q.body
	x.label = append(x.label, q.label...)
	x.sink = &mongrel2Sink{in: in, reply: q.reply}
	in.open[q.reply] = x
	in.pool.submit(x)
}

// detach stops taking requests.
func (in *mongrel2Ingress) detach() { in.link.Detach() }

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
		s.in.left()
	}
}

// Head implements wsgi.Sink.
func (s *mongrel2Sink) Head(h *wsgi.ResponseHead, body []byte, last bool) {
	s.reply.Head(h, body, last)
	s.end(last)
}

// Data implements wsgi.Sink.
func (s *mongrel2Sink) Data(b []byte, last bool) {
	s.reply.Data(b, last)
	s.end(last)
}

// File implements wsgi.Sink.
func (s *mongrel2Sink) File(f *os.File, offset, length int64, last bool) {
	s.reply.File(f, offset, length, last)
	s.end(last)
}

// Fail implements wsgi.Sink.
func (s *mongrel2Sink) Fail(status int, reason string) {
	s.reply.Fail(status, reason)
	s.end(true)
}
