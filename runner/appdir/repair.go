package appdir

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/spf13/afero"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

// Problem is one thing that is wrong with an app folder.
type Problem struct {
	Path string `json:"path"` // absolute
	What string `json:"what"` // what a repair does: "create the folder"
	Why  string `json:"why"`  // "it is missing"
}

// String is one line: "/var/wsgid/blog/plugins: create the folder (it is missing)".
func (p Problem) String() string { return p.Path + ": " + p.What + " (" + p.Why + ")" }

// Check returns what Repair would do, and changes nothing: it is the repair run
// on a copy-on-write view. fsys is rooted at the app folder (see Open). live
// tells whether a process is this app's; nil takes every live process for it.
// The error is what a repair cannot mend; the problems before it are returned
// too.
func Check(fsys afero.Fs, spec *appspec.Spec, owner Owner, live func(pid int) bool) ([]Problem, error) {
	if immutable(fsys, spec) {
		return Repair(fsys, spec, owner, live)
	}
	return Repair(newOverlay(fsys), spec, owner, live)
}

// Repair puts an app folder right, and returns what it did, in order. It stops
// at the first thing that it cannot mend.
func Repair(fsys afero.Fs, spec *appspec.Spec, owner Owner, live func(pid int) bool) ([]Problem, error) {
	r := newRepair(fsys, spec, owner, live)
	if immutable(fsys, spec) {
		return r.run(r.complete, r.djangoHolds)
	}
	return r.run(r.folder, r.folders, r.leftovers, r.pidFiles, r.config)
}

func newRepair(fsys afero.Fs, spec *appspec.Spec, owner Owner, live func(pid int) bool) *repair {
	if live == nil {
		live = func(pid int) bool { return ProcAlive(pid, 0) }
	}
	r := &repair{fs: fsys, spec: spec, owner: owner, code: owner, live: live, root: os.Geteuid() == 0}
	r.checkout = spec.Release == nil && spec.Code != "" && spec.CodeDir() != AppDir
	return r
}

func (r *repair) run(steps ...func() error) ([]Problem, error) {
	for _, step := range steps {
		if err := step(); err != nil {
			return r.problems, err
		}
	}
	return r.problems, nil
}

// repair is one walk over an app folder.
type repair struct {
	fs       afero.Fs
	spec     *appspec.Spec
	owner    Owner
	code     Owner // whose app/ and plugins/ are where they have to be made
	checkout bool  // the code is the app folder itself, or somewhere else in it than in app/
	live     func(pid int) bool
	root     bool
	problems []Problem
	listed   map[string][]string // folders whose names were read
}

func (r *repair) path(name string) string { return Join(r.spec.Path, name) }

func (r *repair) note(name, what, why string) {
	r.problems = append(r.problems, Problem{Path: r.path(name), What: what, Why: why})
}

// cannot is the error of something that a person has to look at.
func (r *repair) cannot(name string, err error) error {
	return fmt.Errorf("cannot repair %s: %w", r.path(name), explain(err, r.spec.Path))
}

// names lists a folder, once: no step makes or removes what a later one looks for.
func (r *repair) names(dir string) ([]string, error) {
	if names, ok := r.listed[dir]; ok {
		return names, nil
	}
	names, err := readNames(r.fs, dir)
	if err != nil {
		return nil, r.cannot(dir, err)
	}
	if r.listed == nil {
		r.listed = map[string][]string{}
	}
	r.listed[dir] = names
	return names, nil
}

func (r *repair) remove(name string) error {
	if err := r.fs.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("cannot remove %s: %w", r.path(name), explain(err, r.spec.Path))
	}
	return nil
}

// keptSuffix marks the copy of a file that somebody wrote by hand, made before
// the fleet writes its own.
const keptSuffix = ".before-fleet"

