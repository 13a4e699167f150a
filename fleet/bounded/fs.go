package bounded

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spf13/afero"
)

// ErrNoAnswer is the error of an operation that took too long. It comes in a
// *fs.PathError.
var ErrNoAnswer = errors.New("it did not answer in time (is its disk reachable?)")

// Fs bounds the operations of another file system that look and read.
type Fs struct {
	afero.Fs
	// Limit is how long one operation may take. When several have taken as long,
	// those that follow have a tenth of it, until Forgive, or until none has for ten
	// limits: a directory with a thousand links to one disk is not waited for a
	// thousand times.
	Limit time.Duration

	late atomic.Int32 // operations that took too long since Forgive
	last atomic.Int64 // when the last one of them was given up, by elapsed

	mu       sync.Mutex
	stuck    map[string]int // operations that somebody still waits for, by path
	answered func()         // see OnAnswer
}

// begun is when this process began, about.
var begun = time.Now()

// elapsed is a clock that nobody sets.
func elapsed() time.Duration { return time.Since(begun) }

// patience is how many operations may take the whole limit.
const patience = 3

// Forgive gives operations their whole limit again.
func (f *Fs) Forgive() { f.late.Store(0) }

func (f *Fs) limit() time.Duration {
	if f.late.Load() < patience {
		return f.Limit
	}
	if elapsed()-time.Duration(f.last.Load()) > 10*f.Limit {
		f.Forgive()
		return f.Limit
	}
	return f.Limit / 10
}

// within runs op. What comes of one that is given up is handed to undo, which may
// be nil.
func within[T any](f *Fs, what, path string, op func() (T, error), undo func(T)) (T, error) {
	var none T
	fail := func() (T, error) { return none, &fs.PathError{Op: what, Path: path, Err: ErrNoAnswer} }
	if f.held(path) {
		return fail()
	}
	type result struct {
		v   T
		err error
	}
	done := make(chan result, 1)
	go func() {
		v, err := op()
		done <- result{v, err}
	}()
	t := time.NewTimer(f.limit())
	defer t.Stop()
	select {
	case r := <-done:
		return r.v, r.err
	case <-t.C:
	}
	f.hold(path)
	go func() {
		r := <-done
		if undo != nil && r.err == nil {
			undo(r.v)
		}
		f.release(path)
	}()
	return fail()
}

// held tells whether somebody still waits for a path.
func (f *Fs) held(path string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.stuck[path] > 0
}

// hold notes that an operation on a path is given up, and goes on.
func (f *Fs) hold(path string) {
	f.last.Store(int64(elapsed()))
	f.late.Add(1)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.stuck == nil {
		f.stuck = map[string]int{}
	}
	f.stuck[path]++
}

// release notes that it has come to its end.
func (f *Fs) release(path string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.stuck[path]--; f.stuck[path] > 0 {
		return
	}
	delete(f.stuck, path)
	if f.answered != nil {
		go f.answered()
	}
}

// OnAnswer has do called, on a goroutine of its own, each time that a path answers which was
// given up: what comes of it is to be asked for anew.
func (f *Fs) OnAnswer(do func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.answered = do
}

// Within runs op as if it were an operation of the file system on a path. What op
// returns may come with an error.
func Within[T any](f *Fs, what, path string, op func() (T, error)) (T, error) {
	return within(f, what, path, op, nil)
}

// Stat is os.Stat.
func (f *Fs) Stat(name string) (os.FileInfo, error) {
	return within(f, "stat", name, func() (os.FileInfo, error) { return f.Fs.Stat(name) }, nil)
}

// LstatIfPossible is os.Lstat, where the file system knows it.
func (f *Fs) LstatIfPossible(name string) (os.FileInfo, bool, error) {
	l, ok := f.Fs.(afero.Lstater)
	if !ok {
		fi, err := f.Stat(name)
		return fi, false, err
	}
	fi, err := within(f, "lstat", name, func() (os.FileInfo, error) {
		fi, _, err := l.LstatIfPossible(name)
		return fi, err
	}, nil)
	return fi, true, err
}

// ReadlinkIfPossible is os.Readlink, where the file system knows it.
func (f *Fs) ReadlinkIfPossible(name string) (string, error) {
	l, ok := f.Fs.(afero.LinkReader)
	if !ok {
		return "", &fs.PathError{Op: "readlink", Path: name, Err: afero.ErrNoReadlink}
	}
	return within(f, "readlink", name, func() (string, error) { return l.ReadlinkIfPossible(name) }, nil)
}

// Open is os.Open.
func (f *Fs) Open(name string) (afero.File, error) { return f.OpenFile(name, os.O_RDONLY, 0) }

// OpenFile is os.OpenFile.
func (f *Fs) OpenFile(name string, flag int, perm os.FileMode) (afero.File, error) {
	return f.OpenBy(name, func() (afero.File, error) { return f.Fs.OpenFile(name, flag, perm) })
}

// OpenBy opens a path by a way of the caller's.
func (f *Fs) OpenBy(name string, open func() (afero.File, error)) (afero.File, error) {
	opened, err := within(f, "open", name, open, func(file afero.File) { _ = file.Close() })
	if err != nil {
		return nil, err
	}
	return &file{File: opened, fs: f, name: name}, nil
}

// file bounds what is read of it.
type file struct {
	afero.File
	fs   *Fs
	name string
}

func (f *file) Read(b []byte) (int, error) {
	// Not into b: an operation that is given up may still write there.
	got, err := within(f.fs, "read", f.name, func() ([]byte, error) {
		own := make([]byte, min(len(b), 64<<10))
		n, err := f.File.Read(own)
		if errors.Is(err, io.EOF) && n > 0 {
			err = nil
		}
		return own[:n], err
	}, nil)
	if errors.Is(err, ErrNoAnswer) {
		go func() { _ = f.File.Close() }() // that may end the wait
	}
	return copy(b, got), err
}

func (f *file) Stat() (os.FileInfo, error) { return within(f.fs, "stat", f.name, f.File.Stat, nil) }

func (f *file) Readdirnames(n int) ([]string, error) {
	return within(f.fs, "readdir", f.name, func() ([]string, error) { return f.File.Readdirnames(n) }, nil)
}

func (f *file) Readdir(n int) ([]os.FileInfo, error) {
	return within(f.fs, "readdir", f.name, func() ([]os.FileInfo, error) { return f.File.Readdir(n) }, nil)
}

func (f *file) Close() error {
	_, err := within(f.fs, "close", f.name, func() (struct{}, error) { return struct{}{}, f.File.Close() }, nil)
	return err
}
