package link

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"
	"syscall"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/runner/appdir"
)

// uploads opens what mongrel2 wrote for a request, and sees to it that nothing
// of it stays. It belongs to the link's goroutine; open and sweep, which touch the
// disk, run on that of disk.
type uploads struct {
	disk     disk
	chroot   string
	template string    // directory and begin of the name; empty: not known
	learned  string    // the same, of the last upload that was proved; for sweeping only
	sweepAt  time.Time // zero: nothing to sweep
}

const (
	// sweepEvery and sweepAge: a file that nobody wrote to for a day belongs to
	// no upload; mongrel2 or its handler died with it.
	sweepEvery = time.Hour
	sweepAge   = 24 * time.Hour
)

func (u *uploads) init(cfg Config) {
	u.chroot = cfg.Chroot
	if t, ok := strings.CutSuffix(cfg.UploadTemplate, "XXXXXX"); ok {
		u.template = t
		u.sweepAt = time.Now()
	}
}

// uploadStart hears that a body is on its way to a file: the time to refuse it.
func (l *Link) uploadStart(key connKey, c *conn, in *Incoming) {
	m := &in.m2
	if limit := l.maxBody.Load(); limit > 0 && m.ContentLength > limit {
		// The close makes mongrel2 remove the file.
		l.refuse(key, c, in, 413, tooLarge(limit))
		return
	}
	in.drop()
}

// upload is a request whose body is in a file, until that is open. What its client
// sends behind it waits.
type upload struct {
	conn *conn
	in   *Incoming // nil: its client is gone
	name string
	file *os.File
	size int64
	err  error
}

// uploadDone takes a request whose body is in a file.
func (l *Link) uploadDone(key connKey, c *conn, in *Incoming) {
	name, length := strings.Clone(in.m2.UploadPath), in.m2.ContentLength
	if c = l.book(key, c, in); c == nil {
		l.uploads.remove(name, length)
		return
	}
	up := &upload{conn: c, in: in, name: name}
	in.upload, in.disk = up, &l.uploads.disk
	c.hold(in)
	l.active.Add(1)
	l.uploads.disk.do(func() {
		up.file, up.size, up.err = l.uploads.open(up.name, length)
		if !l.post(op{upload: up}) {
			up.discard()
		}
	})
}

// uploadOpened: the disk has answered.
func (l *Link) uploadOpened(up *upload) {
	l.active.Add(-1)
	l.batch = true // whoever waits until nothing is under way looks
	if up.err == nil {
		l.uploads.learn(up.name)
	}
	in, c := up.in, up.conn
	if in == nil {
		l.uploads.disk.do(up.discard)
		return
	}
	in.upload = nil
	if up.err != nil {
		l.log.Error("cannot take mongrel2 upload", "error", up.err, "client", string(in.m2.RemoteAddr))
		status := 500
		if errors.Is(up.err, errForged) {
			status = 400
		}
		l.reject(in, status, "")
	} else {
		in.File, in.Size = up.file, up.size
		l.judge(in)
	}
	if c.cur == nil && c.held[0] == in {
		c.touch = l.now
		l.next(c)
	}
}

// discard closes a file that nobody takes.
func (up *upload) discard() {
	if up.file != nil {
		_ = up.file.Close()
	}
}

// remove removes what nobody takes.
func (u *uploads) remove(name string, length int64) {
	u.disk.do(func() {
		if f, _, err := u.open(name, length); err == nil {
			_ = f.Close()
		}
	})
}

// errForged marks uploads that mongrel2 cannot have made.
var errForged = errors.New("not a file of mongrel2's")

// open opens an upload, proves that it is one, cuts it to the request's length
// (mongrel2 writes what the client pipelined behind it into it) and removes
// its name: from here on it lives as long as the descriptor. length is -1 where
// the file's own length counts.
func (u *uploads) open(name string, length int64) (f *os.File, size int64, err error) {
	if u.template != "" && (!strings.HasPrefix(name, u.template) || len(name) != len(u.template)+6) {
		return nil, 0, fmt.Errorf("cannot open upload %q: %w: its name is not from the template %sXXXXXX", name, errForged, u.template)
	}
	dir, err := u.root(name)
	if err != nil {
		return nil, 0, u.cannotOpen(name, err)
	}
	defer func() { _ = dir.Close() }()
	base := path.Base(name)
	// O_NONBLOCK so that a FIFO does not stop us; it means nothing for a file.
	const flags = syscall.O_NOFOLLOW | syscall.O_NONBLOCK
	f, err = dir.OpenFile(base, os.O_RDWR|flags, 0)
	if errors.Is(err, fs.ErrPermission) {
		f, err = dir.OpenFile(base, os.O_RDONLY|flags, 0)
	}
	if err != nil {
		return nil, 0, u.cannotOpen(name, err)
	}
	defer func() {
		if err != nil {
			_ = f.Close()
			f = nil
		}
	}()
	st, err := f.Stat()
	if err != nil {
		return nil, 0, fmt.Errorf("cannot examine upload: %w", err)
	}
	sys, _ := st.Sys().(*syscall.Stat_t)
	seen, lerr := dir.Lstat(base)
	switch {
	case !st.Mode().IsRegular() || sys == nil || sys.Nlink != 1:
		return nil, 0, fmt.Errorf("cannot take upload %q: %w: not a regular file with one name", name, errForged)
	case lerr != nil || !os.SameFile(seen, st):
		return nil, 0, fmt.Errorf("cannot take upload %q: %w: the name is a link or was replaced", name, errForged)
	case length >= 0 && st.Size() < length:
		return nil, 0, fmt.Errorf("cannot take upload %q: %w: it has %d bytes, the request says %d", name, errForged, st.Size(), length)
	}
	size = st.Size()
	if length >= 0 && size > length {
		size = length
		if err := f.Truncate(length); err != nil && !errors.Is(err, syscall.EINVAL) && !errors.Is(err, syscall.EBADF) {
			return nil, 0, fmt.Errorf("cannot cut upload to its length: %w", err)
		}
	}
	if err := dir.Remove(base); err != nil {
		return nil, 0, fmt.Errorf("cannot remove upload: %w", err)
	}
	return f, size, nil
}

