package master

import (
	"fmt"

	"github.com/wsgid-fleet/wsgid-fleet/runner/evloop"
	"github.com/wsgid-fleet/wsgid-fleet/runner/mongrel2/link"
	"github.com/wsgid-fleet/wsgid-fleet/runner/pool"
	"github.com/wsgid-fleet/wsgid-fleet/runner/unread"
	"github.com/wsgid-fleet/wsgid-fleet/runner/wsgi"
)

// spilled is a request of mongrel2's whose body is too long for a message, until all
// of it is in a file.
type spilled struct {
	in    *mongrel2Ingress
	x     *pool.Exchange
	reply *link.Reply
	peer  wsgi.Peer
	late  evloop.Timer
}

// spill has the body of a request written to a file, and submits the request then.
func (in *mongrel2Ingress) spill(x *pool.Exchange, reply *link.Reply, r *link.Incoming) {
	env := in.env
	sp := &spilled{in: in, x: x, reply: reply, peer: r.Peer}
	body := r.Body // it came in a message of its own, which nobody uses again
	r.Release()
	x.Body = env.Store.NewBody(int64(len(body)), func() { env.Loop.Post(sp.moved) })
	if in.spilled == nil {
		in.spilled = map[*link.Reply]*spilled{}
	}
	in.spilled[reply] = sp
	sp.late.Do = sp.onLate
	if err := x.Body.Give(body); err != nil {
		sp.failed(err)
		return
	}
	sp.wait()
	sp.moved()
}

// wait gives the disk time.
func (sp *spilled) wait() {
	sp.x.Body.Await()
	if d := sp.in.env.Spec.Request.BodyTimeout.D(); d > 0 {
		sp.in.loop.Set(&sp.late, d)
	}
}

// moved: the disk has taken the body, or failed.
func (sp *spilled) moved() {
	in := sp.in
	if in.spilled[sp.reply] != sp {
		return // its client is gone, or has been told
	}
	switch done, err := sp.x.Body.Complete(); {
	case err != nil:
		sp.failed(err)
	case done:
		in.unspill(sp)
		in.pool.Submit(sp.x)
	}
}

// onLate: the disk has taken nothing for as long as a client may send nothing.
func (sp *spilled) onLate() {
	if sp.x.Body.Stuck() {
		sp.failed(sp.in.env.Stalled())
		return
	}
	sp.wait()
}

func (sp *spilled) failed(err error) {
	in := sp.in
	in.unspill(sp)
	delete(in.open, sp.reply)
	status := unread.Status(err)
	in.log.Error(fmt.Sprintf("%s: %d: cannot store the body: %v", sp.x.Label, status, err))
	in.refuse(sp.x, sp.reply, &sp.peer, status, unread.NotStored)
	in.left()
}

// unspill: the body is waited for no more.
func (in *mongrel2Ingress) unspill(sp *spilled) {
	delete(in.spilled, sp.reply)
	in.loop.Clear(&sp.late)
}
