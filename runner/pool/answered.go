package pool

import (
	"github.com/wsgid-fleet/wsgid-fleet/runner/applog"
	"github.com/wsgid-fleet/wsgid-fleet/runner/control"
	"github.com/wsgid-fleet/wsgid-fleet/runner/wsgi"
)

// answered counts a request that has ended, ns nanoseconds after it was
// submitted, and writes its line.
func (p *Pool) answered(x *Exchange, ns int64) {
	if x.status == 0 {
		x.status = control.StatusClientGone
	}
	p.stats.answered(p.loop.Now(), ns, x.status)
	if x.Access.Noted {
		p.Access.Write(&x.Access, x.status, x.sent, ns, x.worker)
	}
}

// Refused counts a request that the server itself answers before it comes to
// the pool; x is nil where it could not be read.
func (p *Pool) Refused(x *Exchange, peer *wsgi.Peer, status int) {
	p.stats.codes[status-100]++
	if !p.Access.Enabled() {
		return
	}
	var n applog.Note
	note := &n
	if x != nil && x.Access.Noted {
		note = &x.Access
	} else {
		n.RecordUnparsed(peer)
	}
	p.Access.Write(note, status, 0, 0, 0)
}
