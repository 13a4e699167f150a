package logfile

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
	// Name is the file below an app folder.
	Name = "logs/wsgid.log"
	// maxFiles is how many rotated files are looked for: more than any log.keep
	// in use, so that a gap ends the search, not this number.
	maxFiles = 1000
	// maxLine is the longest line that is kept whole; a longer one is printed
	// in pieces.
	maxLine = 1 << 20
)

// Line is one line of an app's log.
type Line struct {
	At   time.Time // of the line, or of the one before where it has none of its own
	App  string
	Text string // without the line end
	rank int    // of its level, or of the level of the line before
}

// File reads the log of one app, over its rotated files, in the order it was
// written. All files are opened below the app folder by appdir.RootFs: a symlink
// that the app's user planted there shows nobody else's files to root.
type File struct {
	App    string
	Folder string         // as it was given, for messages
	root   *appdir.RootFs // holds Name; closed by Close
	Name   string         // of the file in it
	files  []*os.File
	read   *bufio.Reader // of files[0]
	// partial is the begin of a line whose end is not written yet.
	partial []byte
	at      time.Time
	rank    int
	// only is what is asked for of what is read.
	only Filter
	// kept were read already, and come first.
	kept []Line
}

// None tells that there is no file.
func (l *File) None() bool { return len(l.files) == 0 }

// Empty tells that nothing was ever written.
func (l *File) Empty() bool {
	return !slices.ContainsFunc(l.files, func(f *os.File) bool {
		info, err := f.Stat()
		return err != nil || info.Size() > 0
	})
}

// Open opens the log at the last n lines of those that only wants; n < 0: at
// the first of them. A log that does not exist yet is an empty one.
//
// data are directories of which one holds the log of an app folder on a read-only disk.
func Open(app, folder string, n int, only Filter, data ...string) (*File, error) {
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
	l := &File{App: app, Folder: folder, root: root, Name: Name, only: only, rank: levelRank["INFO"]}
	for _, dir := range data {
		if l.Name == Name && root.ReadOnly() {
			l.moveTo(dir)
		}
	}
	if err := l.openAll(); err != nil {
		l.Close()
		return nil, err
	}
	if n >= 0 {
		begin := l.seekTail
		if !only.all() {
			begin = l.keepTail
		}
		if err := begin(n); err != nil {
			l.Close()
			return nil, err
		}
	}
	return l, nil
}

// moveTo reads the log that lies in a data directory, if there is one.
func (l *File) moveTo(dir string) {
	root, err := appdir.Open(dir)
	if err != nil {
		return
	}
	name := runner.DataLog(l.App)
	if _, err := root.Stat(name); err != nil {
		root.Close()
		return
	}
	l.root.Close()
	l.root, l.Folder, l.Name = root, dir, name
}

// Close closes the files.
func (l *File) Close() {
	for _, f := range l.files {
		f.Close()
	}
	l.root.Close()
}

// open opens one file: 0 is the one that is written to, 1 the newest rotated.
func (l *File) open(i int) (*os.File, error) {
	name := l.Name
	if i > 0 {
		name = fmt.Sprintf("%s.%d", l.Name, i)
	}
	f, err := l.root.OpenRegular(name, os.O_RDONLY, 0)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fs.ErrNotExist
		}
		return nil, fmt.Errorf("cannot read log of %s: %s: %w", l.App, filepath.Join(l.Folder, name), reason(err))
	}
	return f, nil
}

// openAll opens all files, oldest first. From the newest to the oldest, so that
// a rotation meanwhile shows a file twice (and it is dropped) but hides none.
func (l *File) openAll() error {
	return l.openUntil(nil)
}

// openUntil puts the files that are newer than known behind those that are open
// already.
func (l *File) openUntil(known os.FileInfo) error {
	var fresh []*os.File
	var infos []os.FileInfo
	found, gaps := false, 0
	for i := range maxFiles {
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
			return err
		}
		info, err := f.Stat()
		if err == nil && known != nil && appdir.SameFile(info, known) {
			f.Close()
			found = true
			break
		}
		if err != nil || slices.ContainsFunc(infos, func(o os.FileInfo) bool { return appdir.SameFile(info, o) }) {
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
	return nil
}

// seekTail drops what comes before the last n lines.
func (l *File) seekTail(n int) error {
	for i, v := range slices.Backward(l.files) {
		offset, lines, err := tailOffset(v, n)
		if err != nil {
			return fmt.Errorf("cannot read log of %s: %w", l.App, err)
		}
		n -= lines
		if n <= 0 {
			if _, err := v.Seek(offset, io.SeekStart); err != nil {
				return fmt.Errorf("cannot read log of %s: %w", l.App, err)
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
func (l *File) keepTail(n int) error {
	var kept []Line
	for {
		line, ok, err := l.Next()
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

// Next is the next whole line that is asked for. ok is false where none is written
// yet.
func (l *File) Next() (line Line, ok bool, err error) {
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

func (l *File) nextAny() (line Line, ok bool, err error) {
	for len(l.files) > 0 {
		if l.read == nil {
			l.read = bufio.NewReaderSize(l.files[0], 64<<10)
		}
		chunk, err := l.read.ReadSlice('\n')
		l.partial = append(l.partial, chunk...)
		switch {
		case err == nil:
			return l.take(l.partial[:len(l.partial)-1]), true, nil
		case len(l.partial) >= maxLine:
			return l.take(l.partial), true, nil
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case !errors.Is(err, io.EOF):
			return Line{}, false, fmt.Errorf("cannot read log of %s: %w", l.App, err)
		case len(l.files) == 1:
			return Line{}, false, nil
		}
		// The end of a rotated file: what is left in it is a line, for nobody will
		// end it.
		l.files[0].Close()
		l.files, l.read = l.files[1:], nil
		if len(l.partial) > 0 {
			return l.take(l.partial), true, nil
		}
	}
	return Line{}, false, nil
}

// Rest is the begun line at the end, for a reader that does not wait.
func (l *File) Rest() (Line, bool) {
	if len(l.partial) == 0 {
		return Line{}, false
	}
	line := l.take(l.partial)
	return line, l.only.wants(line)
}

func (l *File) take(b []byte) Line {
	text := string(b)
	l.partial = l.partial[:0]
	if at, ok := lineTime(text); ok {
		l.at, l.rank = at, RankOf(text)
	}
	return Line{At: l.at, App: l.App, Text: text, rank: l.rank}
}

// Refresh looks whether the log was rotated, truncated or made, so that next
// goes on with the new file behind the old one. Call it before reading: what was
// written to the old file before the rotation is then read first.
func (l *File) Refresh() error {
	if len(l.files) == 0 {
		return l.openAll()
	}
	last := l.files[len(l.files)-1]
	known, err := last.Stat()
	if err != nil {
		return fmt.Errorf("cannot read log of %s: %w", l.App, err)
	}
	if at, err := last.Seek(0, io.SeekCurrent); err == nil && len(l.files) == 1 && at > known.Size() {
		// Truncated in place, as logrotate's copytruncate does.
		if _, err := last.Seek(0, io.SeekStart); err != nil {
			return fmt.Errorf("cannot read log of %s: %w", l.App, err)
		}
		l.read, l.partial = nil, l.partial[:0]
	}
	now, err := l.root.Stat(l.Name)
	if err != nil || appdir.SameFile(now, known) {
		return nil // also in the midst of a rotation: the next look sees it
	}
	return l.openUntil(known)
}

// reason is the bare cause of a file error: the path is already in the message.
func reason(err error) error {
	if pathErr, ok := errors.AsType[*fs.PathError](err); ok {
		return pathErr.Err
	}
	return err
}
