package static

import (
	"errors"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// valid is how long the loop believes what the crew has found: that the folder is
// the one at its path, that the app's user may read the file, which forms there are.
const valid = time.Second

// mostEntries bounds what is remembered of a folder.
const mostEntries = 4096

// root is one folder of files.
type root struct {
	open  func() (int, error) // on the crew
	shown string              // for people

	mu      sync.Mutex
	closed  bool              // guarded by mu: nobody asks any more
	dir     *handle           // guarded by mu; nil: it cannot be opened, or was not yet
	checked time.Time         // guarded by mu: when it was opened last
	local   bool              // guarded by mu: see fsKind
	err     error             // guarded by mu: why it cannot be opened
	entries map[string]*entry // guarded by mu: by name
}

// handle is a folder's descriptor, closed when nobody uses it any more.
type handle struct {
	fd       int
	dev, ino uint64
	users    int // guarded by root.mu
}

// entry is what the crew has found at a name.
type entry struct {
	checked time.Time
	memory  bool // see fsKind
	forms   [forms]*formFile
}

type formFile struct {
	stamp stamp
	file  *File
}

// Found is a file that was opened, to be sent or closed.
type Found struct {
	File   *File
	fd     int
	memory bool
}

// None is that there is no such file.
var None = Found{fd: -1}

// Close gives the descriptor back.
func (f *Found) Close() {
	if f.fd >= 0 {
		_ = unix.Close(f.fd)
		f.fd = -1
	}
}

// State is what Site.Try knows.
type State uint8

// The states.
const (
	Unknown State = iota // the crew must look
	Missing              // there is no such file
	Ready
)

// use takes hold of the folder as it is known; release must follow.
func (r *root) use() *handle {
	if r.dir != nil {
		r.dir.users++
	}
	return r.dir
}

func (r *root) release(h *handle) {
	r.mu.Lock()
	h.users--
	last := h.users == 0 && h != r.dir
	r.mu.Unlock()
	if last {
		_ = unix.Close(h.fd)
	}
}

// try opens a file without waiting for anything.
func (r *root) try(name string, w Wanted, now time.Time) (Found, State) {
	r.mu.Lock()
	if now.Sub(r.checked) >= valid {
		r.mu.Unlock()
		return None, Unknown
	}
	if r.dir == nil {
		r.mu.Unlock()
		return None, Missing
	}
	if !r.local {
		r.mu.Unlock()
		return None, Unknown
	}
	h, e := r.use(), r.entries[name]
	r.mu.Unlock()
	defer r.release(h)
	fd, err := openCached(h.fd, name)
	if err != nil {
		if notThere(err) {
			return None, Missing
		}
		return None, Unknown
	}
	// Without the crew's word this may be a file that the app's user cannot read.
	if e == nil || now.Sub(e.checked) >= valid || !e.forms[Plain].is(fd) {
		_ = unix.Close(fd)
		return None, Unknown
	}
	form := w.choose(func(f Form) bool { return e.forms[f] != nil })
	if form != Plain {
		_ = unix.Close(fd)
		if fd, err = openCached(h.fd, name+ending[form]); err != nil {
			return None, Unknown
		}
		if !e.forms[form].is(fd) {
			_ = unix.Close(fd)
			return None, Unknown
		}
	}
	return Found{File: e.forms[form].file, fd: fd, memory: e.memory}, Ready
}

// is tells whether a descriptor is of the file as it was found.
func (f *formFile) is(fd int) bool {
	_, s, err := fstat(fd)
	return err == nil && f != nil && s == f.stamp
}

// look opens a file on the crew, whatever it waits for. The error tells why a file
// that seems to be there is not served; without it and without a descriptor there
// is none.
func (r *root) look(name string, w Wanted, maxAge time.Duration, now time.Time) (Found, error) {
	h := r.refresh(now)
	if h == nil {
		return None, nil
	}
	defer r.release(h)
	var fds [forms]int
	for i := range fds {
		fds[i] = -1
	}
	closeAll := func(but Form) {
		for f, fd := range fds {
			if fd >= 0 && Form(f) != but {
				_ = unix.Close(fd)
			}
		}
	}
	e := &entry{checked: now}
	for f := range forms {
		ff, fd, err := r.form(h, name, f, maxAge, now)
		fds[f], e.forms[f] = fd, ff
		if f == Plain && fd < 0 {
			r.remember(name, nil)
			if notThere(err) {
				err = nil
			}
			return None, err
		}
	}
	for f := Zstd; f < forms; f++ {
		if e.forms[f] != nil {
			for _, ff := range e.forms {
				if ff != nil {
					ff.file.Varies = true
				}
			}
		}
	}
	for _, ff := range e.forms {
		if ff != nil {
			ff.file.prepare()
		}
	}
	_, e.memory = fsKind(fds[Plain])
	form := w.choose(func(f Form) bool { return e.forms[f] != nil })
	closeAll(form)
	if n := min(e.forms[form].file.Size, smallBody); n > 0 && !e.memory {
		Warm(fds[form], 0, n)
	}
	r.remember(name, e)
	return Found{File: e.forms[form].file, fd: fds[form], memory: e.memory}, nil
}

// errIrregular is a FIFO, a device, a folder.
var errIrregular = errors.New("it is not a regular file")

// form opens one form of a file; a negative descriptor: it is not served.
func (r *root) form(h *handle, name string, f Form, maxAge time.Duration, now time.Time) (*formFile, int, error) {
	fd, err := openBelow(h.fd, name+ending[f])
	if err != nil {
		return nil, -1, err
	}
	st, s, err := fstat(fd)
	if err == nil && !s.regular {
		if err = errIrregular; st.Mode&unix.S_IFMT == unix.S_IFDIR {
			err = unix.ENOENT // folders are the app's to answer
		}
	}
	if err != nil {
		_ = unix.Close(fd)
		return nil, -1, err
	}
	return &formFile{stamp: s, file: fileOf(&st, name, f, maxAge, now)}, fd, nil
}

func (r *root) remember(name string, e *entry) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e == nil {
		delete(r.entries, name)
		return
	}
	if r.entries == nil || len(r.entries) >= mostEntries {
		r.entries = map[string]*entry{}
	}
	r.entries[name] = e
}