// config writes wsgid.json and django.json where they differ from the spec.
func (r *repair) config() error {
	old, err := r.read(ConfigFile)
	if err != nil {
		return err
	}
	django, err := djangoJSON(r.spec)
	if err != nil {
		return err
	}
	config, err := configJSON(r.spec, django)
	if err != nil {
		return err
	}
	oldDjango, err := r.read(DjangoFile)
	if err != nil {
		return err
	}
	// django.json comes first: while wsgid.json still has the old mark, a repair
	// that is cut off here finds both files different, and starts again.
	mark := ourMark(django)
	if !bytes.Equal(old.data, config) { // what we would write needs no reading
		mark = readMark(old.data)
	}
	switch ours := mark.ours && digest(oldDjango.data) == mark.django; {
	case django != nil:
		if err := r.put(DjangoFile, oldDjango, django, ours); err != nil {
			return err
		}
	case oldDjango.why == "" && ours && mark.django != "":
		r.note(DjangoFile, "remove the file", "the spec has no django.overrides any more")
		if err := r.remove("/" + DjangoFile); err != nil {
			return err
		}
	}
	return r.put(ConfigFile, old, config, mark.ours)
}

// found is a file of the app folder as it was found.
type found struct {
	data []byte
	why  string // why it must be written anew whatever it holds; empty for a sound file
	gone bool
}

// read reads a file that the program writes, if it is a sound one.
func (r *repair) read(name string) (found, error) {
	fi, err := Lstat(r.fs, "/"+name)
	if errors.Is(err, fs.ErrNotExist) {
		return found{why: "it is missing", gone: true}, nil
	}
	if err != nil {
		return found{}, r.cannot(name, err)
	}
	if fi.IsDir() {
		return found{}, fmt.Errorf("cannot repair %s: it is a folder, not a file; move it away (mv %s %s.old), it is then written again",
			r.path(name), r.path(name), r.path(name))
	}
	st, known := sysStat(fi)
	if !fi.Mode().IsRegular() {
		why := "it is not a regular file"
		if known {
			why = "it is " + kindOf(st.Mode)
		}
		return found{why: why}, nil
	}
	if known && st.Nlink > 1 {
		return found{why: fmt.Sprintf("it has %d names (hard links)", st.Nlink)}, nil
	}
	f := found{}
	switch perm := fi.Mode().Perm(); {
	case known && int(st.Uid) != r.owner.UID:
		f.why = "it belongs to " + userName(int(st.Uid))
	case known && r.root && int(st.Gid) != r.owner.GID:
		f.why = "it belongs to group " + groupName(int(st.Gid))
	case perm&^SecretMode != 0:
		f.why = fmt.Sprintf("its mode %04o allows others to read it", perm)
	case perm&0o400 == 0:
		f.why = fmt.Sprintf("its mode %04o denies access to its owner", perm)
	}
	if f.data, err = readFile(r.fs, "/"+name); err != nil {
		large, ok := errors.AsType[tooLargeError](err)
		switch {
		case ok:
			f.why = large.Error()
		case errors.Is(err, fs.ErrPermission):
			f.why = "it cannot be read"
		default:
			return found{}, r.cannot(name, err)
		}
	}
	return f, nil
}

// put writes a file anew where it differs. What somebody wrote by hand is kept
// beside it once.
func (r *repair) put(name string, old found, data []byte, ours bool) error {
	why := old.why
	same := bytes.Equal(old.data, data)
	if !same && (why == "" || len(old.data) > 0) {
		why = "it differs from the spec"
	}
	if why == "" {
		return nil
	}
	what := "write the file"
	if !old.gone {
		what = "rewrite the file"
	}
	if len(old.data) > 0 && !same && !ours {
		if err := r.keep(name, old.data); err != nil {
			return err
		}
	}
	r.note(name, what, why)
	if err := writeFile(r.fs, name, data, SecretMode, r.owner, true); err != nil {
		return fmt.Errorf("cannot write %s: %w", r.path(name), explain(err, r.spec.Path))
	}
	return nil
}

func (r *repair) keep(name string, data []byte) error {
	copyName := name + keptSuffix
	if _, err := Lstat(r.fs, "/"+copyName); err == nil {
		return nil // the first one is the one that was written by hand
	}
	r.note(copyName, "keep a copy of "+name, "it was written by hand")
	if err := writeFile(r.fs, copyName, data, SecretMode, r.owner, true); err != nil {
		return fmt.Errorf("cannot write %s: %w", r.path(copyName), explain(err, r.spec.Path))
	}
	return nil
}
