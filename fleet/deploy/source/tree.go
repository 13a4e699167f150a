package source

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strconv"
	"strings"
)

// kind is what an entry of a tree becomes.
type kind int

const (
	folder kind = iota
	plain
	executable
	link
	gitlink // another repository's commit
)

// kinds by git's modes; 100664 is of repositories from before 2005.
var kinds = map[string]kind{"040000": folder, "100644": plain, "100664": plain, "100755": executable, "120000": link, "160000": gitlink}

// entry is one line of a tree.
type entry struct {
	path string // bytes as they are in the repository; slashes between folders
	kind kind
	id   string
	size int64
	repo int // which of the repositories that make up the release
}

// tree is what a release will hold, in the order of the repository.
type tree struct {
	entries []entry
	bytes   int64
}

// quoted shows a name of a repository in a message.
func quoted(name string) string {
	if len(name) > 200 {
		name = name[:200] + "…"
	}
	return strconv.QuoteToASCII(name)
}

// read adds what git ls-tree -r -t -z -l prints, below a folder. It stops at the
// first entry that is one too many.
func (t *tree) read(from io.Reader, below string, repo int, l Limits) error {
	r := bufio.NewReaderSize(from, 64<<10)
	for {
		line, err := r.ReadBytes(0)
		if errors.Is(err, io.EOF) && len(line) == 0 {
			return nil
		}
		if err != nil {
			return err
		}
		e, err := parseEntry(line[:len(line)-1])
		if err != nil {
			return err
		}
		if below != "" {
			e.path = below + "/" + e.path
		}
		e.repo = repo
		if err := t.add(e, l); err != nil {
			return err
		}
		if err := t.weigh(e, l); err != nil {
			return err
		}
	}
}

// add adds an entry, unless it is one too many.
func (t *tree) add(e entry, l Limits) error {
	if err := checkPath(e.path); err != nil {
		return err
	}
	t.entries = append(t.entries, e)
	if len(t.entries) > l.Files {
		return fmt.Errorf("the tree has more than %d files and folders", l.Files)
	}
	return nil
}

// weigh counts the bytes of an entry.
func (t *tree) weigh(e entry, l Limits) error {
	if t.bytes += e.size; t.bytes > l.Bytes {
		return fmt.Errorf("the tree has more than %s; %s has %s", size(l.Bytes), quoted(e.path), size(e.size))
	}
	return nil
}

// parseEntry reads "MODE TYPE ID SIZE\tPATH".
func parseEntry(line []byte) (entry, error) {
	meta, name, ok := bytes.Cut(line, []byte{'\t'})
	f := strings.Fields(string(meta))
	if !ok || len(f) != 4 {
		return entry{}, fmt.Errorf("git describes a file as %q", line)
	}
	k, ok := kinds[f[0]]
	if !ok {
		return entry{}, strangeMode(string(name), f[0])
	}
	e := entry{path: string(name), kind: k, id: f[2]}
	if f[3] != "-" {
		n, err := strconv.ParseInt(f[3], 10, 64)
		if err != nil {
			return entry{}, fmt.Errorf("%s has the size %q", quoted(e.path), f[3])
		}
		e.size = n
	}
	return e, nil
}

func strangeMode(name, mode string) error {
	return fmt.Errorf("%s has the mode %s, which is neither a file's nor a folder's nor a link's", quoted(name), mode)
}

// checkPath refuses names that would not stay where they belong, and those that
// git, on whatever system, takes for its own folder: its configuration runs
// programs.
func checkPath(name string) error {
	if len(name) > 4000 {
		return fmt.Errorf("the name %s is longer than a path may be", quoted(name))
	}
	for part := range strings.SplitSeq(name, "/") {
		switch {
		case part == "", part == ".", part == "..":
			return fmt.Errorf("%s leads elsewhere: no part of a name may be empty, \".\" or \"..\"", quoted(name))
		case len(part) > 255:
			return fmt.Errorf("%s has a part that is longer than 255 bytes", quoted(name))
		case isDotGit(part):
			return fmt.Errorf("%s is a name of git's own folder, whose configuration can run programs; take it out of the repository", quoted(name))
		}
	}
	return nil
}

// isDotGit knows the spellings of .git: letters of either case; what NTFS
// ignores (blanks and dots behind, a stream's name, the short name) and takes for
// a separator; what HFS+ ignores.
func isDotGit(part string) bool {
	s := strings.Map(func(r rune) rune {
		switch {
		case r >= 0x200c && r <= 0x200f, r >= 0x202a && r <= 0x202e, r >= 0x206a && r <= 0x206f, r == 0xfeff:
			return -1
		}
		return r
	}, part)
	for s := range strings.SplitSeq(s, `\`) {
		s, _, _ = strings.Cut(s, ":")
		s = strings.TrimRight(s, ". ")
		if strings.EqualFold(s, ".git") || strings.EqualFold(s, "git~1") {
			return true
		}
	}
	return false
}

// check looks at the tree as a whole: no name twice, nothing below what is no
// folder. It sorts the entries, folders before what is in them.
func (t *tree) check() error {
	slices.SortStableFunc(t.entries, func(a, b entry) int { return cmp.Compare(a.path, b.path) })
	seen := make(map[string]kind, len(t.entries))
	for _, e := range t.entries {
		if k, twice := seen[e.path]; twice {
			if k != e.kind && (k == folder || e.kind == folder) {
				return fmt.Errorf("%s is both a file and a folder", quoted(e.path))
			}
			return fmt.Errorf("%s is there twice", quoted(e.path))
		}
		seen[e.path] = e.kind
	}
	for _, e := range t.entries {
		dir := path.Dir(e.path)
		if dir == "." {
			continue
		}
		if k, ok := seen[dir]; !ok || k != folder {
			return fmt.Errorf("%s is in %s, which is not a folder", quoted(e.path), quoted(dir))
		}
	}
	return nil
}

// top lists what is in the uppermost folder, for a message.
func (t *tree) top() string {
	const most = 20
	var names []string
	for _, e := range t.entries {
		if strings.Contains(e.path, "/") {
			continue
		}
		name := quoted(e.path)
		name = name[1 : len(name)-1]
		if e.kind == folder {
			name += "/"
		}
		names = append(names, name)
	}
	slices.Sort(names)
	if len(names) == 0 {
		return "nothing"
	}
	if n := len(names); n > most {
		names = append(names[:most], fmt.Sprintf("and %d more", n-most))
	}
	return strings.Join(names, ", ")
}
