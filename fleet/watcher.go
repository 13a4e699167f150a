package fleet

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"
)

// Watcher tells that something in a spec directory may have changed. It is a
// hint, never the truth: who hears it reads the directory again. It also
// watches the directory's parent, so that it notices when the directory is
// made anew, and the directories that symbolic links lead to.
type Watcher struct {
	dir string
	log *slog.Logger
	// Quiet is how long nothing must happen before a change is told, Limit how
	// long a storm of changes may put that off.
	Quiet, Limit time.Duration

	fs *fsnotify.Watcher // nil: the kernel gives none, see Blind

	mu      sync.Mutex      // guards what follows: Refresh and Run have goroutines of their own
	watched map[string]bool // directories
	targets map[string]bool // files and directories outside that matter
	warned  bool
}

// NewWatcher begins to watch. Where the kernel has no watches left the watcher
// is blind: it says so once, and the caller must look by itself.
func NewWatcher(dir string, log *slog.Logger) *Watcher {
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

// Refresh finds what to watch; it is called after each reading of the
// directory.
func (w *Watcher) Refresh() {
	if w.fs == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	want := map[string]bool{filepath.Dir(w.dir): true, w.dir: true}
	targets := map[string]bool{w.dir: true}
	w.links(w.dir, want, targets)
	if es, err := os.ReadDir(w.dir); err == nil {
		for _, e := range es {
			if e.Type()&os.ModeSymlink != 0 {
				w.links(filepath.Join(w.dir, e.Name()), want, targets)
			}
		}
	}
	for d := range w.watched {
		if !want[d] {
			_ = w.fs.Remove(d) // it may be gone by itself
		}
	}
	now := map[string]bool{}
	blind := false
	for d := range want {
		// A directory that was made anew has lost its watch: adding again is free.
		switch err := w.fs.Add(d); {
		case err == nil:
			now[d] = true
		case os.IsNotExist(err) || os.IsPermission(err):
		default:
			blind = true
			w.warn(err)
		}
	}
	if !blind {
		w.warned = false
	}
	w.watched, w.targets = now, targets
}

// links follows a chain of symbolic links and notes each place on its way.
func (w *Watcher) links(path string, dirs, targets map[string]bool) {
	for range 40 {
		to, err := os.Readlink(path)
		if err != nil {
			return
		}
		if !filepath.IsAbs(to) {
			to = filepath.Join(filepath.Dir(path), to)
		}
		path = filepath.Clean(to)
		dirs[filepath.Dir(path)] = true
		targets[path] = true
	}
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

// matters sorts out what happens beside the specs: in the parent directory, in
// the directories of link targets, and to editors' own files.
func (w *Watcher) matters(ev fsnotify.Event) bool {
	if ev.Op == fsnotify.Chmod && filepath.Dir(ev.Name) != w.dir {
		return false
	}
	w.mu.Lock()
	known := w.targets[ev.Name]
	w.mu.Unlock()
	if known {
		return true
	}
	if filepath.Dir(ev.Name) != w.dir {
		return false
	}
	name := filepath.Base(ev.Name)
	return strings.HasSuffix(name, ".hcl") || strings.HasSuffix(name, ".hcl.json")
}
