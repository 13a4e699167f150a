package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/runner"
	"github.com/wsgid-fleet/wsgid-fleet/runner/appdir"
)

const (
	logName = "logs/wsgid.log"
	// maxLogFiles is how many rotated files are looked for: more than any log.keep
	// in use, so that a gap ends the search, not this number.
	maxLogFiles = 1000
	// maxLogLine is the longest line that is kept whole; a longer one is printed
	// in pieces.
	maxLogLine = 1 << 20
)

// logLine is one line of an app's log.
type logLine struct {
	at   time.Time // of the line, or of the one before where it has none of its own
	app  string
	text string // without the line end
	rank int    // of its level, or of the level of the line before
}

// logFile reads the log of one app, over its rotated files, in the order it was
// written. All files are opened below the app folder by appdir.RootFs: a symlink
// that the app's user planted there shows nobody else's files to root.
type logFile struct {
	app    string
	folder string         // as it was given, for messages
	root   *appdir.RootFs // holds name; closed by close
	name   string
	// elsewhere says where the log goes by its spec; empty: into the file.
	elsewhere string
	state     string // of the app, with its reason
	files     []*os.File
	read      *bufio.Reader // of files[0]
	// partial is the begin of a line whose end is not written yet.
	partial []byte
	at      time.Time
	rank    int
	// only is what is asked for of what is read.
	only logFilter
	// kept were read already, and come first.
	kept []logLine
}

// empty tells that nothing was ever written.
func (l *logFile) empty() bool {
	return !slices.ContainsFunc(l.files, func(f *os.File) bool {
		info, err := f.Stat()
		return err != nil || info.Size() > 0
	})
}

// openLog opens the log at the last n lines of those that only wants; n < 0: at
// the first of them. A log that does not exist yet is an empty one.
//
// data are directories of which one holds the log of an app folder on a read-only disk.
func openLog(app, folder string, n int, only logFilter, data ...string) (*logFile, error) {
	abs, err := filepath.Abs(folder)
	var root *appdir.RootFs
	if err == nil {
		root, err = appdir.Open(abs)
	}
	if err == nil {
		_, err = root.Folder()
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read log of %s: app folder %s: %w", app, folder, reason(err))
	}
	l := &logFile{app: app, folder: folder, root: root, name: logName, only: only, rank: levelRank["INFO"]}
	for _, dir := range data {
		if l.name == logName && root.ReadOnly() {
			l.moveTo(dir)
		}
	}
	if err := l.openAll(); err != nil {
		l.close()
		return nil, err
	}
	if n >= 0 {
		begin := l.seekTail
		if !only.all() {
			begin = l.keepTail
		}
		if err := begin(n); err != nil {
			l.close()
			return nil, err
		}
	}
	return l, nil
}

// moveTo reads the log that lies in a data directory, if there is one.
func (l *logFile) moveTo(dir string) {
	root, err := appdir.Open(dir)
	if err != nil {
		return
	}
	name := runner.DataLog(l.app)
	if _, err := root.Stat(name); err != nil {
		root.Close()
		return
	}
	l.root.Close()
	l.root, l.folder, l.name = root, dir, name
}

func (l *logFile) close() {
	for _, f := range l.files {
		f.Close()
	}
	l.root.Close()
}

// open opens one file: 0 is the one that is written to, 1 the newest rotated.
func (l *logFile) open(i int) (*os.File, error) {
	name := l.name
	if i > 0 {
		name = fmt.Sprintf("%s.%d", l.name, i)
	}
	f, err := l.root.OpenRegular(name, os.O_RDONLY, 0)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fs.ErrNotExist
		}
		return nil, fmt.Errorf("cannot read log of %s: %s: %w", l.app, filepath.Join(l.folder, name), reason(err))
	}
	return f, nil
}

// openAll opens all files, oldest first. From the newest to the oldest, so that
// a rotation meanwhile shows a file twice (and it is dropped) but hides none.
func (l *logFile) openAll() error {
	_, err := l.openUntil(nil)
	return err
}

// openUntil puts the files that are newer than known behind those that are open
// already, and tells whether known was found among them.
func (l *logFile) openUntil(known os.FileInfo) (bool, error) {
	var fresh []*os.File
	var infos []os.FileInfo
	found, gaps := false, 0
	for i := range maxLogFiles {
		f, err := l.open(i)
		if errors.Is(err, fs.ErrNotExist) {
			// In the midst of a rotation one name is free.
			if gaps++; gaps > 1 {
				break
			}
			continue
		}
		if err != nil {
			for _, f := range fresh {
				f.Close()
			}
			return false, err
		}
		info, err := f.Stat()
		if err == nil && known != nil && os.SameFile(info, known) {
			f.Close()
			found = true
			break
		}
		if err != nil || slices.ContainsFunc(infos, func(o os.FileInfo) bool { return os.SameFile(info, o) }) {
			f.Close()
			continue
		}
		fresh, infos = append(fresh, f), append(infos, info)
	}
	if known != nil && !found && len(fresh) > 1 {
		// The file that was read is gone: only the newest is surely not an old one
		// that has been read.
		for _, f := range fresh[1:] {
			f.Close()
		}
		fresh = fresh[:1]
	}
	slices.Reverse(fresh)
	l.files = append(l.files, fresh...)
	return found, nil
}

