// Package stem tells what stems are: processes that masters have their workers forked
// from (runner/zygote, runner/pool), and which workers can be.
package stem

import (
	"cmp"
	"encoding/binary"
	"hash/fnv"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/runner/appdir"
)

// Stem is what a master is told of its stem: a child of it that has Python and our
// host loaded and nothing of the app, and forks its workers (runner/wsgi/host/py,
// zygote.py). A worker that cannot be forked from it is started as where there is none.
type Stem struct {
	Python string   `json:"python"` // which interpreter it is
	Locale []string `json:"locale"` // the part of its environment that it has begun with
	Loaded string   `json:"loaded"` // what it has loaded: a Mark of each file, together as masters keep it for as long as they live
}

// Fork is a way to start a master from a zygote, or why there is none.
type Fork struct {
	Why  string // why there is none; the rest is empty then
	Stem Stem   // what workers are forked from
	// Start executes the program that is the last of the files, with the others as its
	// descriptors and the stem's socket after them. An error tells that nothing runs.
	Start func(args, env []string, files []uintptr) (pid int, err error)
}

// Mark tells of a file or folder as it is now, in a line: a number of it, and its path.
func Mark(path string) string {
	var st unix.Stat_t
	_ = unix.Stat(path, &st) // what is not there has no number
	var b []byte
	for _, n := range []int64{int64(st.Ino), st.Size, st.Mtim.Nano()} { //nolint:gosec // a number as good as another
		b = binary.LittleEndian.AppendUint64(b, uint64(n)) //nolint:gosec // the same
	}
	h := fnv.New64a()
	_, _ = h.Write(b)
	return strconv.FormatUint(h.Sum64(), 36) + " " + path + "\n"
}

// Changed is the first file that is another one now; empty: none is.
func (s *Stem) Changed() string {
	for line := range strings.Lines(s.Loaded) {
		if _, path, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " "); Mark(path) != line {
			return path
		}
	}
	return ""
}

// readAtStart are the beginnings of names of the environment that Python, the C library
// or the dynamic linker read before a worker could say anything.
var readAtStart = []string{"PYTHON", "LD_", "MALLOC_", "GLIBC_", "LOCPATH", "GCONV_PATH", "ASAN_", "LSAN_", "UBSAN_"}

// Restart is why workers whose spec allows it are not forked: their master has none.
const Restart = "its master was started when its spec did not allow it; restart the app"

// Forkable tells which interpreter and locale a stem must have for the workers of
// a spec; why is not empty: they cannot be forked from any. What differs by app and is
// not asked here is set after the fork.
func Forkable(spec *appspec.Spec, env []string) (python string, locale []string, why string) {
	switch {
	case spec.Gate != nil:
		return "", nil, "it has no workers"
	case spec.Virtualenv != "":
		return "", nil, "virtualenv has a Python of its own"
	case spec.Chroot:
		return "", nil, "with chroot it has a Python of its own"
	case spec.Workers.Preload:
		return "", nil, "with workers.preload its workers share more, with each other"
	}
	for _, kv := range env {
		for _, start := range readAtStart {
			if strings.HasPrefix(kv, start) {
				name, _, _ := strings.Cut(kv, "=")
				return "", nil, "env has " + name + ", which is read before Python runs anything"
			}
		}
		if strings.HasPrefix(kv, "LC_") || strings.HasPrefix(kv, "LANG") {
			locale = append(locale, kv)
		}
	}
	slices.Sort(locale)
	return cmp.Or(spec.Python, appdir.DefaultPython), locale, ""
}
