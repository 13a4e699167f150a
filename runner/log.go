package runner

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

// logName is the log file, relative to the app folder.
const logName = "logs/wsgid.log"

// appLog writes an app's log: our own lines and the output of the workers,
// told apart by their second field. Lines go through a goroutine of its own, so
// that a slow disk never holds up the loop.
type appLog struct {
	root   *os.Root // the app folder: nothing outside can be reached through it
	stderr bool
	uid    int // owner of a new log file; -1: ours
	gid    int
	debug  bool
	lines  chan []byte
	lost   atomic.Uint64 // lines dropped because the disk did not keep up
	done   chan struct{}

	file *os.File // the writer goroutine's
	size int64
	max  int64
	keep int
}

// openLog opens the log and starts its writer.
func openLog(root *os.Root, spec *appspec.Spec, uid, gid int, stderr bool) (*appLog, error) {
	l := &appLog{root: root, stderr: stderr || spec.Log.Target == "stderr", uid: uid, gid: gid, debug: spec.Debug,
		lines: make(chan []byte, 1024), done: make(chan struct{}), max: int64(spec.Log.MaxSize), keep: spec.Log.Keep}
	if !l.stderr {
		if err := l.open(); err != nil {
			return nil, err
		}
	}
	go l.write()
	return l, nil
}

// open opens the file for appending. The app's user owns logs/, so what stands
// there is not trusted: only a regular file with one name is written to.
func (l *appLog) open() error {
	f, err := l.root.OpenFile(logName, os.O_WRONLY|os.O_APPEND|os.O_CREATE|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0o640)
	if err != nil {
		return fmt.Errorf("cannot open log %s/%s: %w", l.root.Name(), logName, err)
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFREG || st.Nlink != 1 {
		_ = f.Close()
		return fmt.Errorf("cannot open log %s/%s: it is not a plain file with one name; remove it", l.root.Name(), logName)
	}
	if l.uid >= 0 && int(st.Uid) != l.uid {
		_ = f.Chown(l.uid, l.gid)
	}
	l.file, l.size = f, st.Size
	return nil
}

// write is the writer goroutine.
func (l *appLog) write() {
	defer close(l.done)
	for b := range l.lines {
		if b == nil {
			break // close
		}
		if n := l.lost.Swap(0); n > 0 {
			b = append([]byte(formatLine("WARNING", fmt.Sprintf("%d log lines were lost: the disk did not keep up", n))), b...)
		}
		l.emit(b)
	}
	if l.file != nil {
		_ = l.file.Close()
	}
}

func (l *appLog) emit(b []byte) {
	if l.stderr {
		_, _ = os.Stderr.Write(b)
		return
	}
	if l.max > 0 && l.size+int64(len(b)) > l.max && l.size > 0 {
		l.rotate()
	}
	if l.file == nil && l.open() != nil {
		return
	}
	n, err := l.file.Write(b)
	l.size += int64(n)
	if err != nil {
		// A full disk must not stop the app; the next line tries again.
		l.lost.Add(1)
	}
}

// rotate moves wsgid.log to wsgid.log.1, that to .2, and so on.
func (l *appLog) rotate() {
	_ = l.file.Close()
	l.file = nil
	if l.keep <= 0 {
		_ = l.root.Remove(logName)
	}
	for i := l.keep - 1; i >= 0; i-- {
		from := logName
		if i > 0 {
			from = fmt.Sprintf("%s.%d", logName, i)
		}
		_ = l.root.Rename(from, fmt.Sprintf("%s.%d", logName, i+1))
	}
}

// put hands bytes to the writer; they are lost when it does not keep up.
func (l *appLog) put(b []byte) {
	select {
	case l.lines <- b:
	default:
		l.lost.Add(1)
	}
}

// close writes what is left and ends the writer.
func (l *appLog) close() {
	l.lines <- nil // not close(2) of the channel: others may still put
	<-l.done
}

var pid = os.Getpid()

// formatLine makes a line in wsgid's format.
func formatLine(level, message string) string {
	return string(appendLine(nil, "wsgid", pid, level, message))
}

func appendLine(dst []byte, who string, pid int, level, message string) []byte {
	dst = time.Now().AppendFormat(dst, "2006-01-02 15:04:05,000")
	return fmt.Appendf(dst, " - %s [pid=%d] - %s - %s\n", who, pid, level, message)
}

func (l *appLog) info(message string)  { l.put([]byte(formatLine("INFO", message))) }
func (l *appLog) warn(message string)  { l.put([]byte(formatLine("WARNING", message))) }
func (l *appLog) error(message string) { l.put([]byte(formatLine("ERROR", message))) }

// raw writes text that is already in lines, such as a traceback.
func (l *appLog) raw(text string) { l.put([]byte(text)) }

// slog returns a logger that writes into the log, for packages below.
func (l *appLog) slog() *slog.Logger { return slog.New(&slogHandler{log: l}) }

// slogHandler makes wsgid's lines of slog's records.
type slogHandler struct {
	log   *appLog
	attrs []slog.Attr
}

// Enabled implements slog.Handler.
func (h *slogHandler) Enabled(_ context.Context, level slog.Level) bool {
	return level >= slog.LevelInfo || h.log.debug
}

// Handle implements slog.Handler.
func (h *slogHandler) Handle(_ context.Context, r slog.Record) error {
	var b strings.Builder
	b.WriteString(r.Message)
	add := func(a slog.Attr) bool {
		fmt.Fprintf(&b, " %s=%v", a.Key, a.Value)
		return true
	}
	for _, a := range h.attrs {
		add(a)
	}
	r.Attrs(add)
	level := r.Level.String()
	if r.Level == slog.LevelWarn {
		level = "WARNING" // as Python calls it
	}
	h.log.put([]byte(formatLine(level, b.String())))
	return nil
}

// WithAttrs implements slog.Handler.
func (h *slogHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &slogHandler{log: h.log, attrs: append(slices.Clone(h.attrs), attrs...)}
}

// WithGroup implements slog.Handler; groups are not told apart.
func (h *slogHandler) WithGroup(string) slog.Handler { return h }

// workerPID writes or removes pid/worker/<pid>.pid.
func (l *appLog) workerPID(pid int, alive bool) { l.pidFile("worker", pid, alive) }

func (l *appLog) pidFile(kind string, pid int, alive bool) {
	name := fmt.Sprintf("pid/%s/%d.pid", kind, pid)
	if !alive {
		_ = l.root.Remove(name)
		return
	}
	f, err := l.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if os.IsExist(err) {
		_ = l.root.Remove(name)
		f, err = l.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	}
	if err != nil {
		l.warn(fmt.Sprintf("cannot write %s: %v", name, err))
		return
	}
	_, _ = fmt.Fprintf(f, "%d\n", pid)
	_ = f.Close()
}

// follow copies a worker's output into the log, line by line, until the worker
// and all its children have closed it.
func (l *appLog) follow(r *os.File, pid int) {
	defer r.Close()
	br := bufio.NewReaderSize(r, 4096)
	for {
		line, err := br.ReadSlice('\n')
		if len(line) > 0 {
			text := line
			if text[len(text)-1] == '\n' {
				text = text[:len(text)-1]
			}
			l.put(appendLine(nil, "app", pid, "OUTPUT", string(text)))
		}
		if err != nil && err != bufio.ErrBufferFull {
			if err != io.EOF {
				l.warn(fmt.Sprintf("cannot read the output of worker %d: %v", pid, err))
			}
			return
		}
	}
}
