package runner

import (
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/runner/appdir"
)

const (
	// logName is the log file, relative to the app folder.
	logName = "logs/wsgid.log"
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
	// lastWords is how long the end of a master waits for what its workers wrote
	// before they ended.
	lastWords = 500 * time.Millisecond
	// closePatience is how long the end of a master waits for its log.
	closePatience = 3 * time.Second
)

// appLog writes an app's log: our own lines, the output of the workers and the
// lines of the access log, told apart by their form. Everything goes through a
// goroutine of its own, so that a slow disk never holds up the loop, and a disk
// that is full or a file that is gone never the app: what cannot be written is
// counted, and reported as soon as something can.
type appLog struct {
	root      *appdir.RootFs // the app folder: nothing outside can be reached through it
	apart     *appdir.RootFs // the data directory, which takes the log of a folder on a read-only disk; may be nil
	app       string
	own       bool // the app has standard error for itself: wsgid --no-daemon
	uid       int  // owner of a new log file; -1: ours
	gid       int
	debug     atomic.Bool
	mask      mask // hides what must not be written
	entries   chan *logEntry
	lost      atomic.Uint64 // lines dropped since they were last told of
	dropped   atomic.Uint64 // lines dropped in all
	done      chan struct{}
	following sync.WaitGroup // one for each worker whose output is copied
	spare     chan []byte    // used buffers of the access log

	mu      sync.Mutex
	problem string // guarded by mu: why lines are lost now; empty: none are
	notify  func() // guarded by mu: problem changed

	// The writer goroutine's:
	set       logSettings
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

// logSettings is the log block of a spec.
type logSettings struct {
	target string
	json   bool
	max    int64
	keep   int
}

func settingsOf(spec *appspec.Spec) logSettings {
	return logSettings{target: spec.Log.Target, json: spec.Log.Format == "json", max: int64(spec.Log.MaxSize), keep: spec.Log.Keep}
}

// logJournal is where the journal listens. A master that changes its root goes
// on to reach it through keepJournal.
var logJournal = journalPath

// logPlaces is where a log may be written.
type logPlaces struct {
	root   *appdir.RootFs // the app folder
	apart  *appdir.RootFs // the data directory; nil: there is none
	stderr int            // descriptor, or noStderr
}

// openLog opens the log and starts its writer. With foreground it goes to
// standard error whatever the spec says.
func openLog(at logPlaces, spec *appspec.Spec, uid, gid int, foreground bool) *appLog {
	l := &appLog{root: at.root, apart: at.apart, dir: at.root, name: logName, app: spec.Name, own: foreground, uid: uid, gid: gid, stderr: at.stderr,
		entries: make(chan *logEntry, 256), done: make(chan struct{}), spare: make(chan []byte, 2),
		journal: &journalSocket{path: logJournal, fd: -1}, notify: func() {}}
	l.debug.Store(spec.Debug)
	l.mask.learn(spec)
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

// configure takes over the log block of a new spec, from the next line on.
func (l *appLog) configure(spec *appspec.Spec) {
	l.debug.Store(spec.Debug)
	l.mask.learn(spec)
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

// reopen makes the writer open the file anew: somebody may have moved it away.
func (l *appLog) reopen() {
	l.control(func() {
		l.closeFile()
		if l.set.target != "stderr" || l.stderr != noStderr { // that is told once
			l.forgetStead()
		}
	})
}

// control runs f on the writer, after all lines before it.
func (l *appLog) control(f func()) {
	select {
	case l.entries <- &logEntry{control: f}:
	default:
		// The writer is busy, and the loop does not wait for it.
		go func() {
			select {
			case l.entries <- &logEntry{control: f}:
			case <-l.done:
			}
		}()
	}
}

// put hands an entry to the writer; it is lost when the writer does not keep
// up. The loop never waits here.
func (l *appLog) put(e *logEntry) {
	select {
	case l.entries <- e:
	default:
		l.drop(e.lines())
	}
}

// putPatient waits a moment for the writer.
func (l *appLog) putPatient(e *logEntry) {
	select {
	case l.entries <- e:
		return
	default:
	}
	t := time.NewTimer(outputPatience)
	defer t.Stop()
	select {
	case l.entries <- e:
	case <-t.C:
		l.drop(e.lines())
	case <-l.done:
	}
}

func (l *appLog) drop(lines int) {
	l.lost.Add(uint64(lines))
	l.dropped.Add(uint64(lines))
}

// buffer is an empty one for a batch of the access log.
func (l *appLog) buffer() []byte {
	select {
	case b := <-l.spare:
		return b[:0]
	default:
		return make([]byte, 0, accessBatch+4096)
	}
}

// close writes what is left and ends the writer. A target that hangs is not
// waited for.
func (l *appLog) close() {
	t := time.NewTimer(closePatience)
	defer t.Stop()
	copied := make(chan struct{})
	go func() {
		l.following.Wait()
		close(copied)
	}()
	select {
	case <-copied:
	case <-time.After(lastWords): // a child of a worker may keep the pipe open for ever
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

// trouble is why lines are being lost, empty where none are, and how many were
// since the master started.
func (l *appLog) trouble() (string, uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.problem, l.dropped.Load()
}

// onTrouble has f called, from the writer, whenever trouble changes.
func (l *appLog) onTrouble(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.notify = f
	if l.problem != "" {
		go f()
	}
}

func (l *appLog) setProblem(text string) {
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

func (l *appLog) info(message string)  { l.say("INFO", message) }
func (l *appLog) warn(message string)  { l.say("WARNING", message) }
func (l *appLog) error(message string) { l.say("ERROR", message) }

// raw writes text that is already in lines, such as a traceback.
func (l *appLog) raw(text string) {
	l.put(&logEntry{kind: kindRaw, at: time.Now(), level: "ERROR", pid: pid, text: []byte(text)})
}

// say writes a line of ours.
func (l *appLog) say(level, message string) {
	l.put(&logEntry{kind: kindOwn, at: time.Now(), level: level, pid: pid, text: []byte(message)})
}

// workerPID writes or removes pid/worker/<pid>.pid.
func (l *appLog) workerPID(pid int, alive bool) { l.pidFile("worker", pid, alive) }

func (l *appLog) pidFile(kind string, pid int, alive bool) {
	name := fmt.Sprintf("pid/%s/%d.pid", kind, pid)
	if !alive {
		_ = l.root.Remove(name)
		return
	}
	f, err := l.root.OpenRegular(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if os.IsExist(err) {
		_ = l.root.Remove(name)
		f, err = l.root.OpenRegular(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	}
	if err != nil {
		if l.root.ReadOnly() {
			if kind == "master" {
				l.info("no pid files are written: the app folder is on a read-only file system")
			}
			return
		}
		l.warn(fmt.Sprintf("cannot write %s: %v", name, err))
		return
	}
	_, _ = fmt.Fprintf(f, "%d\n", pid)
	_ = f.Close()
}
