package runner

import (
	"github.com/wsgid-fleet/wsgid-fleet/runner/applog"
	"github.com/wsgid-fleet/wsgid-fleet/runner/control"
	"github.com/wsgid-fleet/wsgid-fleet/runner/wsgi"
)

// answered counts a request that has ended, ns nanoseconds after it was
// submitted, and writes its line.
func (p *pool) answered(x *exchange, ns int64) {
	if x.status == 0 {
		x.status = control.StatusClientGone
	}
	p.stats.answered(p.loop.Now(), ns, x.status)
	if x.access.Noted {
		p.access.Write(&x.access, x.status, x.sent, ns, x.worker)
	}
}

// refused counts a request that the server itself answers before it comes to
// the pool; x is nil where it could not be read.
func (p *pool) refused(x *exchange, peer *wsgi.Peer, status int) {
	p.stats.codes[status-100]++
	if !p.access.Enabled() {
		return
	}
	var n applog.Note
	note := &n
	if x != nil && x.access.Noted {
		note = &x.access
	} else {
		n.RecordUnparsed(peer)
	}
	p.access.Write(note, status, 0, 0, 0)
}
