package venv

import (
	"context"
	"os"
	"os/exec"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/deploy/child"
)

// Interpreters remembers what Pythons have said of themselves, so that not each deploy
// starts one only to ask it. An answer counts as long as all that it was made from, the
// program, its libraries, the folders of its modules and pip, is what it was then. The
// zero value knows none; nil never does.
type Interpreters struct {
	mu    sync.Mutex
	known map[question]remembered // guarded by mu
}

// question is what was asked: the same file may tell two accounts two things.
type question struct {
	python string
	uid    int
}

type remembered struct {
	answer Interpreter
	python identity
	from   []identity
}

// identity is of a file that was not changed since. Whoever changes one, or what is in a
// folder, changes a time of it that nobody can set back.
type identity struct {
	dev, ino     uint64
	size         int64
	mtime, ctime syscall.Timespec
}

// identify follows links: another program behind the same link is another one.
func identify(path string) identity {
	fi, err := os.Stat(path)
	if err != nil {
		return identity{} // nor was it there, or it is news
	}
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !ok {
		return identity{}
	}
	return identity{dev: uint64(st.Dev), ino: st.Ino, size: st.Size, mtime: st.Mtim, ctime: st.Ctim} //nolint:unconvert // it is of another width elsewhere
}

func identifyAll(paths []string) []identity {
	out := make([]identity, len(paths))
	for i, path := range paths {
		out[i] = identify(path)
	}
	return out
}

// ask asks an interpreter that is no virtualenv's, where it is not known.
func (is *Interpreters) ask(ctx context.Context, a *child.Account, python string) (Interpreter, error) {
	if is == nil {
		return ask(ctx, a, python)
	}
	path, err := exec.LookPath(python)
	if err != nil {
		return ask(ctx, a, python) // which says so
	}
	q := question{python: path, uid: -1}
	if a != nil {
		q.uid = a.UID
	}
	is.mu.Lock()
	r, known := is.known[q]
	is.mu.Unlock()
	program := identify(path)
	if known && r.python == program && slices.Equal(r.from, identifyAll(r.answer.from)) {
		return r.answer, nil
	}
	began := time.Now()
	answer, err := ask(ctx, a, path)
	// Where pip is not found a file anywhere may bring it. What is called python and is
	// none itself, as the scripts of pyenv, chooses by what nobody can know here.
	if err != nil || answer.Pip == "" || len(answer.from) == 0 || identify(answer.Path) != program {
		return answer, err
	}
	from := identifyAll(answer.from)
	if slices.ContainsFunc(from, func(i identity) bool { return !time.Unix(i.ctime.Unix()).Before(began) }) {
		return answer, nil // changed meanwhile, before it was read or after
	}
	is.mu.Lock()
	defer is.mu.Unlock()
	if is.known == nil {
		is.known = map[question]remembered{}
	}
	is.known[q] = remembered{answer: answer, python: program, from: from}
	return answer, nil
}
