package applog

import (
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/runner/appdir"
	"github.com/wsgid-fleet/wsgid-fleet/runner/latch"
)

const (
	// FileName is the log file, relative to the app folder.
	FileName = "logs/wsgid.log"
	// logLook is how often a log that is written to is looked at: somebody may have
	// moved it away, removed or truncated it.
	logLook = time.Second
	// logBatch is how many bytes the writer gathers before it writes them.
	logBatch = 64 << 10
	// outputPatience is how long a worker's output waits for a slow disk before it
	// is dropped: no longer, for a worker that cannot write serves nobody.
	outputPatience = time.Second
	// staleLogs is how many files of a greater log.keep one rotation removes.
	staleLogs = 1000
	// drainTimeout is how long the end of a master waits for what its workers wrote
	// before they ended.
	drainTimeout = 500 * time.Millisecond
	// closePatience is how long the end of a master waits for its log.
	closePatience = 3 * time.Second
)

// Log writes an app's log: our own lines, the output of the workers and the
// lines of the access log, told apart by their form. Everything goes through a
// goroutine of its own, so that a slow disk never holds up the loop, and a disk
// that is full or a file that is gone never the app: what cannot be written is
// counted, and reported as soon as something can.
type Log struct {
	root      *appdir.RootFs // the app folder: nothing outside can be reached through it
	apart     *appdir.RootFs // the data directory, which takes the log of a folder on a read-only disk; may be nil
	app       string
	own       bool // the app has standard error for itself: wsgid --no-daemon
	uid       int  // owner of a new log file; -1: ours
	gid       int
	debug     atomic.Bool
	mask      Mask          // hides what must not be written
	patience  time.Duration // see outputPatience
	entries   chan *entry
	lost      atomic.Uint64 // lines dropped since they were last told of
	dropped   atomic.Uint64 // lines dropped in all
	done      chan struct{}
	following latch.Latch // one for each worker whose output is copied
	spare     chan []byte // used buffers of the access log

	mu      sync.Mutex
	problem string // guarded by mu: why lines are lost now; empty: none are
	notify  func() // guarded by mu: problem changed

	// The writer goroutine's:
	set       settings
	out       []byte         // gathered, not yet written
	dir       *appdir.RootFs // where the file lies
	name      string         // of the file, relative to dir
	file      *os.File
	size      int64
	looked    time.Time
	stderr    int  // descriptor, or noStderr
	checked   bool // it leads somewhere
	journal   *journalSocket
	fellBack  string // why something else than the target is written to
	journaled bool   // that is the journal, not the file
}

// settings is the log block of a spec.
type settings struct {
	target string
	json   bool
	max    int64
	keep   int
}

func settingsOf(spec *appspec.Spec) settings {
	return settings{target: spec.Log.Target, json: spec.Log.Format == "json", max: int64(spec.Log.MaxSize), keep: spec.Log.Keep}
}

// logJournal is where the journal listens. A master that changes its root goes
// on to reach it through keepJournal.
var logJournal = journalPath

// Places is where a log may be written.
type Places struct {
	Root   *appdir.RootFs // the app folder
	Apart  *appdir.RootFs // the data directory; nil: there is none
	Stderr int            // descriptor, or noStderr
}

// Open opens the log and starts its writer. With foreground it goes to
// standard error whatever the spec says.
func Open(at Places, spec *appspec.Spec, uid, gid int, foreground bool) *Log {
	l := &Log{root: at.Root, apart: at.Apart, dir: at.Root, name: FileName, app: spec.Name, own: foreground, uid: uid, gid: gid, stderr: at.Stderr, patience: outputPatience,
		entries: make(chan *entry, 256), done: make(chan struct{}), spare: make(chan []byte, 2),
		journal: &journalSocket{path: logJournal, fd: -1}, notify: func() {}}
	l.debug.Store(spec.Debug)
	l.mask.Learn(spec)
	l.set = settingsOf(spec)
	if l.own {
		l.set.target = "stderr"
	}
	if l.set.target == "file" {
		// A file that nobody can write to, or that is none, is no reason not to serve:
		// the status says what is wrong with it, and it is tried again.
		if err := l.open(); err != nil {
			l.setProblem(err.Error())
		}
	}
	go l.write()
	return l
}

