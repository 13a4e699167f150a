package master

import (
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/runner/applog"
	"github.com/wsgid-fleet/wsgid-fleet/runner/ingress"
	"github.com/wsgid-fleet/wsgid-fleet/runner/sandbox"
	"github.com/wsgid-fleet/wsgid-fleet/runner/static"
	"github.com/wsgid-fleet/wsgid-fleet/runner/wsgi"
)

// configureStatic takes over the static blocks of the spec that the workers run.
func (m *master) configureStatic(spec *appspec.Spec) {
	before := m.http.Site()
	if len(spec.Static) == 0 {
		m.http.UseSite(nil)
		m.site.Store(nil)
		if before != nil {
			before.Retire(nil)
		}
		return
	}
	folder, err := m.root.Folder()
	if err != nil {
		m.log.Error(fmt.Sprintf("cannot serve static files: %v", err))
		return
	}
	o := static.Options{Folder: int(folder.Fd()), Release: spec.Release.CodeDir(), Mount: spec.Mount(), Crew: m.crew, Log: m.log.Warn}
	for _, b := range spec.Static {
		dir := b.Dir
		if rest, ok := strings.CutPrefix(filepath.Clean(dir), filepath.Clean(spec.Path)+"/"); ok {
			dir = rest // the folder that was found, whatever lies at its path; and in a chroot it is elsewhere
		}
		o.Blocks = append(o.Blocks, static.Block{URL: b.URL, Dir: dir, MaxAge: b.MaxAge.D()})
	}
	if before != nil && before.Same(o) {
		return
	}
	site := static.New(o, before)
	site.Open()
	m.http.UseSite(site)
	m.site.Store(site)
	if before != nil {
		before.Retire(site)
	}
}

// newCrew opens static files as the app's user.
func newCrew(user sandbox.User, log *applog.Log) *static.Crew {
	c := &static.Crew{Fault: func(err error) { log.Error(err.Error()) }}
	if user.Change && user.UID != 0 {
		c.As = &static.User{UID: user.UID, GID: user.GID, Groups: user.Groups}
	}
	return c
}

// bodies are buffers for small static bodies, of the goroutines of HTTPS.
var bodies = sync.Pool{New: func() any { return new([]byte) }}

// static answers a request over HTTPS; it runs on its connection's goroutine.
func (in *tlsIngress) static(r *wsgi.Request, peer *wsgi.Peer, to wsgi.Sink) bool {
	begun := time.Now()
	var q static.Query
	found := static.None
	for s := in.site.Load(); !found.Is(); s = in.site.Load() {
		if s == nil || !s.Match(r, &q) {
			return false
		}
		var ok bool
		if found, ok = in.lookStatic(s, &q); !ok {
			in.log.Error(ingress.StaticLate(string(ingress.Label(nil, r))))
			to.Fail(504, "the disk does not answer")
			in.countStatic(r, peer, 504, 0, begun)
			return true
		}
		if !found.Is() && s == in.site.Load() { // else another spec came meanwhile
			return false
		}
	}
	a := static.NewAnswer(&q, found)
	buf := bodies.Get().(*[]byte)
	a.Send(to, buf, true)
	bodies.Put(buf)
	in.countStatic(r, peer, a.Status, a.BodyLength(&q), begun)
	return true
}

// lookStatic opens a file and waits for the disk; false: that took too long.
func (in *tlsIngress) lookStatic(s *static.Site, q *static.Query) (static.Found, bool) {
	found, state := s.Try(q)
	if state != static.Unknown {
		return found, true
	}
	looked := make(chan static.Found, 1)
	s.Look(q, func(f static.Found) { looked <- f })
	late := time.NewTimer(time.Duration(in.patience.Load()))
	defer late.Stop()
	select {
	case found = <-looked:
		return found, true
	case <-late.C:
		go func() {
			f := <-looked
			f.Close()
		}()
		return found, false
	}
}

func (in *tlsIngress) countStatic(r *wsgi.Request, peer *wsgi.Peer, status int, sent int64, begun time.Time) {
	note, _ := in.pool.Access.NoteOf(r, peer).(*applog.Note)
	ns := int64(time.Since(begun))
	in.loop.Post(func() { in.pool.StaticAnswered(note, status, sent, ns) })
}
