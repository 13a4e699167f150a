// Package stem tells what stems are: processes that masters have their workers forked
// from (runner/zygote, runner/pool), and which workers can be.
package stem

import (
	"cmp"
	"slices"
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
	Files  []File   `json:"files"`  // what it has loaded
}

// Fork is a way to start a master from a zygote.
type Fork struct {
	Stem Stem // what workers are forked from
	// Start executes the program that is the last of the files, with the others as its
	// descriptors and the stem's socket after them. An error tells that nothing runs.
	Start func(args, env []string, files []uintptr) (pid int, err error)
}

// File is a file or folder as it was when a stem loaded it.
type File struct {
	Path  string `json:"path"`
	Inode uint64 `json:"inode"`
	Size  int64  `json:"size"`
	Time  int64  `json:"time"`
}

// NewFile looks at a file.
func NewFile(path string) File {
	f := File{Path: path}
	var st unix.Stat_t
	if unix.Stat(path, &st) == nil {
		f.Inode, f.Size, f.Time = st.Ino, st.Size, st.Mtim.Nano()
	}
	return f
}

// Changed is the first file that is another one now; empty: none is.
func (s *Stem) Changed() string {
	for _, f := range s.Files {
		if NewFile(f.Path) != f {
			return f.Path
		}
	}
	return ""
}

// readAtStart are the beginnings of names of the environment that Python, the C library
// or the dynamic linker read before a worker could say anything.
var readAtStart = []string{"PYTHON", "LD_", "MALLOC_", "GLIBC_", "LOCPATH", "GCONV_PATH", "ASAN_", "LSAN_", "UBSAN_"}

// Forkable tells which interpreter and locale a stem must have for the workers of
// a spec; empty: they cannot be forked from any. What differs by app and is not asked
// here is set after the fork.
func Forkable(spec *appspec.Spec, env []string) (python string, locale []string) {
	if spec.Virtualenv != "" || spec.Chroot || spec.Workers.Preload || spec.Gate != nil {
		return "", nil
	}
	for _, kv := range env {
		for _, name := range readAtStart {
			if strings.HasPrefix(kv, name) {
				return "", nil
			}
		}
		if strings.HasPrefix(kv, "LC_") || strings.HasPrefix(kv, "LANG") {
			locale = append(locale, kv)
		}
	}
	slices.Sort(locale)
	return cmp.Or(spec.Python, appdir.DefaultPython), locale
}
