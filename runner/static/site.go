package static

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/runner/wsgi"
)

// Block is one static block of a spec.
type Block struct {
	URL    string // begins and ends with a slash
	Dir    string // below the app folder, or absolute
	MaxAge time.Duration
}

// Options is what a Site is made of.
type Options struct {
	Blocks []Block
	// Folder is the descriptor of the app folder, which stays open.
	Folder int
	// Release is the folder of the code, relative to the app folder, that stands for
	// app/ in Block.Dir; empty: app/ is itself.
	Release string
	Mount   string // of the app: a path is looked at with and without it
	Crew    *Crew
	// Log is told why a file that is there is not served, at most once a minute for a
	// folder; nil: nobody is.
	Log func(string)
}

// Site answers for the static blocks of a spec. Its methods are safe for concurrent
// use.
type Site struct {
	o      Options
	mounts []*mount // the longest url first

	mu   sync.Mutex
	told map[*root]time.Time // guarded by mu
}

// mount is one block.
type mount struct {
	url    string
	maxAge time.Duration
	root   *root
	before *root // of the release before; nil: there is none
}

// New makes the Site of a spec. before is that of the release that was served until
// now, nil: there is none, or it is the same.
func New(o Options, before *Site) *Site {
	s := &Site{o: o, told: map[*root]time.Time{}}
	for _, b := range o.Blocks {
		dir := inRelease(b.Dir, o.Release)
		m := &mount{url: b.URL, maxAge: b.MaxAge, root: &root{shown: dir, open: func() (int, error) { return openFolder(o.Folder, dir) }}}
		if before != nil && before.o.Release != o.Release {
			for _, old := range before.mounts {
				if old.url == m.url && old.root.shown != dir {
					m.before = old.root
				}
			}
		}
		s.mounts = append(s.mounts, m)
	}
	slices.SortStableFunc(s.mounts, func(a, b *mount) int { return cmp.Compare(len(b.url), len(a.url)) })
	return s
}

// Same tells whether a Site of these options would answer alike.
func (s *Site) Same(o Options) bool {
	return s.o.Folder == o.Folder && s.o.Release == o.Release && s.o.Mount == o.Mount && slices.Equal(s.o.Blocks, o.Blocks)
}

// inRelease is the folder of a block where app/ is a release: the link app may lead
// to another one by now.
func inRelease(dir, release string) string {
	if rest, ok := strings.CutPrefix(dir, "app"); ok && release != "" && (rest == "" || rest[0] == '/') {
		return release + rest
	}
	return dir
}

// Open looks at the folders, so that Faults knows of them.
func (s *Site) Open() {
	for _, m := range s.mounts {
		s.o.Crew.Do(func() {
			if h := m.root.refresh(time.Now()); h != nil {
				m.root.release(h)
			}
		})
	}
}

// Faults are the folders that cannot be opened, a sentence each. They are looked at
// again.
func (s *Site) Faults() (all []string) {
	for _, m := range s.mounts {
		if err := m.root.fault(); err != nil {
			all = append(all, fmt.Sprintf("static %q: cannot open %s: %v; the app answers instead", m.url, m.root.shown, err))
			s.o.Crew.Do(func() {
				if h := m.root.refresh(time.Now()); h != nil {
					m.root.release(h)
				}
			})
		}
	}
	return all
}

// Retire lets the folders go that the Site which follows does not use; nil: none
// follows. Who still asks this one finds nothing, and asks the next.
func (s *Site) Retire(next *Site) {
	used := map[*root]bool{}
	if next != nil {
		for _, m := range next.mounts {
			used[m.root], used[m.before] = true, true
		}
	}
	for _, m := range s.mounts {
		for _, r := range []*root{m.root, m.before} {
			if r != nil && !used[r] {
				r.close()
			}
		}
	}
}

// Query is a request for a file of the Site.
type Query struct {
	Request
	mount  *mount
	name   string
	wanted Wanted
}

// Match tells whether a request is for a name below one of the urls, and what it
// wants.
func (s *Site) Match(r *wsgi.Request, q *Query) bool {
	if s.match(r, r.Path, q) {
		return true
	}
	cut := wsgi.CutMount(r.Path, s.o.Mount)
	return len(cut) < len(r.Path) && s.match(r, cut, q)
}

func (s *Site) match(r *wsgi.Request, path []byte, q *Query) bool {
	path, ok := decode(path)
	if !ok {
		return false
	}
	for _, m := range s.mounts {
		if len(path) <= len(m.url) || string(path[:len(m.url)]) != m.url {
			continue
		}
		name := path[len(m.url):]
		if !served(name) {
			return false
		}
		q.read(r)
		q.mount, q.name, q.wanted = m, string(name), wants(q.AcceptEncoding)
		return true
	}
	return false
}

// Try opens the file without waiting for anything.
func (s *Site) Try(q *Query) (Found, State) {
	now := time.Now()
	f, state := q.mount.root.try(q.name, q.wanted, now)
	if state == Missing && q.mount.before != nil && Hashed(q.name) {
		return q.mount.before.try(q.name, q.wanted, now)
	}
	return f, state
}

// Look has the crew open the file, and calls done there: with nothing open where
// there is no such file.
func (s *Site) Look(q *Query, done func(Found)) {
	m, name, w := q.mount, q.name, q.wanted
	s.o.Crew.Do(func() {
		f, err := m.root.look(name, w, m.maxAge, time.Now())
		if f.fd < 0 && m.before != nil && Hashed(name) {
			f, err = m.before.look(name, w, m.maxAge, time.Now())
		}
		if err != nil {
			s.tell(m, name, err)
		}
		done(f)
	})
}

// tellEvery is how often the same folder is complained of.
const tellEvery = time.Minute

func (s *Site) tell(m *mount, name string, err error) {
	if s.o.Log == nil {
		return
	}
	s.mu.Lock()
	quiet := time.Since(s.told[m.root]) < tellEvery
	if !quiet {
		s.told[m.root] = time.Now()
	}
	s.mu.Unlock()
	if !quiet {
		s.o.Log(fmt.Sprintf("static %q: %q of %s is not served: %s", m.url, name, m.root.shown, reasonOf(err)))
	}
}

// Is tells that there is a file.
func (f *Found) Is() bool { return f.fd >= 0 }