// Debugging tells whether lines of level DEBUG are wanted.
func (l *Log) Debugging() bool { return l.debug.Load() }

// Secrets hides what the app's specs declare sensitive.
func (l *Log) Secrets() *Mask { return &l.mask }

// Configure takes over the log block of a new spec, from the next line on.
func (l *Log) Configure(spec *appspec.Spec) {
	l.debug.Store(spec.Debug)
	l.mask.Learn(spec)
	set := settingsOf(spec)
	if l.own {
		set.target = "stderr"
	}
	l.control(func() {
		if set.target != l.set.target {
			l.forgetStead()
		}
		l.set = set
	})
}

// Reopen makes the writer open the file anew: somebody may have moved it away.
func (l *Log) Reopen() {
	l.control(func() {
		l.closeFile()
		if l.set.target != "stderr" || l.stderr != NoStderr { // that is told once
			l.forgetStead()
		}
	})
}

// control runs f on the writer, after all lines before it.
func (l *Log) control(f func()) {
	select {
	case l.entries <- &entry{control: f}:
	default:
		// The writer is busy, and the loop does not wait for it.
		go func() {
			select {
			case l.entries <- &entry{control: f}:
			case <-l.done:
			}
		}()
	}
}

// put hands an entry to the writer; it is lost when the writer does not keep
// up. The loop never waits here.
func (l *Log) put(e *entry) {
	select {
	case l.entries <- e:
	default:
		l.drop(e.lines())
	}
}

// putPatient waits a moment for the writer.
func (l *Log) putPatient(e *entry) {
	select {
	case l.entries <- e:
		return
	default:
	}
	t := time.NewTimer(l.patience)
	defer t.Stop()
	select {
	case l.entries <- e:
	case <-t.C:
		// Whoever slept that long, as on a machine that is suspended or overloaded, may
		// find room and the end of its patience together.
		select {
		case l.entries <- e:
		default:
			l.drop(e.lines())
		}
	case <-l.done:
	}
}

func (l *Log) drop(lines int) {
	l.lost.Add(uint64(lines))
	l.dropped.Add(uint64(lines))
}

// buffer is an empty one for a batch of the access log.
func (l *Log) buffer() []byte {
	select {
	case b := <-l.spare:
		return b[:0]
	default:
		return make([]byte, 0, accessBatch+4096)
	}
}

// Close writes what is left and ends the writer. A target that hangs is not
// waited for.
func (l *Log) Close() {
	t := time.NewTimer(closePatience)
	defer t.Stop()
	copied := make(chan struct{})
	go func() {
		l.following.ShutAndWait()
		close(copied)
	}()
	select {
	case <-copied:
	case <-time.After(drainTimeout): // a child of a worker may keep the pipe open for ever
	}
	select {
	case l.entries <- nil: // not close(2) of the channel: others may still put
	case <-t.C:
		return
	}
	select {
	case <-l.done:
	case <-t.C:
	}
}

// Status is why lines are being lost, empty where none are, and how many were
// since the master started.
func (l *Log) Status() (string, uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.problem, l.dropped.Load()
}

// OnStatus has f called, from the writer, whenever trouble changes.
func (l *Log) OnStatus(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.notify = f
	if l.problem != "" {
		go f()
	}
}

func (l *Log) setProblem(text string) {
	l.mu.Lock()
	changed := l.problem != text
	l.problem = text
	notify := l.notify
	l.mu.Unlock()
	if changed {
		notify()
	}
}

var pid = os.Getpid()

// Info writes a line of that level.
func (l *Log) Info(message string) { l.Say("INFO", message) }

// Warn writes a line of that level.
func (l *Log) Warn(message string) { l.Say("WARNING", message) }

// Error writes a line of that level.
func (l *Log) Error(message string) { l.Say("ERROR", message) }

// Raw writes text that is already in lines, such as a traceback.
func (l *Log) Raw(text string) {
	l.put(&entry{kind: kindRaw, at: time.Now(), level: "ERROR", pid: pid, text: []byte(text)})
}

// Say writes a line of ours.
func (l *Log) Say(level, message string) {
	l.put(&entry{kind: kindOwn, at: time.Now(), level: level, pid: pid, text: []byte(message)})
}
