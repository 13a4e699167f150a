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
	if o.UID == 0 || !filepath.IsAbs(path) {
		return ""
	}
	at := "/"
	rest := strings.Split(filepath.Clean(path), "/")[1:]
	for links := 0; ; {
		var st unix.Stat_t
		if unix.Lstat(at, &st) != nil {
			return ""
		}
		switch st.Mode & unix.S_IFMT {
		case unix.S_IFLNK:
			to, err := readlink(at)
			if links++; err != nil || links > 40 {
				return ""
			}
			if !filepath.IsAbs(to) {
				to = filepath.Join(filepath.Dir(at), to)
			}
			at, rest = "/", append(strings.Split(filepath.Clean(to), "/")[1:], rest...)
			continue
		case unix.S_IFDIR:
			if letter := lacks(&st, o); letter != "" {
				return closed(o, "may not enter folder", at, &st, letter)
			}
		default:
			if letter := lacks(&st, o); letter != "" {
				return closed(o, "may not execute", at, &st, letter)
			}
		}
		if len(rest) == 0 {
			return ""
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

// lacks is whose right to execute would be the user's and is missing: u, g or o.
func lacks(st *unix.Stat_t, o Owner) string {
	switch {
	case int(st.Uid) == o.UID:
		if st.Mode&0o100 == 0 {
			return "u"
		}
	case int(st.Gid) == o.GID || slices.Contains(o.Groups, int(st.Gid)):
		if st.Mode&0o010 == 0 {
			return "g"
		}
	case st.Mode&0o001 == 0:
		return "o"
	}
	return ""
}

func closed(o Owner, what, path string, st *unix.Stat_t, letter string) string {
	owner := UserName(int(st.Uid))
	step := fmt.Sprintf("chmod %s+x %s", letter, path)
	if st.Uid != 0 && int(st.Uid) != o.UID {
		step += fmt.Sprintf(", or run the app as its owner: user = %q", owner)
	}
	return fmt.Sprintf("user %s %s %s (mode %04o, owner %s): %s", o.Name, what, path, st.Mode&0o7777, owner, step)
}