func (u *uploads) cannotOpen(name string, err error) error {
	switch {
	case errors.Is(err, errRelative):
		return fmt.Errorf("cannot open upload %q: %w", name, err)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("cannot open upload %q in %q: %w: mongrel2 writes it as the owner of its chroot, mode upload.temp_store_mode", name, u.chroot, err)
	}
	return fmt.Errorf("cannot open upload %q in %q: %w: is the mongrel2 block's chroot right?", name, u.chroot, err)
}

var errRelative = errors.New("it is relative to mongrel2's working directory: set the mongrel2 block's chroot, or an absolute upload.temp_store")

// root opens the directory of an upload. Inside a chroot no link leads out.
func (u *uploads) root(name string) (*os.Root, error) {
	if u.chroot == "" {
		if !path.IsAbs(name) {
			return nil, errRelative
		}
		return os.OpenRoot(path.Dir(name))
	}
	// The way to it may lead through folders of somebody else's.
	dir, _, err := appdir.Folder("mongrel2's chroot", u.chroot)
	if err != nil {
		return nil, err
	}
	defer func() { _ = dir.Close() }()
	root, err := os.OpenRoot(fmt.Sprintf("/proc/self/fd/%d", dir.Fd()))
	if err != nil {
		return nil, err
	}
	defer func() { _ = root.Close() }()
	inside := strings.TrimLeft(path.Dir(path.Join("/", name)), "/")
	if inside == "" {
		inside = "."
	}
	return root.OpenRoot(inside)
}

// learn takes the template of a proved upload for sweeping.
func (u *uploads) learn(name string) {
	if u.template != "" {
		return
	}
	u.learned = name[:len(name)-6]
	if u.sweepAt.IsZero() {
		u.sweepAt = time.Now()
	}
}

// next is when a sweep is due.
func (u *uploads) next() (time.Time, bool) { return u.sweepAt, !u.sweepAt.IsZero() }

// tick removes files that a mongrel2 or a handler that died has left.
func (u *uploads) tick(l *Link) {
	if u.sweepAt.IsZero() || l.now.Before(u.sweepAt) {
		return
	}
	u.sweepAt = l.now.Add(sweepEvery)
	begin := u.template
	if begin == "" {
		begin = u.learned
	}
	before := l.now.Add(-sweepAge)
	u.disk.do(func() {
		n, err := u.sweep(begin, before)
		l.post(op{then: func() { l.swept(begin, n, err) }})
	})
}

func (l *Link) swept(begin string, n int, err error) {
	if err != nil {
		l.warn("sweep", "cannot remove stale uploads", "error", err)
	}
	if n > 0 {
		l.log.Info("removed stale uploads", "count", n, "template", begin+"XXXXXX")
	}
}

// sweep removes the files of a template that nobody wrote to since a time. A
// template without a name of its own ("/tmp/XXXXXX") is not swept: others'
// temporary files look the same.
func (u *uploads) sweep(begin string, before time.Time) (n int, err error) {
	prefix := begin[strings.LastIndexByte(begin, '/')+1:]
	if prefix == "" {
		return 0, nil
	}
	dir, err := u.root(begin + "XXXXXX")
	if err != nil {
		return 0, err
	}
	defer func() { _ = dir.Close() }()
	list, err := fs.ReadDir(dir.FS(), ".")
	if err != nil {
		return 0, err
	}
	for _, e := range list {
		name := e.Name()
		if len(name) != len(prefix)+6 || !strings.HasPrefix(name, prefix) || !e.Type().IsRegular() {
			continue
		}
		st, err := e.Info()
		if err != nil || !st.ModTime().Before(before) {
			continue
		}
		if err := dir.Remove(name); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}
