package appdir

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// ClosedTo tells which folder on the way to a path keeps a user out of it, or that
// the path itself does, and what to do: where a process of the user fails, the
// kernel only says that permission is denied. It is empty where the modes let the
// user pass, or where nothing of the kind can be seen.
func ClosedTo(path string, o Owner) string {
	b := blockedFrom(path, o, toExecute)
	switch {
	case b == nil:
		return ""
	case b.folder:
		return closed(o, "may not enter folder", b.at, &b.st, b.letter)
	}
	return closed(o, "may not execute", b.at, &b.st, b.letter)
}

// Unreadable is ClosedTo for a file that a user is to read, or a folder to list. What is to be
// done is empty where it is the path itself that is closed: that depends on what it is.
func Unreadable(path string, o Owner) (what, instead string) {
	b := blockedFrom(path, o, toRead)
	if b == nil {
		return "", ""
	}
	what = fmt.Sprintf("(mode %04o, owner %s)", b.st.Mode&0o7777, UserName(int(b.st.Uid)))
	if b.last {
		return "user " + o.Name + " may not read it " + what, ""
	}
	return fmt.Sprintf("user %s may not enter folder %s %s", o.Name, b.at, what), fmt.Sprintf("chmod %s+x %s", b.letter, b.at)
}

// OpenToOthers tells whether a file is a user's own, and others may read it.
func OpenToOthers(path string, o Owner) bool {
	var st unix.Stat_t
	return unix.Stat(path, &st) == nil && int(st.Uid) == o.UID && st.Mode&0o077 != 0
}

// Rights as the modes of files have them.
const (
	toExecute = 1
	toRead    = 4
)

// blocked is what keeps a user from something.
type blocked struct {
	at     string
	st     unix.Stat_t
	folder bool
	last   bool   // it is that what was asked for
	letter string // whose right is missing: u, g or o
}

// blockedFrom finds what on the way to a path keeps a user from it, or whether the path itself
// lacks the right; nil: nothing, or nothing of the kind can be seen.
func blockedFrom(path string, o Owner, right uint32) *blocked {
	if o.UID == 0 || !filepath.IsAbs(path) {
		return nil
	}
	at := "/"
	rest := strings.Split(filepath.Clean(path), "/")[1:]
	for links := 0; ; {
		var st unix.Stat_t
		if unix.Lstat(at, &st) != nil {
			return nil
		}
		if st.Mode&unix.S_IFMT == unix.S_IFLNK {
			to, err := readlink(at)
			if links++; err != nil || links > 40 {
				return nil
			}
			if !filepath.IsAbs(to) {
				to = filepath.Join(filepath.Dir(at), to)
			}
			at, rest = "/", append(strings.Split(filepath.Clean(to), "/")[1:], rest...)
			continue
		}
		b := &blocked{at: at, st: st, folder: st.Mode&unix.S_IFMT == unix.S_IFDIR, last: len(rest) == 0}
		need := uint32(toExecute)
		if b.last {
			need = right
			if b.folder {
				need |= toExecute
			}
		}
		if b.letter = lacks(&st, o, need); b.letter != "" {
			return b
		}
		if b.last {
			return nil
		}
		at, rest = filepath.Join(at, rest[0]), rest[1:]
	}
}

func readlink(path string) (string, error) {
	b := make([]byte, unix.PathMax)
	n, err := unix.Readlink(path, b)
	if err != nil || n == 0 {
		return "", errors.Join(err, errors.New("an empty link"))
	}
	return string(b[:n]), nil
}

// lacks is whose rights would be the user's and are missing: u, g or o.
func lacks(st *unix.Stat_t, o Owner, rights uint32) string {
	letter, of := "o", st.Mode
	switch {
	case int(st.Uid) == o.UID:
		letter, of = "u", st.Mode>>6
	case int(st.Gid) == o.GID || slices.Contains(o.Groups, int(st.Gid)):
		letter, of = "g", st.Mode>>3
	}
	if of&rights == rights {
		return ""
	}
	return letter
}

func closed(o Owner, what, path string, st *unix.Stat_t, letter string) string {
	owner := UserName(int(st.Uid))
	step := fmt.Sprintf("chmod %s+x %s", letter, path)
	if st.Uid != 0 && int(st.Uid) != o.UID {
		step += fmt.Sprintf(", or run the app as its owner: user = %q", owner)
	}
	return fmt.Sprintf("user %s %s %s (mode %04o, owner %s): %s", o.Name, what, path, st.Mode&0o7777, owner, step)
}
