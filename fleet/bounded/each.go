package bounded

import (
	"io/fs"
	"os"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/spf13/afero"
)

// Each runs an operation on each of the paths, several at a time, each of them bounded as
// Within bounds one. Where the disk answers it costs a fraction of that: no goroutine is
// begun and no timer set for a single path. take is given what came of them, from several
// goroutines, each path once, and not after Each has returned.
func Each[T any](f *Fs, what string, paths []string, op func(i int) (T, error), take func(i int, v T, err error)) {
	if len(paths) == 0 {
		return
	}
	e := &each[T]{f: f, what: what, paths: paths, op: op, take: take, done: make(chan struct{})}
	e.left.Store(int64(len(paths)))
	turns := make([]*turn, min(len(paths), max(runtime.GOMAXPROCS(0), 4)))
	for i := range turns {
		turns[i] = &turn{}
		go e.work(turns[i])
	}
	look := time.NewTicker(max(f.limit()/looksPerLimit, time.Millisecond))
	defer look.Stop()
	for {
		select {
		case <-e.done:
			return
		case <-look.C:
			limit := f.limit()
			for i, t := range turns {
				if e.giveUp(t, limit) {
					turns[i] = &turn{}
					go e.work(turns[i])
				}
			}
		}
	}
}

// looksPerLimit is how often within the limit it is looked whether an operation is late:
// none is given up before its limit, and none later than a quarter of it after that.
const looksPerLimit = 4

// each is one Each at work.
type each[T any] struct {
	f     *Fs
	what  string
	paths []string
	op    func(i int) (T, error)
	take  func(i int, v T, err error)
	next  atomic.Int64  // the path that is next
	left  atomic.Int64  // paths that nothing was taken of
	done  chan struct{} // closed when that is none
}

// turn is what one goroutine is at: the number of a path from 1, 0 for none, or givenUp.
// Whoever moves it on from a path has that path's answer.
type turn struct {
	at    atomic.Int64
	seen  int64     // what a look saw last; of the looks
	since time.Time // since when
}

const givenUp = -1

func (e *each[T]) work(t *turn) {
	var none T
	for {
		n := e.next.Add(1)
		if n > int64(len(e.paths)) {
			return
		}
		path := e.paths[n-1]
		if e.f.held(path) {
			e.took(int(n-1), none, e.late(path))
			continue
		}
		t.at.Store(n)
		v, err := e.op(int(n - 1))
		if !t.at.CompareAndSwap(n, 0) {
			e.f.release(path)
			return
		}
		e.took(int(n-1), v, err)
	}
}

// giveUp ends the wait for what a goroutine is at where that is late.
func (e *each[T]) giveUp(t *turn, limit time.Duration) bool {
	n, now := t.at.Load(), time.Now()
	if n != t.seen {
		t.seen, t.since = n, now
	}
	if n <= 0 || now.Sub(t.since) < limit {
		return false
	}
	path := e.paths[n-1]
	e.f.hold(path) // before it may release
	if !t.at.CompareAndSwap(n, givenUp) {
		e.f.release(path)
		e.f.late.Add(-1)
		return false
	}
	var none T
	e.took(int(n-1), none, e.late(path))
	return true
}

func (e *each[T]) late(path string) error {
	return &fs.PathError{Op: e.what, Path: path, Err: ErrNoAnswer}
}

func (e *each[T]) took(i int, v T, err error) {
	e.take(i, v, err)
	if e.left.Add(-1) == 0 {
		close(e.done)
	}
}

// StatEach is Stat of many paths.
func (f *Fs) StatEach(paths []string, take func(i int, info os.FileInfo, err error)) {
	Each(f, "stat", paths, func(i int) (os.FileInfo, error) { return f.Fs.Stat(paths[i]) }, take)
}

// ReadlinkEach is ReadlinkIfPossible of many paths.
func (f *Fs) ReadlinkEach(paths []string, take func(i int, to string, err error)) {
	read := func(path string) (string, error) {
		return "", &fs.PathError{Op: "readlink", Path: path, Err: afero.ErrNoReadlink}
	}
	if l, ok := f.Fs.(afero.LinkReader); ok {
		read = l.ReadlinkIfPossible
	}
	Each(f, "readlink", paths, func(i int) (string, error) { return read(paths[i]) }, take)
}