// refresh opens the folder at its path where that was not done a moment ago; nil: it
// cannot be opened.
func (r *root) refresh(now time.Time) *handle {
	r.mu.Lock()
	if now.Sub(r.checked) < valid {
		defer r.mu.Unlock()
		return r.use()
	}
	r.mu.Unlock()
	fd, err := r.open()
	var st unix.Stat_t
	if err == nil {
		if err = unix.Fstat(fd, &st); err != nil {
			_ = unix.Close(fd)
		}
	}
	local := false
	if err == nil {
		local, _ = fsKind(fd)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		if err == nil {
			_ = unix.Close(fd)
		}
		return nil
	}
	r.checked, r.err = now, err
	if err == nil && r.dir != nil && r.dir.dev == st.Dev && r.dir.ino == st.Ino {
		_ = unix.Close(fd)
		return r.use()
	}
	if old := r.dir; old != nil && old.users == 0 {
		_ = unix.Close(old.fd)
	}
	r.dir, r.entries = nil, nil
	if err != nil {
		return nil
	}
	r.dir, r.local = &handle{fd: fd, dev: st.Dev, ino: st.Ino}, local
	return r.use()
}

// close lets the folder go: what is asked from now on finds nothing.
func (r *root) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if old := r.dir; old != nil && old.users == 0 {
		_ = unix.Close(old.fd)
	}
	r.closed, r.dir, r.entries, r.checked = true, nil, nil, time.Time{}
}

// fault is why the folder cannot be opened; nil: it can, or nobody has tried.
func (r *root) fault() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}
