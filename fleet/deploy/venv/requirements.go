package venv

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// maxFile is how long a requirements file may be.
const maxFile = 4 << 20

// requirements are files with all that they name.
type requirements struct {
	files map[string][]byte // by path in the tree
	order []string
	own   string // why the bytes do not say all; empty if they do

	dropped []string // what pip passes over, by its file
}

// MissingError tells of a requirements file that is not in the release.
type MissingError struct{ text string }

func (e *MissingError) Error() string { return e.text }

// readRequirements reads requirements files of a release.
func readRequirements(tree *os.Root, names []string) (requirements, error) {
	r := requirements{files: map[string][]byte{}}
	for _, name := range names {
		if err := r.read(tree, name, ""); err != nil {
			return requirements{}, err
		}
	}
	return r, nil
}

func (r *requirements) read(tree *os.Root, name, from string) error {
	where := ""
	if from != "" {
		where = ", which " + from + " names,"
	}
	name = path.Clean(name)
	if path.IsAbs(name) || name == ".." || strings.HasPrefix(name, "../") {
		return fmt.Errorf("requirements file %s%s is not in the release", name, where)
	}
	if _, known := r.files[name]; known {
		return nil
	}
	if how := instead(name); how != "" {
		return fmt.Errorf("%s%s is no requirements file, and pip reads it as none: %s", name, where, how)
	}
	if len(r.files) >= 100 {
		return errors.New("there are more than 100 requirements files")
	}
	b, err := readFile(tree, name)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return &MissingError{fmt.Sprintf("requirements file %s%s is not there; beside it there is: %s%s", name, where, beside(tree, name), exported(tree, path.Dir(name)))}
		}
		return fmt.Errorf("cannot read requirements file %s%s: %w", name, where, err)
	}
	r.files[name] = b
	r.order = append(r.order, name)
	for _, l := range lines(string(b)) {
		one := classify(l)
		for _, what := range one.dropped {
			r.dropped = append(r.dropped, name+": "+what+", as "+one.because())
		}
		switch arg := one.arg; one.kind {
		case nested:
			if strings.Contains(arg, "://") {
				r.own = fmt.Sprintf("%s names %s", name, arg)
				continue
			}
			if !path.IsAbs(arg) {
				arg = path.Join(path.Dir(name), arg)
			}
			if err := r.read(tree, arg, name); err != nil {
				return err
			}
		case elsewhere:
			r.own = fmt.Sprintf("%s names %s", name, arg)
		case plain:
		}
	}
	return nil
}

// readFile reads what the app's user may have replaced by anything.
func readFile(tree *os.Root, name string) ([]byte, error) {
	return readRegular(tree.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK, 0))
}

// readRegular reads a file that was opened without waiting for what it may be.
func readRegular(f *os.File, err error) ([]byte, error) {
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if fi, err := f.Stat(); err != nil || !fi.Mode().IsRegular() {
		return nil, errors.Join(err, errors.New("it is not a file"))
	}
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(b) > maxFile {
		err = fmt.Errorf("it is longer than %d bytes", maxFile)
	}
	return b, err
}

func beside(tree *os.Root, name string) string {
	entries, _ := fs.ReadDir(tree.FS(), path.Dir(name))
	var names []string
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".txt") || strings.Contains(e.Name(), "require") || e.Name() == "pyproject.toml" || e.Name() == "setup.py" {
			names = append(names, e.Name())
		}
	}
	if len(names) == 0 {
		return "no other"
	}
	return strings.Join(names[:min(len(names), 20)], ", ")
}

var (
	comment = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`(^|\s+)#.*$`) })
	archive = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`(?i)\.(whl|zip|tar\.gz|tgz|tar\.bz2|tar\.xz|tar)\b`) })
)

// lines are those of a requirements file, continued ones joined, as pip does.
func lines(text string) []string {
	var all []string
	joined := ""
	for l := range strings.SplitSeq(strings.ReplaceAll(text, "\r\n", "\n"), "\n") {
		if strings.HasPrefix(strings.TrimSpace(l), "#") && joined == "" {
			continue
		}
		if rest, more := strings.CutSuffix(l, `\`); more {
			joined += rest
			continue
		}
		if l = strings.TrimSpace(comment().ReplaceAllString(joined+l, "")); l != "" {
			all = append(all, l)
		}
		joined = ""
	}
	if joined = strings.TrimSpace(joined); joined != "" {
		all = append(all, joined)
	}
	return all
}

// listing is what decides about a folder of wheels.
func listing(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var all []string
	for _, e := range entries {
		fi, err := os.Stat(path.Join(dir, e.Name()))
		if err != nil {
			continue
		}
		all = append(all, fmt.Sprintf("%s %d %d", e.Name(), fi.Size(), fi.ModTime().UnixNano()))
	}
	slices.Sort(all)
	return all, nil
}
