package pool

import "github.com/wsgid-fleet/wsgid-fleet/runner/applog"

// staticCounts are the answers to requests for static files.
type staticCounts struct {
	total, bytes uint64
	codes        map[int]uint64
}

// StaticAnswered counts an answer, ns nanoseconds after the request was read, and
// writes its line; note may be nil.
func (p *Pool) StaticAnswered(note *applog.Note, status int, sent, ns int64) {
	s := p.static
	if s == nil {
		s = &staticCounts{codes: map[int]uint64{}}
		p.static = s
	}
	s.total++
	s.bytes += uint64(max(sent, 0))
	s.codes[status]++
	if note != nil && note.Noted {
		p.Access.Write(note, status, sent, ns, 0)
	}
}