// seekTail drops what comes before the last n lines.
func (l *logFile) seekTail(n int) error {
	for i, v := range slices.Backward(l.files) {
		offset, lines, err := tailOffset(v, n)
		if err != nil {
			return fmt.Errorf("cannot read log of %s: %w", l.app, err)
		}
		n -= lines
		if n <= 0 {
			if _, err := v.Seek(offset, io.SeekStart); err != nil {
				return fmt.Errorf("cannot read log of %s: %w", l.app, err)
			}
			for _, f := range l.files[:i] {
				f.Close()
			}
			l.files = l.files[i:]
			return nil
		}
	}
	return nil
}

// keepTail reads all lines that are asked for and keeps the last n of them.
func (l *logFile) keepTail(n int) error {
	var kept []logLine
	for {
		line, ok, err := l.next()
		if err != nil {
			return err
		}
		if !ok {
			l.kept = kept
			return nil
		}
		if kept = append(kept, line); len(kept) > n {
			kept = kept[1:]
		}
	}
}

// tailOffset is where the last n lines of f begin, and how many lines there are
// from there.
func tailOffset(f *os.File, n int) (offset int64, lines int, err error) {
	info, err := f.Stat()
	if err != nil {
		return 0, 0, err
	}
	size := info.Size()
	if size == 0 {
		return 0, 0, nil
	}
	if n == 0 {
		return size, 0, nil
	}
	block := make([]byte, 64<<10)
	for end := size; end > 0; {
		start := max(0, end-int64(len(block)))
		part := block[:end-start]
		if _, err := f.ReadAt(part, start); err != nil && !errors.Is(err, io.EOF) {
			return 0, 0, err
		}
		for i, p := range slices.Backward(part) {
			// The line end that closes the file ends its last line.
			if p != '\n' || start+int64(i) == size-1 {
				continue
			}
			if lines++; lines == n {
				return start + int64(i) + 1, n, nil
			}
		}
		end = start
	}
	return 0, lines + 1, nil
}

// next is the next whole line that is asked for. ok is false where none is written
// yet.
func (l *logFile) next() (line logLine, ok bool, err error) {
	if len(l.kept) > 0 {
		line, l.kept = l.kept[0], l.kept[1:]
		return line, true, nil
	}
	for {
		line, ok, err = l.nextAny()
		if err != nil || !ok || l.only.wants(line) {
			return line, ok, err
		}
	}
}

func (l *logFile) nextAny() (line logLine, ok bool, err error) {
	for len(l.files) > 0 {
		if l.read == nil {
			l.read = bufio.NewReaderSize(l.files[0], 64<<10)
		}
		chunk, err := l.read.ReadSlice('\n')
		l.partial = append(l.partial, chunk...)
		switch {
		case err == nil:
			return l.take(l.partial[:len(l.partial)-1]), true, nil
		case len(l.partial) >= maxLogLine:
			return l.take(l.partial), true, nil
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case !errors.Is(err, io.EOF):
			return logLine{}, false, fmt.Errorf("cannot read log of %s: %w", l.app, err)
		case len(l.files) == 1:
			return logLine{}, false, nil
		}
		// The end of a rotated file: what is left in it is a line, for nobody will
		// end it.
		l.files[0].Close()
		l.files, l.read = l.files[1:], nil
		if len(l.partial) > 0 {
			return l.take(l.partial), true, nil
		}
	}
	return logLine{}, false, nil
}

// rest is the begun line at the end, for a reader that does not wait.
func (l *logFile) rest() (logLine, bool) {
	if len(l.partial) == 0 {
		return logLine{}, false
	}
	line := l.take(l.partial)
	return line, l.only.wants(line)
}

func (l *logFile) take(b []byte) logLine {
	text := string(b)
	l.partial = l.partial[:0]
	if at, ok := logTime(text); ok {
		l.at, l.rank = at, logRank(text)
	}
	return logLine{at: l.at, app: l.app, text: text, rank: l.rank}
}

// refresh looks whether the log was rotated, truncated or made, so that next
// goes on with the new file behind the old one. Call it before reading: what was
// written to the old file before the rotation is then read first.
func (l *logFile) refresh() error {
	if len(l.files) == 0 {
		return l.openAll()
	}
	last := l.files[len(l.files)-1]
	known, err := last.Stat()
	if err != nil {
		return fmt.Errorf("cannot read log of %s: %w", l.app, err)
	}
	if at, err := last.Seek(0, io.SeekCurrent); err == nil && len(l.files) == 1 && at > known.Size() {
		// Truncated in place, as logrotate's copytruncate does.
		if _, err := last.Seek(0, io.SeekStart); err != nil {
			return fmt.Errorf("cannot read log of %s: %w", l.app, err)
		}
		l.read, l.partial = nil, l.partial[:0]
	}
	now, err := l.root.Stat(l.name)
	if err != nil || os.SameFile(now, known) {
		return nil // also in the midst of a rotation: the next look sees it
	}
	_, err = l.openUntil(known)
	return err
}
