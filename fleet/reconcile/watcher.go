package reconcile

import (
	"context"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/state"
)

// Watcher tells that something in a spec directory, or in what its specs depend
// on, may have changed. It is a hint, never the truth: who hears it reads the
// directory again. It watches real directories: those that hold the spec
// directory, the files and folders that count, and each symbolic link on the way
// to one of them.
type Watcher struct {
	dir string
	log *slog.Logger
	// Quiet is how long nothing must happen before a change is told, Limit how
	// long a storm of changes may put that off.
	Quiet, Limit time.Duration

	fs *fsnotify.Watcher // nil: the kernel gives none, see Blind

	refreshing sync.Mutex // one Refresh at a time

	mu      sync.Mutex        // guards what follows: Refresh and Run have goroutines of their own
	watched map[string]string // directories, with what tells each from another one at its path
	names   map[string]bool   // of what matters in them, whichever it is
	warned  bool
}

// newWatcher begins to watch. Where the kernel has no watches left the watcher
// is blind: it says so once, and the caller must look by itself.
func newWatcher(dir string, log *slog.Logger) *Watcher {
	w := &Watcher{dir: dir, log: log, Quiet: 25 * time.Millisecond, Limit: 150 * time.Millisecond}
	fs, err := fsnotify.NewWatcher()
	if err != nil {
		w.warn(err)
		return w
	}
	w.fs = fs
	w.Refresh()
	return w
}

// Blind tells that changes are not noticed, but for those that a tick finds.
func (w *Watcher) Blind() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.fs == nil || w.warned
}

// warn needs mu, once others know of w.
func (w *Watcher) warn(err error) {
	if w.warned {
		return
	}
	w.warned = true
	w.log.Warn("cannot watch the spec directory; it is read again every 2 s instead",
		"dir", w.dir, "err", err, "next", "raise fs.inotify.max_user_instances and max_user_watches")
}

// Refresh finds what to watch; it is called after each reading of the directory
// and with each tick: a watch ends without a word when its file system is
// unmounted, and goes on at a directory that was moved away. also are paths
// outside the directory that count. Fresh: something is watched that was not, so
// that what changed there just before was told to nobody.
func (w *Watcher) Refresh(also ...string) (fresh bool) {
	if w.fs == nil || !w.refreshing.TryLock() {
		return false // the one at work may be held up by a disk that does not answer
	}
	defer w.refreshing.Unlock()
	t := newTrail()
	dir := t.follow(w.dir)
	t.dirs[dir] = true
	if es, err := os.ReadDir(dir); err == nil {
		for _, e := range es {
			if e.Type()&os.ModeSymlink != 0 {
				t.follow(filepath.Join(dir, e.Name()))
			}
		}
	}
	for _, path := range also {
		t.follow(path)
	}
	now := map[string]string{}
	for d := range t.dirs {
		if fi, err := os.Lstat(d); err == nil {
			now[d] = state.FileID(fi.Sys())
		}
	}
	// First those that go: a directory that has two names, as by a bind mount, has one
	// watch, which goes with either of them. Then all the others, and that one too.
	for d, id := range w.Watching() {
		if now[d] != id {
			_ = w.fs.Remove(d) // it may be gone by itself
			fresh = true
		}
	}
	before := w.fs.WatchList()
	var blind error
	for d := range now {
		// Of one that is watched this changes nothing.
		switch err := w.fs.Add(d); {
		case err == nil:
		case os.IsNotExist(err) || os.IsPermission(err):
			delete(now, d)
		default:
			delete(now, d)
			blind = err
		}
	}
	if len(w.fs.WatchList()) > len(before) {
		fresh = true
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.watched, w.names = now, t.names
	if blind != nil {
		w.warn(blind)
	} else {
		w.warned = false
	}
	return fresh
}

// trail follows paths and notes where each could come to lead elsewhere.
type trail struct {
	dirs  map[string]bool   // real directories
	names map[string]bool   // that matter in one of them
	real  map[string]string // what was followed already
}

func newTrail() *trail {
	return &trail{dirs: map[string]bool{}, names: map[string]bool{}, real: map[string]string{"/": "/"}}
}

// follow notes where a path ends, which need not exist, and the links on its way.
// It returns what the path stands for.
func (t *trail) follow(path string) string {
	end := t.resolve(path, 0)
	t.note(end)
	return end
}

func (t *trail) note(path string) {
	t.dirs[filepath.Dir(path)] = true
	t.names[filepath.Base(path)] = true
}

// maxLinks is how many links the kernel follows on one path.
const maxLinks = 40

func (t *trail) resolve(path string, links int) string {
	path = filepath.Clean(path)
	if r, ok := t.real[path]; ok {
		return r
	}
	end := filepath.Join(t.resolve(filepath.Dir(path), links), filepath.Base(path))
	if to, err := os.Readlink(end); err == nil && links < maxLinks {
		t.note(end)
		if !filepath.IsAbs(to) {
			to = filepath.Join(filepath.Dir(end), to)
		}
		end = t.resolve(to, links+1)
	}
	t.real[path] = end
	return end
}

// Run calls told, from its own goroutine, when something has changed and it is
// quiet again, until ctx ends.
func (w *Watcher) Run(ctx context.Context, told func()) {
	if w.fs == nil {
		<-ctx.Done()
		return
	}
	quiet := time.NewTimer(time.Hour)
	quiet.Stop()
	defer quiet.Stop()
	var first time.Time // of the changes not told yet; zero: there are none
	for {
		select {
		case <-ctx.Done():
			return
		case ev, ok := <-w.fs.Events:
			if !ok {
				return
			}
			if !w.matters(ev) {
				continue
			}
			now := time.Now()
			if first.IsZero() {
				first = now
			}
			quiet.Reset(max(min(w.Quiet, first.Add(w.Limit).Sub(now)), 0))
		case err, ok := <-w.fs.Errors:
			if !ok {
				return
			}
			// The kernel's queue ran over: something has changed for sure.
			w.log.Debug("watch", "dir", w.dir, "err", err)
			if first.IsZero() {
				first = time.Now()
			}
			quiet.Reset(w.Quiet)
		case <-quiet.C:
			first = time.Time{}
			told()
		}
	}
}

// Close ends the watching. Run must have returned or return soon.
func (w *Watcher) Close() {
	if w.fs != nil {
		_ = w.fs.Close()
	}
}

// Watching are the directories that are watched.
func (w *Watcher) Watching() map[string]string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.watched)
}

// matters sorts out what happens beside what counts. It goes by the last part of
// the name alone: one folder under two names has one watch, and the kernel tells
// one of the names.
func (w *Watcher) matters(ev fsnotify.Event) bool {
	name := filepath.Base(ev.Name)
	if strings.HasSuffix(name, ".hcl") || strings.HasSuffix(name, ".hcl.json") {
		return true
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.names[name] || w.names[filepath.Base(filepath.Dir(ev.Name))] && ev.Op == fsnotify.Remove
}
