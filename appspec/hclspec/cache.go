package hclspec

import (
	"io/fs"
	"maps"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/spf13/afero"
)

// Cache keeps what spec files said, so that a load reads and evaluates only
// those that changed, or whose env() and file() would answer otherwise now. Sets of one
// cache share the specs of files that stay as they are: nobody may change a spec of
// theirs, and one that is the same spec says the same. The zero value is empty and
// ready; it is safe for several goroutines.
type Cache struct {
	mu    sync.Mutex
	files map[string]*entry
}

// entry is what one file said.
type entry struct {
	stamp stamp // of the file
	asked asked
	host  hostKey

	src        []byte
	diags      hcl.Diagnostics // of the file as a whole
	apps       []string        // that a broken file speaks of
	layer      *layer          // of its defaults block
	under      *layer          // the defaults that the candidates lie on
	candidates []*candidate

	file *file // while it is being read
}

// hostKey is the part of the options that an entry depends on.
type hostKey struct {
	root, systemd bool
	user          string
	cpus          int
}

func (o Options) key() hostKey { return hostKey{o.Root, o.Systemd, o.User, o.CPUs} }

// asked is what the functions of one file asked of the host.
type asked struct {
	env   map[string]string // quoted; empty: not set
	files map[string]stamp
	cpus  int // 0: not asked
}

func (a *asked) cpusAre(n int) {
	if a != nil {
		a.cpus = n
	}
}

func (a *asked) envIs(name, value string, ok bool) {
	if a == nil {
		return
	}
	if a.env == nil {
		a.env = make(map[string]string)
	}
	a.env[name] = envStamp(value, ok)
}

func envStamp(value string, ok bool) string {
	if !ok {
		return ""
	}
	return strconv.Quote(value)
}

func (a *asked) fileIs(fsys afero.Fs, path string) {
	if a == nil {
		return
	}
	if a.files == nil {
		a.files = make(map[string]stamp)
	}
	a.files[path] = stampOf(fsys, path)
}

// fileFails notes that a file could not be read, though it may look well: it is
// read again by the next load.
func (a *asked) fileFails(path string) {
	if a != nil {
		a.files[path] = stamp{}
	}
}

// still tells whether the host would answer the same.
func (a *asked) still(o Options, fsys afero.Fs) bool {
	if a.cpus > 0 && a.cpus != o.cpus() {
		return false
	}
	for name, stamp := range a.env {
		if envStamp(o.lookupEnv(name)) != stamp {
			return false
		}
	}
	for path, stamp := range a.files {
		if !stamp.sure || stampOf(fsys, path) != stamp {
			return false
		}
	}
	return true
}

// settled is how long a file must not have changed for its stamp to be
// believed: within one tick of the kernel's clock it could change again and
// look the same.
const settled = 50 * time.Millisecond

// stamp tells a file from what it was before, without reading it.
type stamp struct {
	sure         bool // false: it changed just now, and may again and look the same
	device, node uint64
	mode         fs.FileMode
	size         int64
	modified     int64 // nanoseconds
	changed      int64 // of the inode, which nobody can set back
	fault        string
}

func stampOf(fsys afero.Fs, path string) stamp {
	info, err := fsys.Stat(path)
	return stampBy(fsys, path, info, err)
}

// stampBy is stampOf by what Stat has said.
func stampBy(fsys afero.Fs, path string, info fs.FileInfo, err error) stamp {
	if err != nil {
		return stamp{sure: true, fault: reason(fsys, path, err).Error()}
	}
	s := stamp{mode: info.Mode(), size: info.Size(), modified: info.ModTime().UnixNano()}
	last := s.modified
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		s.device, s.node, s.changed = st.Dev, st.Ino, st.Ctim.Nano()
		last = s.changed
	}
	// Of the future: the clock was set back since, and a change now would look
	// older.
	s.sure = time.Since(time.Unix(0, last)).Abs() >= settled
	return s
}

// get returns what a file said, where that still holds by what it looks like now; nil: it
// is looked at.
func (c *Cache) get(o Options, fsys afero.Fs, path string, now *stamp) *entry {
	if c == nil {
		return nil
	}
	c.mu.Lock()
	e := c.files[path]
	c.mu.Unlock()
	if e == nil || !e.stamp.sure || e.host != o.key() {
		return nil
	}
	if now == nil {
		looked := stampOf(fsys, path)
		now = &looked
	}
	if *now != e.stamp || !e.asked.still(o, fsys) {
		return nil
	}
	return e
}

func (c *Cache) put(path string, e *entry) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.files == nil {
		c.files = make(map[string]*entry)
	}
	c.files[path] = e
}

// keep forgets the files that the last load did not read.
func (c *Cache) keep(read map[string]bool) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	maps.DeleteFunc(c.files, func(path string, _ *entry) bool { return !read[path] })
}

// again adds a candidate to a load: nobody shares what a load changes. The specs are those
// of the cache, which nobody changes.
func (l *loader) again(c *candidate) *candidate {
	if len(l.candidates) == cap(l.candidates) {
		l.candidates = make([]candidate, 0, 16)
	}
	l.candidates = append(l.candidates, *c)
	n := &l.candidates[len(l.candidates)-1]
	n.diags = slices.Clone(c.diags)
	return n
}
